"""Job arrays in the engine: members become jobs in their turn, and nothing of them is lost."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bourn.errors import BournError
from bourn.hookspecs.job_plugins import JobPlugin
from bourn.model.idset import IdSet
from bourn.model.interned import INTERNED, IngestedArray
from bourn.model.jobid import member_id
from bourn.model.states import State
from bourn_plugins.job_manager.arrays import DEPTH, NUMBER, ArrayDesk, JobArray, _lowest, _mask
from bourn_plugins.job_manager.restart import load, resume
from tests.unit.job_manager.fakes import Rig, jobspec

if TYPE_CHECKING:
    from bourn.hookspecs.job_plugins import JobActions, JobView

ID = 7 << 24
CANCEL = {"type": "cancel", "severity": 0, "note": "enough"}
FULL = BournError("No space left on device", errno.ENOSPC)


def desk(rig: Rig) -> ArrayDesk:
    return ArrayDesk(rig.engine, rig.intake)


def submit(rig: Rig, found: ArrayDesk, members: str = "1-1000", **system: Any) -> None:
    spec = INTERNED.intern_obj(jobspec("true", {"duration": 60.0, **system}))
    item = IngestedArray(ID, 1, 16, 0, rig.t, spec, IdSet(members))

    def done(error: BournError | None) -> None:
        if error is None:
            found.accepted([item])
        rig.errors.append(error)

    rig.intake.submit([], done, found.check([item]))


def test_all_members_run_and_the_array_ends() -> None:
    rig = Rig()
    found = desk(rig)
    ended: list[JobArray] = []
    found.ended.append(ended.append)
    submit(rig, found)
    rig.settle()
    assert rig.errors == [None]
    assert sorted(rig.store.done) == [member_id(ID, number) for number in range(1, 1001)]
    assert rig.names(member_id(ID, 5)).endswith("free clean")
    assert [array.counts["completed"] for array in ended] == [1000]
    assert rig.store.arrays(active=True) == []
    assert not found


def test_only_so_many_members_are_jobs_at_a_time() -> None:
    rig = Rig(greedy=False, instant=False)
    found = desk(rig)
    submit(rig, found, "0-999999")
    rig.settle()
    assert len(rig.engine.jobs) == DEPTH
    assert rig.sched.order == [member_id(ID, number) for number in range(DEPTH)]
    rig.sched.grant(*rig.sched.order[:200])
    rig.settle()
    array = found.find(ID)
    assert len(array.pending) == DEPTH
    assert array.counts == {
        "pending": 999_800,
        "running": 200,
        "completed": 0,
        "failed": 0,
        "canceled": 0,
        "timeout": 0,
    }


def test_a_member_knows_its_number() -> None:
    rig = Rig(greedy=False)
    found = desk(rig)
    submit(rig, found, "3,5")
    rig.settle()
    assert [job.attr(NUMBER) for job in rig.engine.jobs.values()] == ["3", "5"]


def test_who_is_asked_for_becomes_a_job_at_once() -> None:
    rig = Rig(greedy=False)
    found = desk(rig)
    submit(rig, found, "0-9999")
    rig.settle()
    id = member_id(ID, 7777)
    assert rig.engine.find(id).id == id
    rig.settle()
    assert rig.names(id) == "submit validate depend priority"
    assert found.find(ID).waits(id) is None
    for absent in (member_id(ID, 10_000), ID + 5000):
        with pytest.raises(BournError, match="no such job"):
            rig.engine.find(absent)
    with pytest.raises(BournError, match=r"is a job array: name one of its members, .*\[0-9999\]"):
        rig.engine.find(ID)


def test_an_array_that_is_cancelled_ends_all_members_with_their_records() -> None:
    rig = Rig(greedy=False, instant=False)
    found = desk(rig)
    submit(rig, found)
    rig.settle()
    rig.sched.grant(*rig.sched.order[:2])
    rig.settle()
    found.end(found.find(ID), CANCEL)
    rig.settle()
    rig.exec.finish(*rig.exec.cancelled, status=15)
    rig.settle()
    assert len(rig.store.done) == 1000
    assert {row.result for row in rig.store.done.values()} == {4}
    assert {row.exception_note for row in rig.store.done.values()} == {"enough"}
    assert rig.names(member_id(ID, 999)) == "submit validate depend priority exception clean"
    assert not found


def test_urgency_is_for_those_to_come_as_well() -> None:
    rig = Rig(greedy=False)
    found = desk(rig)
    submit(rig, found)
    rig.settle()
    found.set_urgency(found.find(ID), 20, 1)
    rig.settle()
    assert {job.priority for job in rig.engine.jobs.values()} == {20}
    assert rig.engine.find(member_id(ID, 900)).urgency == 20


class Refuses(JobPlugin):
    """Refuses from the nth job on."""

    name = "refuses"

    def __init__(self, after: int) -> None:
        self.left = after

    def validate(self, job: JobView, act: JobActions) -> str | None:
        self.left -= 1
        return None if self.left >= 0 else "that is too many"


def test_a_plugin_refuses_the_array_by_its_first_member() -> None:
    rig = Rig(plugins=[Refuses(0)])
    found = desk(rig)
    with pytest.raises(BournError, match="that is too many"):
        submit(rig, found)
    assert rig.engine.jobs == {}


def test_a_member_that_a_plugin_refuses_later_is_ended() -> None:
    rig = Rig(plugins=[Refuses(3)])
    found = desk(rig)
    submit(rig, found, "1-4")
    rig.settle()
    assert [row.result for row in rig.store.done.values()].count(1) == 2
    refused = rig.store.done[member_id(ID, 4)]
    assert (refused.exception_type, refused.exception_note) == ("refused", "that is too many")


def test_a_full_disk_refuses_the_array() -> None:
    rig = Rig()
    found = desk(rig)
    rig.store.error = FULL
    submit(rig, found)
    rig.settle()
    assert [error.errnum for error in rig.errors if error] == [errno.ENOSPC]
    assert not found
    rig.store.error = None
    rig.engine.retry()
    rig.settle()
    assert rig.store.arrays() == []


def test_members_wait_for_room_on_the_disk() -> None:
    rig = Rig()
    found = desk(rig)
    submit(rig, found)
    rig.turn()
    rig.store.commit_all()
    rig.store.error = FULL
    rig.settle()
    assert found.find(ID).counts["pending"] == 1000
    rig.store.error = None
    rig.t += 10
    rig.engine.retry()
    rig.settle()
    assert len(rig.store.done) == 1000
    assert not found


def restarted(rig: Rig) -> tuple[Rig, ArrayDesk]:
    again = Rig(store=rig.store, greedy=False, instant=False)
    again.t = rig.t + 1
    found = desk(again)
    resume(again.engine, list(load(again.store)))  # type: ignore[arg-type]
    found.restore(again.store)  # type: ignore[arg-type]
    return again, found


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 300), st.integers(0, 300), st.booleans())
def test_an_array_goes_on_after_a_restart(grant: int, finish: int, cancel: bool) -> None:
    rig = Rig(greedy=False, instant=False)
    found = desk(rig)
    submit(rig, found, "1-600")
    rig.settle()
    rig.sched.grant(*rig.sched.order[:grant])
    rig.settle()
    rig.exec.finish(*list(rig.exec.started)[:finish])
    rig.settle()
    before = found.find(ID).counts
    if cancel:
        found.end(found.find(ID), CANCEL)
        rig.turn()
        rig.store.commit_all()
    again, other = restarted(rig)
    if not cancel:
        assert other.find(ID).counts == before
    again.sched.greedy = again.exec.instant = True
    again.exec.finish(*(id for array in other.arrays.values() for id in list(array.running)))
    again.sched.grant(*list(again.sched.asked))
    again.settle()
    assert len(again.store.done) == 600
    assert not other
    assert again.store.arrays(active=True) == []
    assert all(job.state is not State.NEW for job in again.engine.jobs.values())


@given(st.sets(st.integers(0, 3000), min_size=1), st.integers(1, 200))
def test_the_lowest_bits(numbers: set[int], count: int) -> None:
    ordered = sorted(numbers)
    assert _mask(ordered) == sum(1 << number for number in numbers)
    assert list(_lowest(_mask(ordered), count)) == ordered[:count]
