"""What becomes of jobs that are handed down, whatever children say, and whenever they die."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bourn.model.jobid import JobID
from bourn.model.states import State

from .parent import OWNER, Parent


def test_the_life_of_a_job() -> None:
    parent = Parent()
    assert parent.submit(1, 2) == []
    assert (parent.down(0), parent.down(1)) == ([("job", 1)], [("job", 2)])
    parent.start(0, 1)
    # R is in our ranks.
    assert parent.told() == [("granted", 1, "4"), ("start", 1)]
    assert parent.manager.jobs[1].notes == {"exec": {"child": str(JobID(901))}}
    parent.report(0, logs=[(1, "guest.output", "hello")])
    parent.finish(0, 1)
    assert parent.told() == [("log", 1, "guest.output", "hello"), ("finish", 1), ("release", 1)]
    assert not parent.overseer.has(1)
    assert parent.overseer.has(2)
    # A report is acknowledged when it is durable, not before.
    assert parent.down(0) == []
    parent.durable()
    assert parent.down(0) == [("ack", 1), ("ack", 2), ("ack", 3)]
    assert parent.manager.meta == {"hierarchy.seen.901": 3}


def test_a_report_that_comes_again_says_nothing_new() -> None:
    parent = Parent()
    parent.submit(1)
    parent.start(0, 1)
    parent.told()
    parent.again(0, 1, alloc=[(1, 1.0, {})], events=[(1, "start", {}, 1.0)], over=[(1, 1.0, "", "")])
    assert parent.told() == []
    assert parent.overseer.has(1)


def test_what_no_child_can_run() -> None:
    parent = Parent()
    assert parent.submit(1, num_tasks=3) == [1]
    assert parent.overseer.own == {1}
    assert parent.submit(2, userid=OWNER + 1) == [2]
    # While one waits here children get nothing new.
    assert parent.submit(3) == []
    assert parent.down(0) == parent.down(1) == []
    for id in (1, 2):
        parent.manager.jobs[id].state = State.RUN
    parent.overseer.forget_own()
    parent.overseer.turn()
    assert parent.down(0) == [("job", 3)]

    parent = Parent(misfits="refuse")
    assert parent.submit(1, num_tasks=3) == []
    assert parent.told() == [("denied", 1, "it fits no child of the hierarchy; the largest has 2 cores")]


@pytest.mark.parametrize("misfits", ["run", "refuse"])
def test_a_job_that_a_child_denies_goes_to_another_until_all_have(misfits: str) -> None:
    parent = Parent(misfits=misfits)
    parent.submit(1)
    parent.report(0, deny=[(1, "no such property")])
    assert parent.down(1) == [("job", 1, "again")]
    parent.report(1, over=[(1, 1.0, "alloc", "nor here")])
    if misfits == "run":
        assert parent.manager.own == [1]
    else:
        assert parent.told() == [("denied", 1, "no child can run it: nor here")]
    assert not parent.overseer.has(1)


@pytest.mark.parametrize("policy", ["retry", "fail"])
def test_a_child_that_dies(policy: str) -> None:
    parent = Parent(on_child_failure=policy)
    parent.submit(1, 2, 3)
    parent.start(0, 1)
    parent.told(), parent.down(1)
    parent.die(0)
    note = f"the child instance {JobID(901)} that ran it has ended"
    # 3 hadn't started: it goes elsewhere in any case.
    if policy == "retry":
        assert parent.told() == [("debug.rerun", 1, note)]
        assert parent.down(1) == [("job", 1, "again"), ("job", 3, "again")]
        # It has started already, as far as anybody is concerned.
        parent.start(1, 1)
        parent.finish(1, 1)
        assert parent.told() == [("finish", 1), ("release", 1)]
    else:
        assert parent.told() == [("exception", 1), ("finish", 1), ("release", 1)]
        assert parent.down(1) == [("job", 3, "again")]
    assert parent.manager.meta["hierarchy.seen.901"] is None


def stderr(text: str) -> str:
    entry = {"timestamp": 1.0, "name": "data", "context": {"stream": "stderr", "rank": "0", "data": text}}
    return json.dumps(entry) + "\n"


@pytest.mark.parametrize(
    ("facts", "output", "why"),
    [
        ({"exception": ("exec", 0, "bourn: command not found")}, [], "bourn: command not found"),
        ({"exception": ("timelimit", 0, "")}, [], "timelimit"),
        ({"waitstatus": 9}, [stderr("some warning\n")], "task(s) Killed"),
        (
            {"waitstatus": 256},
            [stderr("warn"), stderr("ing\nerror: no such policy\n")],
            "error: no such policy",
        ),
        ({"waitstatus": 256}, [], "task(s) exited with exit code 1"),
        ({"waitstatus": 0}, [], ""),
    ],
)
def test_it_is_told_why_a_child_has_ended(
    facts: dict[str, object], output: list[str], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    parent = Parent()
    child = parent.distributor.children[0]
    parent.submit(1)
    parent.manager.jobs[901].__dict__.update(facts)
    parent.manager.output = output
    parent.die(0)
    assert child.note == "ended" + (f": {why}" if why else "")
    assert caplog.messages == [f"child 0 (job {JobID(901)}) {child.note}; it had 1 job"]
    caplog.clear()
    parent.raise_(child, 903, rank=4)
    parent.manager.jobs[903].__dict__.update(facts)
    parent.die(0)
    assert caplog.messages[0].startswith(f"child 0 (job {JobID(903)}) ended before it was up")
    parent.raise_(child, 904, rank=4)
    parent.join(0)
    assert child.note == ""


def test_retries_end() -> None:
    parent = Parent(retries=1)
    parent.submit(1)
    for index in (0, 1):
        parent.start(index, 1)
        parent.die(index)
    names = [what[0] for what in parent.told()]
    assert names == ["granted", "start", "debug.rerun", "exception", "finish", "release"]


def test_a_request_is_taken_back() -> None:
    parent = Parent()
    parent.submit(1)
    parent.down(0)
    assert parent.overseer.recall([1, 77]) == [77]
    assert parent.down(0) == [("cancel", 1, "cancel", "recalled")]
    assert parent.told() == []
    parent.report(0, over=[(1, 1.0, "cancel", "recalled")])
    assert parent.told() == [("cancelled", 1)]
    # One that waits for a child is back at once.
    parent.distributor.hold = True
    parent.submit(2)
    assert parent.overseer.recall([2]) == []
    assert parent.told() == [("cancelled", 2)]


def test_a_job_that_is_cancelled_ends_once() -> None:
    parent = Parent()
    parent.submit(1)
    parent.start(0, 1)
    parent.told(), parent.down(0)
    parent.manager.jobs[1].exception = ("cancel", 0, "enough")
    parent.overseer.end(1)
    parent.overseer.end(1)
    assert parent.down(0) == [("cancel", 1, "cancel", "enough")]
    # The exception is ours: the child's says nothing new.
    parent.report(0, events=[(1, "exception", {"type": "cancel", "severity": 0}, 2.0)])
    parent.finish(0, 1)
    assert parent.told() == [("finish", 1), ("release", 1)]


def test_a_child_that_comes_back() -> None:
    parent = Parent()
    parent.submit(1, 2, 3, 4, 5)
    parent.start(0, 1, 3)
    parent.told()
    child, line = parent.distributor.children[0], parent.lines[0]
    parent.overseer.left(child, line)
    assert child.state.value == "away"
    # It has 1 still, has lost 3, never got 5, and comes with one that nobody knows.
    assert parent.join(0, 1, 66) == 1
    assert ("cancel", 66, "cancel", "the parent instance doesn't know it any more") in parent.down(0)
    assert parent.told() == [("debug.rerun", 3, "the child has lost it")]
    parent.overseer.turn()
    handed = [item for index in (0, 1) for item in parent.down(index) if item[0] == "job"]
    assert {item[1:] for item in handed} >= {(3, "again"), (5, "again")}


def test_the_children_go_and_the_scheduler_gets_what_waits() -> None:
    parent = Parent()
    parent.distributor.hold = True
    parent.submit(1, 2)
    parent.overseer.withdraw()
    assert parent.manager.own == [1, 2]
    assert parent.submit(3) == [3]


def test_signals_and_limits_go_where_the_job_is() -> None:
    parent = Parent()
    parent.submit(1)
    parent.down(0)
    parent.overseer.kill(1, 15)
    parent.overseer.move_expiration(1, 9.0)
    assert parent.overseer.prioritize([(1, 5), (77, 6)]) == [(77, 6)]
    assert parent.down(0) == [("kill", 1, 15), ("expiration", 1, 9.0), ("urgency", 1, 16)]


@given(st.lists(st.tuples(st.sampled_from(["submit", "start", "finish", "die", "deny"]), st.integers(0, 1))))
def test_each_job_is_accounted_for_once(steps: list[tuple[str, int]]) -> None:
    """Whatever happens, a job gets resources once, ends once, and is nowhere twice."""
    parent = Parent(retries=99)
    told: list[tuple[object, ...]] = []
    last, children = 0, 902
    for what, index in steps:
        child = parent.distributor.children[index]
        running = [id for id, entry in child.jobs.items() if entry.running]
        pending = [id for id, entry in child.jobs.items() if not entry.running]
        if what == "submit":
            last += 1
            parent.submit(last)
        elif what == "start" and pending:
            parent.start(index, pending[0])
        elif what == "finish" and running:
            parent.finish(index, running[0])
        elif what == "deny" and pending:
            parent.report(index, deny=[(pending[0], "no")])
        elif what == "die":
            parent.die(index)
            children += 1
            parent.raise_(child, children, rank=4 + index)
            parent.join(index)
            parent._reports[index] = 0
        told += parent.told()
        have = [id for c in parent.distributor.children for id in c.jobs]
        assert len(have) == len(set(have))
        for c in parent.distributor.children:
            assert c.running == sum(entry.running for entry in c.jobs.values())
            assert c.cores_busy == len(c.jobs)
    for id in range(1, last + 1):
        names = [item[0] for item in told if item[1] == id]
        over = not parent.overseer.has(id)
        assert names.count("granted") == names.count("start") <= 1
        assert names.count("release") == names.count("finish") == (over and id not in parent.manager.own)


def test_a_child_whose_nodes_take_no_jobs_gets_none_and_gives_back_what_has_not_begun() -> None:
    parent = Parent()
    parent.submit(1, 2, 3)
    parent.start(0, 1)
    parent.told(), parent.down(0), parent.down(1)
    parent.overseer.close({4: "broken"})
    assert parent.down(0) == [("closed", ("0", "broken")), ("recall", 3)]
    parent.submit(5, 6)
    assert parent.down(0) == []
    assert parent.down(1) == [("job", 5), ("job", 6)]
    # 3 comes back and goes elsewhere; 1, which runs there, stays.
    parent.report(0, over=[(3, 1.0, "cancel", "recalled")])
    assert parent.down(1) == [("job", 3, "again")]
    parent.finish(0, 1)
    assert parent.told() == [("finish", 1), ("release", 1)]
    parent.overseer.close({4: "broken"})
    assert parent.down(0) == []
    parent.overseer.close({})
    assert parent.distributor.children[0].closed == ""
    parent.submit(7, 8)
    assert parent.down(0) == [("job", 7)]


def test_a_job_that_began_before_it_was_recalled_stays() -> None:
    parent = Parent()
    parent.submit(1)
    parent.overseer.close({4: ""})
    parent.start(0, 1)
    parent.finish(0, 1)
    assert parent.told() == [("granted", 1, "4"), ("start", 1), ("finish", 1), ("release", 1)]


def test_a_child_that_comes_back_hears_again_what_is_closed() -> None:
    parent = Parent()
    parent.submit(1)
    parent.overseer.close({4: "broken"})
    parent.join(0, 1)
    assert parent.down(0) == [("closed", ("0", "broken")), ("recall", 1)]
