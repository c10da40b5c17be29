from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bourn.model.event import parse_eventlog
from bourn.model.interned import INTERNED
from bourn.model.states import Result, State
from bourn_plugins.job_manager.job import (
    ALLOCATED,
    ASKED_ALLOC,
    ASKED_START,
    FINISHED,
    RELEASED,
    STARTED,
    Job,
)
from bourn_plugins.job_manager.machine import IllegalEvent, advance, apply, exception_result, merge
from tests.unit.job_manager.fakes import jobspec

SPEC = INTERNED.intern_obj(jobspec())
SUBMIT = {"userid": 1, "urgency": 16, "flags": 0, "version": 1}


def job_after(*events: str | tuple[str, dict[str, Any]]) -> Job:
    job = Job(1, 1, 16, 0, 1.0, SPEC)
    for t, event in enumerate([("submit", SUBMIT), *events], 1):
        name, context = (event, None) if isinstance(event, str) else event
        apply(job, name, float(t), context)
    return job


PRIORITY = ("priority", {"priority": 16})
FINISH = ("finish", {"status": 0})
RELEASE = ("release", {"ranks": "all", "final": True})
CANCEL = ("exception", {"type": "cancel", "severity": 0, "note": ""})
TO_SCHED = ("validate", "depend", PRIORITY)
TO_RUN = (*TO_SCHED, "alloc")


def test_a_good_life() -> None:
    job = job_after(*TO_RUN, "start", FINISH, RELEASE, "free", "clean")
    assert job.state is State.INACTIVE
    assert job.result is Result.COMPLETED
    assert (job.t_submit, job.t_depend, job.t_run, job.t_cleanup, job.t_inactive) == (1, 2, 5, 7, 10)
    assert job.events == 10


@pytest.mark.parametrize(
    ("events", "result"),
    [
        ((*TO_RUN, "start", ("finish", {"status": 256})), Result.FAILED),
        ((*TO_RUN, "start", ("exception", {"type": "timelimit", "severity": 0, "note": ""})), Result.TIMEOUT),
        ((*TO_RUN, CANCEL), Result.CANCELED),
        ((CANCEL,), Result.CANCELED),
        ((*TO_SCHED, ("exception", {"type": "alloc", "severity": 0, "note": ""})), Result.FAILED),
        ((*TO_RUN, "start", FINISH, CANCEL), Result.COMPLETED),
        ((*TO_RUN, "start", CANCEL, FINISH), Result.CANCELED),
        ((*TO_RUN, "start", ("exception", {"type": "x", "severity": 1}), FINISH), Result.COMPLETED),
    ],
)
def test_what_brings_a_job_to_cleanup_decides_its_result(events: Any, result: Result) -> None:
    job = job_after(*events)
    assert job.state is State.CLEANUP
    assert job.result is result


def test_the_first_fatal_exception_is_the_root_cause() -> None:
    job = job_after(
        ("exception", {"type": "warning", "severity": 3, "note": "mild"}),
        ("exception", {"type": "exec", "severity": 0, "note": "first"}),
        ("exception", {"type": "cancel", "severity": 0, "note": "second"}),
    )
    assert job.exception == ("exec", 0, "first")
    assert job.result is Result.FAILED


@pytest.mark.parametrize(
    ("events", "event"),
    [
        ((), ("submit", SUBMIT)),
        ((), "depend"),
        ((), "alloc"),
        (("validate",), "validate"),
        (("validate", ("dependency-add", {"description": "a"})), "depend"),
        (("validate",), ("dependency-remove", {"description": "a"})),
        (
            (
                "validate",
                ("dependency-add", {"description": "a"}),
                ("dependency-remove", {"description": "a"}),
            ),
            ("dependency-add", {"description": "a"}),
        ),
        (("validate", "depend"), ("dependency-add", {"description": "a"})),
        (("validate", "depend"), ("priority", {"priority": 4294967296})),
        (("validate", "depend"), "alloc"),
        (TO_SCHED, "start"),
        (TO_SCHED, FINISH),
        (TO_SCHED, ("prolog-start", {"description": "p"})),
        ((*TO_RUN, ("prolog-start", {"description": "p"})), "start"),
        (TO_RUN, ("prolog-finish", {"description": "p", "status": 0})),
        ((*TO_RUN, "start"), "start"),
        ((*TO_RUN, "start"), ("prolog-start", {"description": "p"})),
        ((*TO_RUN, "start"), RELEASE),
        ((*TO_RUN, "start"), "free"),
        ((*TO_RUN, "start", FINISH), FINISH),
        ((*TO_RUN, "start", FINISH, RELEASE), RELEASE),
        ((*TO_RUN, "start", FINISH, RELEASE), "clean"),
        ((*TO_RUN, "start", FINISH, ("epilog-start", {"description": "e"}), RELEASE), "free"),
        ((CANCEL, "clean"), CANCEL),
        ((CANCEL, "clean"), ("memo", {"a": 1})),
        ((CANCEL, "clean"), "clean"),
        ((CANCEL,), ("epilog-start", {"description": "e"})),
        (TO_SCHED, ("urgency", {"urgency": 32})),
        (TO_SCHED, ("set-flags", {"flags": ["nonsense"]})),
        (TO_SCHED, ("resource-update", {"expiration": 5.0})),
        (TO_SCHED, ("exception", {"severity": 0})),
        (TO_SCHED, ("exception", {"type": "x", "severity": 8})),
        (TO_SCHED, "nonsense"),
    ],
)
def test_what_cannot_happen_is_refused_and_changes_nothing(events: Any, event: Any) -> None:
    job = job_after(*events)
    before = facts(job)
    name, context = (event, None) if isinstance(event, str) else event
    with pytest.raises(IllegalEvent, match=name):
        apply(job, name, 99.0, context)
    assert facts(job) == before


