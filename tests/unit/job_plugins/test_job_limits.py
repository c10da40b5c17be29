from __future__ import annotations

from typing import Any

import pytest

from bourn.errors import BournError, ConfigError
from bourn.hookspecs.job_plugins import UpdateVerdict
from bourn_plugins.job_plugins.alloc_bypass import AllocBypass
from bourn_plugins.job_plugins.history import History
from bourn_plugins.job_plugins.limit_duration import LimitDuration
from bourn_plugins.job_plugins.limit_job_size import LimitJobSize
from bourn_plugins.job_plugins.submit_hold import SubmitHold
from bourn_plugins.job_plugins.update_duration import UpdateDuration
from bourn_plugins.job_plugins.update_queue import UpdateQueue, moved
from bourn_policies.priority.urgency import Urgency
from tests.unit.job_manager.fakes import R, Rig

DURATION = "attributes.system.duration"
QUEUE = "attributes.system.queue"


@pytest.mark.parametrize(
    ("queue", "duration", "reason"),
    [
        ("short", 60.0, None),
        ("short", 61.0, "duration 1.01667m exceeds the limit of queue 'short', 1m"),
        ("short", 0.0, "a job without a time limit exceeds the limit of queue 'short', 1m"),
        ("free", 0.0, None),
        ("general", 3600.0, None),
        ("general", 7200.0, "duration 2h exceeds the limit, 1h"),
    ],
)
def test_limit_duration(queue: str, duration: float, reason: str | None) -> None:
    config = {
        "policy": {"limits": {"duration": "1h"}},
        "queues": {
            "short": {"policy": {"limits": {"duration": "1m"}}},
            "free": {"policy": {"limits": {"duration": "inf"}}},
            "general": {},
        },
    }
    rig = Rig(config, plugins=[LimitDuration()], greedy=False)
    rig.submit(system={"queue": queue, "duration": duration})
    rig.settle()
    found = None if rig.errors[0] is None else str(rig.errors[0])
    if reason is None:
        assert found is None
    else:
        assert found is not None
        assert found.split(" exceeds")[1] == reason.split(" exceeds")[1]


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"max": {"ncores": 1}}, None),
        ({"max": {"ncores": 0}}, "the job needs 1 cores; at most 0 are allowed"),
        ({"min": {"ncores": 2}}, "the job needs 1 cores; at least 2 are asked for"),
        ({"min": {"ngpus": 1}}, "the job needs 0 GPUs; at least 1 are asked for"),
        ({"max": {"nnodes": 1}}, None),
        ({}, None),
    ],
)
def test_limit_job_size(limits: dict[str, Any], reason: str | None) -> None:
    rig = Rig({"policy": {"limits": {"job-size": limits}}}, plugins=[LimitJobSize()], greedy=False)
    rig.submit(2)
    rig.settle()
    if reason is None:
        assert rig.errors == [None]
    else:
        assert str(rig.errors[0]) == f"job 0: {reason}"


def test_a_queue_has_limits_of_its_own() -> None:
    config = {
        "policy": {"limits": {"job-size": {"max": {"ncores": 0}}}},
        "queues": {"big": {"policy": {"limits": {"job-size": {"max": {"ncores": -1}}}}}, "small": {}},
    }
    rig = Rig(config, plugins=[LimitJobSize()], greedy=False)
    rig.submit(system={"queue": "big"})
    rig.submit(system={"queue": "small"})
    rig.settle()
    assert [str(error) for error in rig.errors if error] == [
        "the job needs 1 cores; at most 0 are allowed in queue 'small'"
    ]


def test_limits_that_nothing_can_meet_are_refused() -> None:
    limits = {"max": {"ncores": 1}, "min": {"ncores": 2}}
    with pytest.raises(BournError, match=r"\[policy.limits\]: job-size.min.ncores = 2 is more than"):
        Rig({"policy": {"limits": {"job-size": limits}}}, plugins=[LimitJobSize()])


