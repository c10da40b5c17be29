from __future__ import annotations

from typing import Any

import pytest

from bourn.model.jobid import JobID
from bourn_plugins.job_plugins.begin_time import BeginTime
from bourn_plugins.job_plugins.dependency_after import After, satisfied
from bourn_plugins.job_plugins.dependency_singleton import Singleton
from tests.unit.job_manager.fakes import Rig
from tests.unit.job_manager.test_job_engine import restarted

CANCEL = {"type": "cancel", "severity": 0, "note": ""}


def dependency(scheme: str, value: Any = None, **system: Any) -> dict[str, Any]:
    return {"system": {"dependencies": [{"scheme": scheme, "value": value}], **system}}


def held(rig: Rig, id: int) -> bool:
    return "depend " not in rig.names(id) + " "


def cancel(rig: Rig, id: int) -> None:
    rig.engine.post(rig.engine.jobs[id], "exception", dict(CANCEL))
    rig.engine.kick()
    rig.settle()


@pytest.mark.parametrize("scheme", ["after", "afterstart"])
def test_after_waits_for_the_start(scheme: str) -> None:
    rig = Rig(plugins=[After()], instant=False)
    (first,) = rig.submit()
    (second,) = rig.submit(**dependency(scheme, JobID(first).f58))
    rig.settle()
    assert rig.names(second) == "submit validate dependency-add"
    assert list(rig.engine.jobs[second].dependencies) == [f"{scheme}=ƒ2"]
    rig.exec.run(first)
    rig.settle()
    assert not held(rig, second)
    (third,) = rig.submit(**dependency(scheme, first))
    rig.settle()
    assert rig.names(third).startswith("submit validate depend")


@pytest.mark.parametrize(
    ("scheme", "status", "goes"),
    [
        ("afterany", 0, True),
        ("afterany", 256, True),
        ("afterok", 0, True),
        ("afterok", 256, False),
        ("afternotok", 0, False),
        ("afternotok", 256, True),
        ("afterexcept", 256, False),
    ],
)
def test_dependencies_on_the_end(scheme: str, status: int, goes: bool) -> None:
    rig = Rig(plugins=[After()], instant=False)
    (first,) = rig.submit()
    (second,) = rig.submit(**dependency(scheme, str(first)))
    rig.settle()
    rig.exec.run(first)
    rig.settle()
    assert held(rig, second)
    rig.exec.finish(first, status=status)
    rig.settle()
    if goes:
        assert second in rig.exec.started
    else:
        done = rig.store.done[second]
        assert done.exception_type == "depend"
        assert "can never be satisfied" in done.exception_note


def test_afterexcept_wants_an_exception() -> None:
    rig = Rig(plugins=[After()], greedy=False)
    (first,) = rig.submit()
    (second,) = rig.submit(**dependency("afterexcept", first))
    rig.settle()
    cancel(rig, first)
    assert not held(rig, second)


def test_after_ends_with_a_job_that_never_started() -> None:
    rig = Rig(plugins=[After()], greedy=False)
    (first,) = rig.submit()
    (second,) = rig.submit(**dependency("after", first))
    rig.settle()
    cancel(rig, first)
    assert rig.store.done[second].exception_type == "depend"


def test_a_chain_of_failures_ends_all() -> None:
    rig = Rig(plugins=[After()], greedy=False)
    ids = rig.submit()
    for _ in range(300):
        ids += rig.submit(**dependency("afterok", ids[-1]))
    rig.settle()
    cancel(rig, ids[0])
    assert len(rig.store.done) == 301
    assert rig.engine.hooks.loaded["dependency-after"].plugin.query() == {}


def test_a_cancelled_waiter_is_forgotten() -> None:
    rig = Rig(plugins=[After()], instant=False)
    (first,) = rig.submit()
    (second,) = rig.submit(**dependency("afterok", first))
    rig.settle()
    cancel(rig, second)
    rig.exec.run(first)
    rig.exec.finish(first)
    rig.settle()
    assert rig.names(second).endswith("exception clean")


