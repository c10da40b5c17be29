"""Job arrays for the programs that kill: what is submitted, and how it must end."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import bourn
from bourn.client.submission import member_ids
from bourn.errors import BournError
from bourn.model.idset import IdSet
from tests.soak import broker_kills

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.soak.broker_kills import Work

MEMBERS = 300
"""Members of an array at most: more than an instance keeps before the scheduler."""


def submit_until_killed(
    uri: str,
    folder: Path,
    seed: int,
    acknowledged: dict[int, Work],
    arrays: dict[int, list[int]],
    work: Sequence[Work],
    weights: Sequence[int],
) -> None:
    """Submit arrays with gaps in their numbers; note each, and its members' ids, when it is acknowledged.

    A client waits for each third array, so that there's always some work but no end of it.
    """
    dice = random.Random(seed)
    specs = broker_kills.specs(folder, work)
    try:
        with bourn.Handle(uri) as handle:
            while True:
                for _ in range(3):
                    (kind,) = dice.choices(range(len(work)), weights)
                    # Those that last have fewer members.
                    most = MEMBERS if weights[kind] == max(weights) else MEMBERS // 10
                    numbers = IdSet(dice.sample(range(2 * most), dice.randrange(1, most)))
                    array = bourn.job.submit_array(handle, specs[kind], numbers)
                    ids = [int(id) for id in array]
                    acknowledged.update(dict.fromkeys(ids, work[kind]))
                    arrays[int(array.id)] = ids
                array.wait(handle)
    except BournError:
        return


def check(uri: str, arrays: dict[int, list[int]]) -> list[str]:
    """Return what is wrong with arrays that should have ended: each has its members, each of them once."""
    wrong = []
    with bourn.Handle(uri) as handle:
        for id, members in arrays.items():
            array = bourn.JobArray.get(handle, id)
            if [int(member) for member in member_ids(array.id, array.members)] != sorted(members):
                wrong.append(f"array {array} has other members than were submitted")
            counts = array.wait(handle).counts
            if sum(counts.values()) != len(members) or counts["pending"] or counts["running"]:
                wrong.append(f"array {array}: of {len(members)} members {counts}")
            listed = sorted(int(info.id) for info in array.jobs(handle))
            if listed != sorted(members):
                wrong.append(f"array {array}: {len(listed)} members are listed, of {len(members)}")
    return wrong