def test_update_duration() -> None:
    rig = Rig(plugins=[UpdateDuration()], instant=False)
    (id,) = rig.submit()
    rig.settle()
    job = rig.engine.jobs[id]
    assert rig.engine.hooks.update(job, DURATION, 10.0) == UpdateVerdict()
    for value in (-1, True, "1h", float("inf")):
        assert "must be seconds" in str(rig.engine.hooks.update(job, DURATION, value))
    rig.t += 100
    rig.engine.now()
    assert "would have ended it already" in str(rig.engine.hooks.update(job, DURATION, 50))
    rig.exec.run(id)
    rig.engine.post(job, "exception", {"type": "cancel", "severity": 0})
    assert "has ended" in str(rig.engine.hooks.update(job, DURATION, 5000))


def test_an_update_that_nobody_knows_is_refused() -> None:
    rig = Rig(plugins=[UpdateDuration()], greedy=False)
    (id,) = rig.submit()
    text = rig.engine.hooks.update(rig.engine.jobs[id], "attributes.system.durations", 1)
    assert text == (
        "update of attributes.system.durations is not supported; did you mean 'attributes.system.duration'?"
    )


def test_update_queue() -> None:
    config = {"queues": {"a": {"requires": ["fat"]}, "b": {"requires": ["thin"]}}}
    rig = Rig(config, plugins=[UpdateQueue()], greedy=False, instant=False)
    (id,) = rig.submit(system={"queue": "a", "constraints": {"properties": ["fat"]}})
    rig.settle()
    job = rig.engine.jobs[id]
    verdict = rig.engine.hooks.update(job, QUEUE, "b")
    assert verdict == UpdateVerdict({"attributes.system.constraints": {"properties": ["thin"]}}, True)
    assert "already" in str(rig.engine.hooks.update(job, QUEUE, "a"))
    assert "no such queue 'c'" in str(rig.engine.hooks.update(job, QUEUE, "c"))
    rig.sched.grant(id)
    assert "has its resources" in str(rig.engine.hooks.update(job, QUEUE, "b"))


@pytest.mark.parametrize(
    ("constraint", "old", "new", "result"),
    [
        (None, (), ("x",), {"properties": ["x"]}),
        ({"properties": ["x"]}, ("x",), (), {}),
        ({"ranks": ["0"]}, (), ("x",), {"and": [{"ranks": ["0"]}, {"properties": ["x"]}]}),
        (
            {"and": [{"ranks": ["0"]}, {"properties": ["x"]}]},
            ("x",),
            ("y",),
            {"and": [{"ranks": ["0"]}, {"properties": ["y"]}]},
        ),
        ({"and": [{"ranks": ["0"]}, {"properties": ["x"]}]}, ("x",), (), {"ranks": ["0"]}),
    ],
)
def test_constraints_move_with_the_queue(constraint: Any, old: Any, new: Any, result: Any) -> None:
    assert moved(constraint, old, new) == result


def test_submit_hold() -> None:
    rig = Rig(plugins=[SubmitHold()], greedy=False)
    (id,) = rig.submit()
    rig.settle()
    assert rig.names(id) == "submit validate urgency depend priority"
    assert rig.engine.jobs[id].priority == 0


def test_alloc_bypass() -> None:
    rig = Rig(plugins=[AllocBypass()])
    (id,) = rig.submit(system={"alloc-bypass": {"R": R}})
    rig.submit(system={"alloc-bypass": {"R": {"version": 2}}})
    rig.settle()
    assert rig.sched.order == []
    assert rig.store.done[id].ranks == "0"
    assert "alloc-bypass.R: R: version" in str(rig.errors[0])


def test_history() -> None:
    rig = Rig(plugins=[History()])
    ids = [*rig.submit(2), *rig.submit(userid=7)]
    rig.settle()
    plugin = rig.engine.hooks.loaded["history"].plugin
    assert plugin.query() == {"1": [ids[1], ids[0]], "7": [ids[2]]}
    rig.engine.purge([ids[1]])
    assert plugin.query() == {"1": [ids[0]], "7": [ids[2]]}


def test_the_policy_urgency_takes_no_options() -> None:
    with pytest.raises(ConfigError, match="unknown key 'x'"):
        Urgency({"x": 1})