@pytest.mark.parametrize(
    ("scheme", "value", "reason"),
    [
        ("afterok", "f!", "dependency afterok:f!: "),
        ("afterok", 777, "dependency afterok=777: no such job ƒER"),
        ("afterok", 1, "can't wait for itself"),
        ("aftr", 1, "dependency scheme 'aftr' is unknown; did you mean 'after'?"),
    ],
)
def test_bad_dependencies_are_refused(scheme: str, value: Any, reason: str) -> None:
    rig = Rig(plugins=[After()])
    rig.submit(**dependency(scheme, value))
    if "777" in reason:
        assert str(rig.errors[0]).startswith("dependency afterok=777: no such job")
    else:
        assert reason in str(rig.errors[0])
    assert rig.engine.jobs == {}


def test_a_malformed_dependency_is_refused() -> None:
    rig = Rig(plugins=[After()])
    rig.submit(system={"dependencies": ["afterok:1"]})
    assert "lacks a scheme" in str(rig.errors[0])


def test_dependencies_survive_a_restart() -> None:
    rig = Rig(plugins=[After()], instant=False)
    (first,) = rig.submit()
    (second,) = rig.submit(**dependency("afterok", first))
    rig.settle()
    again = restarted(rig, plugins=[After()], instant=False)
    assert again.names(second) == "submit validate dependency-add"
    again.exec.run(first)
    again.exec.finish(first)
    again.settle()
    assert not held(again, second)


def test_the_table() -> None:
    assert satisfied("afterok", 1, False)
    assert not satisfied("afterok", 2, False)
    assert satisfied("afternotok", 8, True)
    assert satisfied("afterexcept", 4, True)


def named(name: str = "x") -> dict[str, Any]:
    return {"system": {"dependencies": [{"scheme": "singleton"}], "job": {"name": name}}}


def test_singletons_take_turns() -> None:
    rig = Rig(plugins=[Singleton()], instant=False)
    first, second, third = [rig.submit(**named())[0] for _ in range(3)]
    (other,) = rig.submit(**named("y"))
    (stranger,) = rig.submit(userid=7, **named())
    rig.settle()
    assert set(rig.exec.started) == {first, other, stranger}
    rig.exec.run(first)
    rig.exec.finish(first)
    rig.settle()
    assert second in rig.exec.started
    assert held(rig, third)
    cancel(rig, third)
    rig.exec.run(second)
    rig.exec.finish(second)
    rig.settle()
    assert rig.names(third).endswith("exception clean")


def test_singletons_survive_a_restart() -> None:
    rig = Rig(plugins=[Singleton()], instant=False)
    first, second, third = [rig.submit(**named())[0] for _ in range(3)]
    rig.settle()
    again = restarted(rig, plugins=[Singleton()], instant=False)
    again.exec.run(first)
    again.exec.finish(first)
    again.settle()
    assert not held(again, second)
    assert held(again, third)


def test_a_singleton_needs_a_name() -> None:
    rig = Rig(plugins=[Singleton()])
    rig.submit(system={"dependencies": [{"scheme": "singleton"}]})
    assert "needs a name" in str(rig.errors[0])


def test_begin_time() -> None:
    rig = Rig(plugins=[BeginTime()], greedy=False)
    (early,) = rig.submit(**dependency("begin-time", rig.t - 1))
    (late,) = rig.submit(**dependency("begin-time", rig.t + 60))
    rig.settle()
    assert list(rig.sched.asked) == [early]
    rig.t += 60
    rig.actions.run_wakeups(rig.t)
    rig.settle()
    assert late in rig.sched.asked


def test_a_begin_time_that_came_during_a_restart() -> None:
    rig = Rig(plugins=[BeginTime()], greedy=False)
    (id,) = rig.submit(**dependency("begin-time", rig.t + 5))
    rig.settle()
    again = restarted(rig, plugins=[BeginTime()], greedy=False)
    assert held(again, id)
    again.actions.run_wakeups(again.t)
    again.settle()
    assert not held(again, id)


@pytest.mark.parametrize("value", ["soon", None, -1, "inf", "nan"])
def test_a_bad_begin_time_is_refused(value: Any) -> None:
    rig = Rig(plugins=[BeginTime()])
    rig.submit(**dependency("begin-time", value))
    assert "must be seconds since the epoch" in str(rig.errors[0])