def test_nothing_happens_before_submit() -> None:
    with pytest.raises(IllegalEvent, match="before submit"):
        apply(Job(1, 1, 16, 0, 1.0, SPEC), "validate", 1.0)


def test_a_missing_key_is_named() -> None:
    with pytest.raises(IllegalEvent, match=r"priority.*bad context"):
        apply(job_after("validate", "depend"), "priority", 3.0, {})


def test_dependencies_hold_a_job_and_may_be_added_again() -> None:
    add = ("dependency-add", {"description": "a"})
    job = job_after("validate", add, add)
    assert list(job.dependencies) == ["a"]
    assert advance(job) is None
    apply(job, "dependency-remove", 5.0, {"description": "a"})
    assert list(job.dependencies) == []
    assert advance(job) == "depend"


def test_a_held_job_is_not_asked_for() -> None:
    job = job_after("validate", "depend", ("priority", {"priority": 0}))
    assert advance(job) is None
    apply(job, "priority", 5.0, {"priority": 1})
    assert advance(job) == "ask-alloc"
    assert advance(job) is None
    apply(job, "priority", 6.0, {"priority": 0})
    assert advance(job) == "cancel-alloc"
    assert advance(job) is None


def test_a_prolog_delays_the_start() -> None:
    job = job_after(*TO_RUN, ("prolog-start", {"description": "p"}))
    assert advance(job) is None
    apply(job, "prolog-finish", 9.0, {"description": "p", "status": 0})
    assert advance(job) == "ask-start"


def test_an_epilog_delays_the_free() -> None:
    job = job_after(*TO_RUN, "start", FINISH, ("epilog-start", {"description": "e"}), RELEASE)
    assert advance(job) is None
    apply(job, "epilog-finish", 20.0, {"description": "e", "status": 0})
    assert advance(job) == "free"


def test_cleanup_waits_for_what_was_asked() -> None:
    job = job_after(*TO_SCHED)
    assert advance(job) == "ask-alloc"
    apply(job, *CANCEL[:1], 9.0, CANCEL[1])
    assert advance(job) == "cancel-alloc"
    assert advance(job) is None
    job.asked &= ~ASKED_ALLOC
    assert advance(job) == "clean"


def test_cleanup_waits_for_execution() -> None:
    job = job_after(*TO_RUN)
    assert advance(job) == "ask-start"
    apply(job, *CANCEL[:1], 9.0, CANCEL[1])
    assert advance(job) == "cancel-exec"
    assert advance(job) is None
    apply(job, "finish", 10.0, {"status": 15})
    apply(job, "release", 11.0, RELEASE[1])
    assert advance(job) == "free"


def test_restart_goes_back_to_priority() -> None:
    job = job_after(*TO_SCHED, "restart")
    assert job.state is State.PRIORITY
    assert advance(job) == "priority"
    assert job_after("validate", "restart").state is State.DEPEND


def test_updates_lie_over_the_jobspec() -> None:
    job = job_after(("jobspec-update", {"attributes.system.duration": 7.0, "attributes.system.queue": "q"}))
    assert job.duration == 7.0
    assert job.queue == "q"
    assert job.attr("tasks")[0]["slot"] == "task"
    assert job.attr("attributes.system")["queue"] == "q"
    assert job.attr("attributes.system.bank", "none") == "none"
    assert SPEC.obj["attributes"]["system"] == {"duration": 0.0}


def test_merge_deletes_with_none() -> None:
    assert merge({"a": 1, "b": {"c": 2, "d": 3}}, {"a": None, "b": {"c": None}}) == {"b": {"d": 3}}
    assert merge(None, {"a": {"b": None}}) is None


def test_exception_results() -> None:
    assert exception_result("cancel") is Result.CANCELED
    assert exception_result("timelimit") is Result.TIMEOUT
    assert exception_result("exec") is Result.FAILED


