"""Sending the jobs of `bourn submit` and `bourn bulksubmit`, in as few requests as may be."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from bourn.cli import jobspec_args
from bourn.client.submission import WAITABLE, Submission, member_ids
from bourn.model.jobid import MAX_MEMBERS, JobID

if TYPE_CHECKING:
    from argparse import Namespace

    from bourn.client.handle import Handle

ARRAY_FROM = 32
"""So many copies of a job, or more, are submitted as an array: one line in `bourn jobs`."""


class Item(NamedTuple):
    """A job to submit: its options with templates filled in, its jobspec, and what sets it apart from the
    others.
    """

    args: Namespace
    jobspec: dict[str, Any]
    settings: dict[str, Any] | None = None
    number: int | None = None
    """Its `cc`, if it is told apart from the others of its jobspec by that alone."""


def prepare(args: Namespace, jobspec: dict[str, Any]) -> Submission | None:
    """Return one job, ready to be sent; with --dry-run print its jobspec instead."""
    if args.dry_run:
        print(json.dumps(jobspec, ensure_ascii=False))
        return None
    submission = Submission()
    submission.add(jobspec, urgency=jobspec_args.urgency(args), flags=jobspec_args.flags(args))
    return submission


class Sent(NamedTuple):
    """What was submitted."""

    ids: list[JobID]
    """The jobs and members, in the order of the items."""
    arrays: list[JobID]


def send(h: Handle, items: list[Item], urgency: int, flags: int) -> Sent:
    """Submit the items, in one request unless it would be over the limit of a message.

    Many that differ by their number only are an array.
    """
    sent = Sent([JobID(0)] * len(items), [])
    submission = Submission()
    places: list[int] = []
    arrays: list[tuple[int, list[int]]] = []

    def flush() -> None:
        ids = submission.send(h)
        for place, id in zip(places, ids, strict=False):
            sent.ids[place] = id
        for (place, numbers), id in zip(arrays, ids[len(places) :], strict=True):
            sent.ids[place : place + len(numbers)] = member_ids(id, numbers)
            sent.arrays.append(id)

    place = 0
    while place < len(items):
        if submission.full:
            flush()
            submission, places, arrays = Submission(), [], []
        item = items[place]
        numbers = _alike(items, place)
        if numbers and not flags & WAITABLE and (len(numbers) >= ARRAY_FROM or item.args.array):
            submission.add_array(item.jobspec, _idset(numbers), urgency=urgency, flags=flags)
            arrays.append((place, numbers))
            place += len(numbers)
            continue
        for item in items[place : place + max(len(numbers), 1)]:
            submission.add(item.jobspec, urgency=urgency, flags=flags, settings=item.settings)
            places.append(place)
            place += 1
    if items:
        flush()
    return sent


def _alike(items: list[Item], place: int) -> list[int]:
    """Return the ascending numbers of the items from a place on that differ in nothing else."""
    jobspec = items[place].jobspec
    numbers: list[int] = []
    while place < len(items) and items[place].jobspec is jobspec:
        number = items[place].number
        if number is None or number >= MAX_MEMBERS or (numbers and number <= numbers[-1]):
            break
        numbers.append(number)
        place += 1
    return numbers


def _idset(numbers: list[int]) -> str:
    from bourn.model.idset import IdSet

    if numbers[-1] - numbers[0] + 1 == len(numbers):
        return f"{numbers[0]}-{numbers[-1]}"
    return str(IdSet(numbers))
