"""Who hasn't come to the exchange of cards, as far as somebody can tell."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import trio

from bourn.errors import BournError
from bourn.model.idset import IdSet
from bourn_plugins.boot_pmi.cards import get_card
from bourn_plugins.boot_pmi.wire import NoSuchKey

if TYPE_CHECKING:
    from bourn_plugins.boot_pmi.client import PmiClient

ASK_SECONDS = 5.0
"""How long the process manager, and then the parent instance, may take to say who is there."""


async def missing_ranks(client: PmiClient, size: int) -> IdSet:
    """Return the ranks among which those are that this one waits for; empty where nobody can tell.

    PMI has no request for that, but where a card that is there can be had, ours first, others are missing; or
    they are on other nodes, of which a parent instance knows whether all their tasks have come.
    """
    came = IdSet()
    with trio.move_on_after(ASK_SECONDS):
        try:
            came = await _with_cards(client, size)
        except BournError:
            return IdSet()  # the last has come just now, or the process manager says something else
    missing = IdSet(range(size)) - came
    if not came:
        return IdSet()
    with trio.move_on_after(ASK_SECONDS):
        awaited = await _awaited()
        if awaited is not None:
            missing &= awaited
    return missing


async def _with_cards(client: PmiClient, size: int) -> IdSet:
    came = set()
    for rank in range(size):
        try:
            await client.hold(get_card(client.wire, rank))
        except NoSuchKey:
            continue
        came.add(rank)
    return IdSet(came)


async def _awaited() -> IdSet | None:
    """Ask the parent instance, if it has started us, which tasks it waits for."""
    uri, job = os.environ.get("BOURN_URI"), os.environ.get("BOURN_JOB_ID")
    if not uri or not job:
        return None
    from bourn.client.aio import Handle
    from bourn.model.jobid import JobID

    try:
        async with Handle(uri) as parent:
            found = await parent.rpc("job-exec.awaited", {"id": int(JobID.parse(job))})
    except (BournError, OSError):
        return None
    return IdSet(found["tasks"])