def facts(job: Job) -> dict[str, Any]:
    """What a replay must reproduce."""
    names = [name for name in Job.__slots__ if name not in ("asked", "queued", "text", "__weakref__")]
    return {name: getattr(job, name) for name in names}


DESCRIPTIONS = st.sampled_from(["a", "b"])
EVENTS = st.one_of(
    st.sampled_from(
        [
            "validate", "depend", "alloc", "start", "free", "clean", "restart", "invalidate", "debug.x",
        ]
    ).map(lambda name: (name, None)),
    st.integers(0, 20).map(lambda p: ("priority", {"priority": p})),
    st.integers(0, 31).map(lambda u: ("urgency", {"urgency": u, "userid": 1})),
    st.sampled_from([0, 15, 256]).map(lambda s: ("finish", {"status": s})),
    st.booleans().map(lambda final: ("release", {"ranks": "0", "final": final})),
    st.tuples(
        st.sampled_from(["dependency-add", "dependency-remove", "prolog-start", "epilog-start"]), DESCRIPTIONS
    ).map(lambda pair: (pair[0], {"description": pair[1]})),
    st.tuples(st.sampled_from(["prolog-finish", "epilog-finish"]), DESCRIPTIONS).map(
        lambda pair: (pair[0], {"description": pair[1], "status": 0})
    ),
    st.tuples(st.sampled_from(["cancel", "timelimit", "exec"]), st.integers(0, 7), st.text(max_size=5)).map(
        lambda e: ("exception", {"type": e[0], "severity": e[1], "note": e[2]})
    ),
    st.dictionaries(st.text(max_size=3), st.none() | st.integers() | st.text(max_size=3), max_size=2).map(
        lambda memo: ("memo", memo)
    ),
    st.floats(0, 1e6).map(lambda d: ("jobspec-update", {"attributes.system.duration": d})),
    st.floats(1, 1e6).map(lambda e: ("resource-update", {"expiration": e})),
    st.just(("set-flags", {"flags": ["debug"]})),
)  # fmt: skip


class Life(RuleBasedStateMachine):
    """Any events in any order: illegal ones change nothing, legal ones keep it sane and replay."""

    def __init__(self) -> None:
        super().__init__()
        self.job = Job(1, 1, 16, 0, 1.0, SPEC)
        self.log: list[dict[str, Any]] = []
        self.t = 0.0
        self.step("submit", SUBMIT)

    def step(self, name: str, context: dict[str, Any] | None) -> None:
        self.t += 1.0
        before = facts(self.job)
        try:
            apply(self.job, name, self.t, context)
        except IllegalEvent:
            assert facts(self.job) == before
        else:
            entry: dict[str, Any] = {"timestamp": self.t, "name": name}
            if context:
                entry["context"] = context
            self.log.append(entry)

    @rule(event=EVENTS)
    def any_event(self, event: tuple[str, dict[str, Any] | None]) -> None:
        self.step(*event)

    @precondition(lambda self: self.job.state is not State.INACTIVE)
    @rule()
    def follow(self) -> None:
        """Do as the engine does: events that `advance` names are legal at once."""
        step = advance(self.job)
        if step in ("depend", "free", "clean"):
            events = self.job.events
            self.step(step, None)
            assert self.job.events == events + 1
        elif step == "priority":
            self.step("priority", {"priority": 1})
        elif step == "ask-start":
            assert self.job.state is State.RUN
            assert not self.job.prologs
            self.step("start", None)
            self.step("finish", {"status": 0})
            self.step("release", {"ranks": "all", "final": True})
        elif step == "cancel-alloc":
            self.job.asked &= ~ASKED_ALLOC

    @invariant()
    def sane(self) -> None:
        job = self.job
        if job.state in (State.CLEANUP, State.INACTIVE):
            assert job.result is not None
        else:
            assert job.result is None
        if job.state in State.PENDING or job.state is State.INACTIVE:
            assert not job.facts & ALLOCATED
            assert not job.epilogs
        if job.state is State.RUN:
            assert job.facts & ALLOCATED
            assert not job.facts & (FINISHED | RELEASED)
            assert not job.asked & ASKED_START or not job.prologs
        if job.facts & RELEASED:
            assert job.state in (State.CLEANUP, State.INACTIVE)
        if job.facts & STARTED:
            assert job.t_run
        assert job.events == len(self.log)

    @invariant()
    def replays(self) -> None:
        again = Job(1, 1, 16, 0, 1.0, SPEC)
        text = "".join(json.dumps(entry) + "\n" for entry in self.log)
        for event in parse_eventlog(text):
            apply(again, event.name, event.timestamp, dict(event.context))
        assert facts(again) == facts(self.job)


TestLife = Life.TestCase
TestLife.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
