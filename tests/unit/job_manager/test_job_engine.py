from __future__ import annotations

import errno
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bourn.errors import BournError
from bourn.hookspecs.exec_method import ExecEvent
from bourn.hookspecs.job_plugins import JobPlugin
from bourn.hookspecs.sched import FreeRequest
from bourn.model.states import Result, State
from bourn_plugins.job_manager.restart import load, resume
from tests.unit.job_manager.fakes import FakeStore, Rig

if TYPE_CHECKING:
    from bourn.hookspecs.job_plugins import JobActions, JobHost, JobView
    from bourn_plugins.job_manager.job import Job

LIFE = "submit validate depend priority alloc start finish release free clean"
FULL = BournError("No space left on device", errno.ENOSPC)
CANCEL = {"type": "cancel", "severity": 0, "note": ""}


def test_a_job_lives_from_submission_to_its_row() -> None:
    rig = Rig()
    (id,) = rig.submit()
    rig.settle()
    assert rig.errors == [None]
    assert rig.names(id) == LIFE
    assert rig.sched.freed == [id]
    done = rig.store.done[id]
    assert (done.result, done.waitstatus, done.nnodes, done.ncores) == (1, 0, 1, 4)
    assert (done.ranks, done.nodelist) == ("0", "node0")
    assert rig.engine.jobs == {}
    assert rig.engine.running == 0


def test_nothing_is_acknowledged_or_started_before_its_commit() -> None:
    rig = Rig(greedy=False, instant=False)
    (id,) = rig.submit()
    rig.turn()
    assert rig.errors == []
    assert rig.store.names(id) == ""
    rig.store.commit_all()
    assert rig.errors == [None]
    rig.sched.grant(id)
    rig.turn()
    assert id not in rig.exec.started
    rig.store.commit_all()
    assert id in rig.exec.started
    assert rig.names(id).endswith("alloc")


def test_an_end_and_the_next_start_are_one_commit() -> None:
    rig = Rig(greedy=False, instant=False)
    first, second = rig.submit(2)
    rig.settle()
    rig.sched.grant(first)
    rig.settle()
    free = rig.sched.free

    def pass_on(jobs: Any) -> None:
        # As schedulers do: the pass comes in the next turn of the loop.
        free(jobs)
        rig.soon[lambda: rig.sched.grant(second)] = None

    rig.sched.free = pass_on  # type: ignore[method-assign]
    before = rig.engine.commits
    rig.exec.run(first)
    rig.exec.finish(first)
    rig.settle()
    assert second in rig.exec.started
    assert rig.engine.commits == before + 1


def test_what_comes_together_is_written_together() -> None:
    rig = Rig(greedy=False)
    rig.submit(5)
    rig.submit(5)
    rig.turn()
    assert len(rig.store.pending) == 1
    batch = rig.store.pending[0][0]
    assert len(batch.jobs) == 10
    assert len(batch.logs) == 10
    rig.submit()
    rig.turn()
    # The first commit runs still.
    assert len(rig.store.pending) == 1
    rig.settle()
    assert rig.errors == [None, None, None]
    assert len(rig.sched.asked) == 11


@given(
    st.text(),
    st.floats(allow_nan=False, allow_infinity=False, min_value=0.001),
    st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text()),
)
@settings(max_examples=100)
def test_lines_of_the_eventlog_are_json(note: str, t: float, memo: dict[str, Any]) -> None:
    rig = Rig(sched=False)
    (id,) = rig.submit()
    job = rig.engine.jobs[id]
    context = {"type": "warn", "severity": 4, "note": note}
    try:
        note.encode()
    except UnicodeEncodeError:
        return
    rig.engine.post(job, "exception", context, t)
    rig.engine.post(job, "memo", memo)
    rig.settle()
    assert rig.store.eventlog(id)[-2:] == [("exception", context), ("memo", memo)]
    entries = [json.loads(line) for line in "".join(rig.store.events(id)).split("\n")[:-1]]
    assert entries[-2] == {"timestamp": t, "name": "exception", "context": context}


# Cancellation


@pytest.mark.parametrize("greedy", [True, False])
def test_a_pending_job_is_cancelled(greedy: bool) -> None:
    rig = Rig(sched=greedy, greedy=False)
    (id,) = rig.submit()
    rig.settle()
    rig.engine.post(rig.engine.jobs[id], "exception", dict(CANCEL))
    rig.engine.kick()
    rig.settle()
    assert rig.names(id) == "submit validate depend priority exception clean"
    assert rig.store.done[id].result == Result.CANCELED
    assert rig.sched.cancelled == ([id] if greedy else [])


def test_a_grant_that_crosses_a_cancellation_is_given_back() -> None:
    rig = Rig(greedy=False)
    (id,) = rig.submit()
    rig.settle()
    rig.engine.post(rig.engine.jobs[id], "exception", dict(CANCEL))
    rig.sched.grant(id)
    rig.settle()
    assert rig.sched.freed == [id]
    assert rig.names(id).endswith("exception clean")


def test_a_grant_to_nobody_is_given_back() -> None:
    rig = Rig()
    rig.engine.sched.alloc_success([(77, {"execution": {"R_lite": []}}, None)])
    rig.settle()
    assert rig.sched.freed == [77]


def test_a_job_cancelled_before_its_start_is_never_started() -> None:
    rig = Rig(instant=False)
    (id,) = rig.submit()
    rig.turn()  # granted; the commit of the allocation runs
    rig.engine.post(rig.engine.jobs[id], "exception", dict(CANCEL))
    rig.engine.kick()
    rig.settle()
    assert rig.exec.started == {}
    assert rig.exec.cancelled == []
    assert rig.names(id) == "submit validate depend priority alloc exception free clean"


def test_a_running_job_is_cancelled_and_waits_for_its_release() -> None:
    rig = Rig(instant=False)
    (id,) = rig.submit()
    rig.settle()
    rig.exec.run(id)
    rig.settle()
    rig.engine.post(rig.engine.jobs[id], "exception", dict(CANCEL))
    rig.engine.kick()
    rig.settle()
    assert rig.exec.cancelled == [id]
    assert rig.sched.freed == []
    rig.exec.finish(id, status=15)
    rig.settle()
    assert rig.names(id) == (
        "submit validate depend priority alloc start exception finish release free clean"
    )
    assert rig.store.done[id].result == Result.CANCELED


def test_timelimit_is_a_timeout() -> None:
    rig = Rig(instant=False)
    (id,) = rig.submit()
    rig.settle()
    rig.exec.run(id)
    limit = {"type": "timelimit", "severity": 0, "note": "3600 s"}
    rig.exec.finish(id, status=15, before=[ExecEvent(id, "exception", limit, rig.t)])
    rig.settle()
    assert rig.store.done[id].result == Result.TIMEOUT
    assert rig.store.done[id].exception_note == "3600 s"


def test_a_denied_job_fails_with_the_reason() -> None:
    rig = Rig(greedy=False)
    (id,) = rig.submit()
    rig.settle()
    rig.sched.asked.clear()
    rig.engine.sched.alloc_deny([(id, "needs 3 nodes, the instance has 1")])
    rig.settle()
    done = rig.store.done[id]
    assert (done.result, done.exception_type) == (Result.FAILED, "alloc")
    assert done.exception_note == "needs 3 nodes, the instance has 1"


def test_what_execution_reports_twice_is_left_out() -> None:
    rig = Rig(instant=False)
    (id,) = rig.submit()
    rig.settle()
    rig.exec.run(id)
    rig.exec.run(id)
    rig.exec.finish(id)
    rig.exec.finish(id)
    rig.settle()
    assert rig.names(id) == LIFE


def test_output_is_committed_with_the_end() -> None:
    rig = Rig(instant=False)
    (id,) = rig.submit()
    rig.settle()
    rig.exec.run(id)
    rig.settle()
    told: list[str] = []
    events = [
        ExecEvent(id, "finish", {"status": 0}, rig.t),
        ExecEvent(id, "release", {"ranks": "0", "final": True}, rig.t),
    ]
    rig.engine.exec.exec_report(events, [(id, "guest.output", '{"x":1}\n')], lambda: told.append("yes"))
    rig.turn()
    ((batch, _),) = rig.store.pending
    assert [name for _, name, _ in batch.logs] == ["guest.output", "eventlog"]
    assert told == []
    rig.store.commit_all()
    assert told == ["yes"]


def test_an_executor_that_fails_ends_the_jobs_it_was_handed() -> None:
    class Broken(Exception):
        pass

    rig = Rig(instant=False)

    def start(jobs: Any) -> None:
        raise Broken("out of order")

    rig.exec.start = start  # type: ignore[method-assign]
    (id,) = rig.submit()
    rig.settle()
    assert rig.store.done[id].exception_type == "exec"
    assert "out of order" in rig.store.done[id].exception_note
    assert rig.sched.freed == [id]


# The scheduler's presence


def test_jobs_wait_for_a_scheduler_and_come_in_order_of_priority() -> None:
    rig = Rig(sched=False, greedy=False)
    low = rig.submit(urgency=1)
    high = rig.submit(urgency=30)
    middle = rig.submit(2)
    rig.settle()
    assert rig.sched.attach() == []
    rig.settle()
    assert rig.sched.order == high + middle + low


def test_a_new_scheduler_gets_running_and_pending_jobs_again() -> None:
    rig = Rig(greedy=False, instant=False)
    first, second = rig.submit(2)
    rig.settle()
    rig.sched.grant(first)
    rig.settle()
    rig.sched = type(rig.sched)(rig.engine.sched, greedy=False)
    (hello,) = rig.sched.attach()
    rig.settle()
    assert (hello.id, hello.priority) == (first, 16)
    assert rig.sched.order == [second]
    rig.exec.finish(first)
    rig.settle()
    assert rig.sched.freed == [first]


def test_a_job_cancelled_while_no_scheduler_is_there_ends() -> None:
    rig = Rig(greedy=False)
    (id,) = rig.submit()
    rig.settle()
    rig.engine.sched.detach()
    rig.engine.post(rig.engine.jobs[id], "exception", dict(CANCEL))
    rig.engine.kick()
    rig.settle()
    assert rig.store.done[id].result == Result.CANCELED


def test_a_scheduler_that_raises_is_detached() -> None:
    rig = Rig()

    def alloc(jobs: Any) -> None:
        raise RuntimeError("no")

    rig.sched.alloc = alloc  # type: ignore[method-assign]
    (id,) = rig.submit()
    rig.settle()
    assert rig.engine.sched.scheduler is None
    assert rig.engine.jobs[id].state is State.SCHED
    rig.sched = type(rig.sched)(rig.engine.sched)
    rig.sched.attach()
    rig.settle()
    assert rig.names(id) == LIFE


def test_a_changed_priority_is_told_to_the_scheduler() -> None:
    rig = Rig(greedy=False)
    (id,) = rig.submit()
    rig.settle()
    job = rig.engine.jobs[id]
    rig.engine.post(job, "urgency", {"urgency": 20, "userid": 1})
    rig.engine.reprioritize([job])
    rig.settle()
    assert rig.sched.priorities == [(id, 20)]


@pytest.mark.parametrize(("urgency", "priority"), [(0, 0), (31, 4294967295), (5, 5)])
def test_urgency_holds_and_expedites(urgency: int, priority: int) -> None:
    rig = Rig(greedy=False)
    (id,) = rig.submit(urgency=urgency)
    rig.settle()
    assert rig.engine.jobs[id].priority == priority
    assert (id in rig.sched.asked) == (urgency != 0)


def test_a_held_job_is_taken_back_and_asked_for_again() -> None:
    rig = Rig(greedy=False)
    (id,) = rig.submit()
    rig.settle()
    job = rig.engine.jobs[id]
    for urgency, asked in ((0, False), (16, True)):
        rig.engine.post(job, "urgency", {"urgency": urgency, "userid": 1})
        rig.engine.reprioritize([job])
        rig.settle()
        assert (id in rig.sched.asked) == asked


def test_annotations_come_with_pending_reasons_and_alloc() -> None:
    rig = Rig(greedy=False, instant=False)
    (id,) = rig.submit()
    rig.settle()
    rig.engine.sched.annotate([(id, {"sched": {"reason_pending": "no cores"}})])
    assert rig.engine.jobs[id].annotations == {"sched": {"reason_pending": "no cores"}}
    rig.sched.asked.clear()
    R = {"execution": {"R_lite": [{"rank": "0", "children": {"core": "0"}}]}}
    rig.engine.sched.alloc_success([(id, R, {"sched": {"note": "x"}})])
    rig.settle()
    assert rig.engine.jobs[id].annotations == {"sched": {"note": "x"}}


# Queues

QUEUES = {"queues": {"a": {}, "b": {"started": False}}}


def test_a_queue_must_be_named_and_exist() -> None:
    rig = Rig(QUEUES)
    rig.submit()
    rig.submit(command="other", system={"queue": "c"})
    assert [str(error) for error in rig.errors] == [
        "name a queue; there are: a, b",
        "no such queue 'c'; there are: a, b",
    ]


def test_jobs_of_a_stopped_queue_wait() -> None:
    rig = Rig(QUEUES, greedy=False)
    (waits,) = rig.submit(system={"queue": "b"})
    (goes,) = rig.submit(system={"queue": "a"})
    rig.settle()
    assert list(rig.sched.asked) == [goes]
    rig.engine.queues.get("a").started = False
    rig.engine.queues.get("b").started = True
    rig.engine.sched.queues_changed()
    rig.settle()
    assert list(rig.sched.asked) == [waits]
    rig.engine.queues.get("a").started = True
    rig.engine.sched.queues_changed()
    rig.settle()
    assert set(rig.sched.asked) == {waits, goes}


def test_a_disabled_queue_refuses_with_the_reason() -> None:
    rig = Rig()
    queue = rig.engine.queues.get(None)
    queue.enabled, queue.disable_reason = False, "maintenance"
    rig.submit()
    assert str(rig.errors[0]) == "job submission to the queue is disabled: maintenance"


def test_one_bad_job_refuses_all() -> None:
    class Picky(JobPlugin):
        name = "picky"

        def validate(self, job: JobView, act: JobActions) -> str | None:
            return "not this one" if job.id == 2 else None

    rig = Rig(plugins=[Picky()])
    rig.submit(3)
    assert str(rig.errors[0]) == "job 1: not this one"
    rig.settle()
    assert rig.engine.jobs == {}
    assert rig.store.rows == {}


# Plugins


def test_a_failing_plugin_is_named_with_its_version_and_refuses() -> None:
    class Broken(JobPlugin):
        name = "broken"

        def validate(self, job: JobView, act: JobActions) -> str | None:
            raise KeyError("oops")

    rig = Rig(plugins=[Broken()])
    rig.submit()
    assert str(rig.errors[0]) == "job plugin 'broken' (test 1.0) failed in validate: KeyError: 'oops'"


def test_a_plugin_that_fails_where_it_only_looks_on_does_no_harm() -> None:
    class Broken(JobPlugin):
        name = "broken"
        events = frozenset({"start"})

        def create(self, job: JobView, act: JobActions) -> None:
            raise ValueError

        new = depend = run = cleanup = inactive = create

        def event(self, job: JobView, name: str, context: Any, act: JobActions) -> None:
            raise ValueError

        def priority_get(self, job: JobView, act: JobActions) -> int | None:
            raise ValueError

    rig = Rig(plugins=[Broken()])
    (id,) = rig.submit()
    rig.settle()
    assert rig.names(id) == LIFE
    assert rig.engine.hooks.loaded["broken"].failures == 8


def test_callbacks_come_in_the_order_of_a_jobs_life() -> None:
    seen: list[str] = []

    def note(name: str) -> Any:
        def callback(self: Any, job: JobView, *rest: Any) -> None:
            seen.append(f"{name}:{job.state.name}" if name != "event" else f"event:{rest[0]}")

        return callback

    names = ("create", "validate", "new", "depend", "priority", "sched", "run", "event", "cleanup")
    names += ("inactive", "inactive_add", "destroy")
    plugin = type("Seer", (JobPlugin,), {name: note(name) for name in names})
    plugin.name, plugin.events = "seer", frozenset({"start", "alloc"})  # type: ignore[attr-defined]
    rig = Rig(plugins=[plugin()])
    rig.submit()
    rig.turn()
    assert seen == ["create:NEW", "validate:NEW"]
    rig.settle()
    assert seen[2:] == [
        "new:NEW", "depend:DEPEND", "priority:PRIORITY", "sched:SCHED", "event:alloc", "run:RUN",
        "event:start", "cleanup:CLEANUP", "inactive:INACTIVE", "inactive_add:INACTIVE", "destroy:INACTIVE",
    ]  # fmt: skip


def test_events_that_a_callback_posts_wait_for_their_turn() -> None:
    class Poster(JobPlugin):
        name = "poster"

        def depend(self, job: JobView, act: JobActions) -> None:
            act.add_dependency(job.id, "first")
            act.set_memo(job.id, {"a": 1})
            act.remove_dependency(job.id, "first")
            assert job.annotations == {}

    rig = Rig(plugins=[Poster()])
    (id,) = rig.submit()
    rig.settle()
    assert rig.names(id).startswith("submit validate dependency-add memo dependency-remove depend priority")


def test_a_prolog_and_an_epilog_delay_start_and_free() -> None:
    class Both(JobPlugin):
        name = "both"

        def run(self, job: JobView, act: JobActions) -> None:
            act.prolog_start(job.id, "p")

        def cleanup(self, job: JobView, act: JobActions) -> None:
            act.epilog_start(job.id, "e")

    rig = Rig(plugins=[Both()])
    (id,) = rig.submit()
    rig.settle()
    assert rig.names(id).endswith("alloc prolog-start")
    rig.actions.prolog_finish(id, "p")
    rig.settle()
    assert rig.names(id).endswith("prolog-finish start finish epilog-start release")
    rig.actions.epilog_finish(id, "e")
    rig.settle()
    assert rig.names(id).endswith("epilog-finish free clean")


def test_a_prolog_that_fails_ends_the_job() -> None:
    class Prolog(JobPlugin):
        name = "prolog"

        def run(self, job: JobView, act: JobActions) -> None:
            act.prolog_start(job.id, "p")

    rig = Rig(plugins=[Prolog()])
    (id,) = rig.submit()
    rig.settle()
    rig.actions.prolog_finish(id, "p", 256)
    rig.settle()
    assert rig.names(id).endswith("alloc prolog-start exception prolog-finish free clean")
    assert rig.store.done[id].exception_type == "prolog"


def test_a_priority_of_a_plugin_comes_before_the_policy() -> None:
    class Ten(JobPlugin):
        name = "ten"

        def priority_get(self, job: JobView, act: JobActions) -> int | None:
            return 10

    rig = Rig(plugins=[Ten()], greedy=False)
    (id,) = rig.submit()
    rig.settle()
    assert rig.engine.jobs[id].priority == 10


def test_a_job_without_a_priority_waits_in_priority() -> None:
    rig = Rig(greedy=False)
    rig.engine.policy = lambda job, now: None
    (id,) = rig.submit()
    rig.settle()
    assert rig.engine.jobs[id].state is State.PRIORITY
    rig.engine.policy = lambda job, now: 3
    rig.engine.reprioritize(rig.engine.jobs.values())
    rig.settle()
    assert rig.engine.jobs[id].state is State.SCHED


def test_two_plugins_of_one_name_or_scheme_are_refused() -> None:
    class One(JobPlugin):
        name = "one"

    class Two(JobPlugin):
        name = "two"
        dependency_schemes = {"s": lambda job, dependency, act: None}

    class Three(Two):
        name = "three"

    with pytest.raises(BournError, match=r"'one' of test 1\.0 has the name of one of test 1.0"):
        Rig(plugins=[One(), One()])
    with pytest.raises(BournError, match="scheme 's' belongs to job plugin 'two'"):
        Rig(plugins=[Two(), Three()])


def test_a_plugin_may_refuse_its_configuration() -> None:
    class Fussy(JobPlugin):
        name = "fussy"

        def load(self, host: JobHost) -> None:
            raise BournError("needs a table")

    with pytest.raises(BournError, match=r"job plugin 'fussy' .*: needs a table"):
        Rig(plugins=[Fussy()])


def test_a_removed_plugin_is_not_called_any_more() -> None:
    class No(JobPlugin):
        name = "no"

        def validate(self, job: JobView, act: JobActions) -> str | None:
            return "no"

    rig = Rig(plugins=[No()])
    rig.engine.hooks.remove("no")
    rig.submit()
    rig.settle()
    assert rig.errors == [None]
    with pytest.raises(BournError, match="no such job plugin 'no'"):
        rig.engine.hooks.remove("no")


def test_wake_ups_come_in_time_and_only_for_active_jobs() -> None:
    woken: list[int] = []

    class Sleeper(JobPlugin):
        name = "sleeper"

        def depend(self, job: JobView, act: JobActions) -> None:
            act.wake(self, 1000.0 + job.id, job.id)

        def wake(self, job: JobView, act: JobActions) -> None:
            woken.append(job.id)

    rig = Rig(plugins=[Sleeper()], greedy=False)
    first, second, third = rig.submit(3)
    rig.settle()
    assert rig.actions.next_wakeup == 1000.0 + first
    rig.engine.post(rig.engine.jobs[second], "exception", dict(CANCEL))
    rig.engine.kick()
    rig.settle()
    rig.actions.run_wakeups(1002.5)
    assert woken == [first]
    rig.actions.run_wakeups(2000.0)
    assert woken == [first, third]
    assert rig.actions.next_wakeup is None


def test_resources_past_the_scheduler() -> None:
    R = {"execution": {"R_lite": [{"rank": "3", "children": {"core": "0"}}]}}

    class Bypass(JobPlugin):
        name = "bypass"

        def depend(self, job: JobView, act: JobActions) -> None:
            act.set_resources(job.id, R)

    rig = Rig(plugins=[Bypass()])
    (id,) = rig.submit()
    rig.settle()
    assert rig.sched.order == []
    assert rig.sched.freed == []
    assert rig.store.done[id].ranks == "3"
    assert "set-flags" in rig.names(id)


# A full disk


def test_a_full_disk_refuses_new_work_and_loses_nothing() -> None:
    rig = Rig(instant=False)
    (running,) = rig.submit()
    rig.settle()
    rig.exec.run(running)
    rig.settle()
    rig.store.error = FULL
    rig.exec.finish(running)
    rig.submit(2)
    rig.settle()
    assert [str(error) for error in rig.errors[1:]] == ["job can't be accepted: No space left on device"]
    assert rig.errors[1].errnum == errno.ENOSPC  # type: ignore[union-attr]
    assert list(rig.engine.jobs) == [running]
    rig.submit()
    assert len(rig.errors) == 3
    assert rig.names(running).endswith("alloc start")
    # Space returns.
    rig.store.error = None
    assert rig.engine.retry_at == rig.t + 1.0
    rig.t += 1.0
    rig.engine.retry()
    rig.settle()
    assert rig.names(running) == LIFE
    assert rig.engine.stuck is None
    (last,) = rig.submit()
    rig.settle()
    assert last in rig.exec.started


def test_submissions_alone_are_refused_and_the_next_one_is_tried() -> None:
    rig = Rig(greedy=False)
    rig.store.error = FULL
    rig.submit(3)
    rig.settle()
    assert rig.engine.stuck is None
    assert rig.engine.jobs == {}
    rig.store.error = None
    (id,) = rig.submit()
    rig.settle()
    assert list(rig.sched.asked) == [id]


def test_a_grant_for_a_job_that_could_not_be_accepted_is_given_back() -> None:
    rig = Rig()
    rig.store.error = FULL
    (id,) = rig.submit()
    rig.turn()  # asked and granted while the commit runs
    rig.turn()
    rig.store.commit_all()
    rig.settle()
    assert rig.engine.jobs == {}
    assert rig.sched.freed == [id]
    assert rig.exec.started == {}
    assert rig.engine.running == 0


def test_events_of_one_job_stay_in_order_over_a_full_disk() -> None:
    rig = Rig(instant=False)
    (id,) = rig.submit()
    rig.settle()
    rig.store.error = FULL
    rig.exec.run(id)
    rig.settle()
    rig.exec.finish(id)
    rig.store.error = None
    rig.turn()
    assert rig.store.pending == []
    rig.engine.retry()
    rig.settle()
    assert rig.names(id) == LIFE


def test_a_job_can_be_stopped_on_a_full_disk() -> None:
    rig = Rig(instant=False)
    (id,) = rig.submit()
    rig.settle()
    rig.exec.run(id)
    rig.settle()
    rig.store.error = FULL
    rig.engine.post(rig.engine.jobs[id], "exception", dict(CANCEL))
    rig.engine.kick()
    rig.settle()
    assert rig.exec.cancelled == [id]


# Restart


def restarted(rig: Rig, **kwargs: Any) -> Rig:
    """Return a new rig on the store of an old one."""
    again = Rig(store=rig.store, sched=False, **kwargs)
    again.engine.exec.detach()
    again._next = rig._next
    again.t = rig.t + 10
    jobs = list(load(rig.store))  # type: ignore[arg-type]
    again.engine.now()
    resume(again.engine, jobs)
    again.exec.hello = []
    again.engine.exec.attach(again.exec)  # type: ignore[arg-type]
    again.sched.attach()
    again.settle()
    return again


def test_restart_brings_every_job_back() -> None:
    rig = Rig(greedy=False, instant=False)
    pending, running, ran, held = [*rig.submit(3), *rig.submit(urgency=0)]
    rig.settle()
    rig.sched.grant(running, ran)
    rig.settle()
    rig.exec.run(running, ran)
    rig.exec.finish(ran)
    rig.settle()
    again = restarted(rig, greedy=False, instant=False)
    assert set(again.engine.jobs) == {pending, running, held}
    assert again.exec.hello == [(running, True)]
    assert list(again.sched.asked) == [pending]
    assert again.names(pending) == "submit validate depend priority restart priority"
    assert again.engine.running == 1
    assert again.engine.jobs[running].R is not None
    again.exec.finish(running)
    again.settle()
    assert again.names(running) == LIFE
    assert again.sched.freed == [running]
    assert again.engine.running == 0


def test_a_job_between_allocation_and_start_is_handed_to_execution() -> None:
    rig = Rig(instant=False)
    (id,) = rig.submit()
    rig.turn()
    rig.store.commit_all()  # the allocation is durable; nothing else happens any more
    again = restarted(rig, instant=False)
    assert again.exec.hello == [(id, False)]


def test_a_job_cancelled_while_running_is_cancelled_again() -> None:
    rig = Rig(instant=False)
    (id,) = rig.submit()
    rig.settle()
    rig.exec.run(id)
    rig.engine.post(rig.engine.jobs[id], "exception", dict(CANCEL))
    rig.engine.kick()
    rig.settle()
    again = restarted(rig, instant=False)
    assert again.exec.cancelled == [id]
    again.exec.finish(id, status=9)
    again.settle()
    assert again.store.done[id].result == Result.CANCELED


def test_a_job_known_by_its_submit_event_only_begins_its_life() -> None:
    class New(JobPlugin):
        name = "new"

        def new(self, job: JobView, act: JobActions) -> None:
            pass

    rig = Rig(plugins=[New()])
    (id,) = rig.submit()
    rig.turn()
    batch = rig.store.pending[0][0]
    rig.store.rows[id] = batch.jobs[0]
    rig.store.logs += batch.logs
    rig.store.pending.clear()
    assert rig.names(id) == "submit"
    again = restarted(rig)
    assert again.names(id) == LIFE


def test_a_broken_eventlog_is_reported_and_left_out(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig(greedy=False)
    good, bad, worse = rig.submit(3)
    rig.settle()
    rig.store.logs.append((bad, "eventlog", '{"timestamp":1.0,"name":"clean"}\n'))
    rig.store.logs.append((worse, "eventlog", "{half a line"))
    again = restarted(rig, greedy=False)
    assert list(again.engine.jobs) == [good]
    assert f"job {bad} is left out" in caplog.text
    assert f"job {worse} is left out" in caplog.text


def test_updates_and_queue_survive_a_restart() -> None:
    rig = Rig(QUEUES, greedy=False)
    (id,) = rig.submit(system={"queue": "b"})
    rig.settle()
    rig.engine.post(rig.engine.jobs[id], "jobspec-update", {"attributes.system.queue": "a"})
    rig.engine.kick()
    rig.settle()
    again = restarted(rig, config=QUEUES, greedy=False)
    assert again.engine.jobs[id].queue == "a"
    assert id in again.sched.asked


# Looking up


def test_find_says_what_is_wrong() -> None:
    rig = Rig()
    (id,) = rig.submit()
    rig.settle()
    with pytest.raises(BournError, match="job ƒ2 is inactive"):
        rig.engine.find(id)
    with pytest.raises(BournError, match="no such job ƒJF") as caught:
        rig.engine.find(1000)
    assert caught.value.errnum == errno.ENOENT


def test_a_batch_is_not_touched_after_it_was_given_away() -> None:
    rig = Rig(store=FakeStore(), greedy=False)
    rig.submit()
    rig.turn()
    batch = rig.store.pending[0][0]
    rows = len(batch.logs)
    rig.submit()
    rig.turn()
    assert len(batch.logs) == rows


def test_a_long_chain_of_ends_does_not_recurse() -> None:
    class Chain(JobPlugin):
        name = "chain"

        def inactive(self, job: JobView, act: JobActions) -> None:
            act.raise_exception(job.id + 1, "depend", 0, "the one before has ended")

    rig = Rig(plugins=[Chain()], greedy=False)
    ids = rig.submit(2000)
    rig.settle()
    rig.engine.post(rig.engine.jobs[ids[0]], "exception", dict(CANCEL))
    rig.engine.kick()
    rig.settle()
    assert len(rig.store.done) == 2000


def test_one_who_waits_and_fails_does_not_harm_the_others(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig(greedy=False)

    def broken(*args: Any) -> None:
        raise RuntimeError("no")

    rig.engine.watchers.append(broken)
    rig.intake.submit(rig.ingest(), broken)
    rig.submit()
    rig.engine.when_committed(broken)
    rig.settle()
    assert rig.errors == [None]
    assert caplog.text.count("a callback of the job manager failed") == 3


ONCE_MORE = "retry priority alloc start finish release free"


def test_a_job_that_fails_is_run_again_under_its_id() -> None:
    rig = Rig(instant=False)
    (id,) = rig.submit(system={"retry": {"limit": 2}})
    rig.settle()
    for status in (256, 9, 256):
        rig.exec.run(id)
        rig.settle()
        assert rig.engine.running == 1
        rig.exec.finish(id, status=status)
        rig.settle()
    assert rig.names(id) == f"{LIFE.removesuffix(' clean')} {ONCE_MORE} {ONCE_MORE} clean"
    retries = [context for name, context in rig.store.eventlog(id) if name == "retry"]
    assert retries == [{"attempt": 2, "cause": "exit status 1"}, {"attempt": 3, "cause": "signal 9"}]
    assert rig.store.done[id].retries == 2
    assert rig.store.done[id].result == Result.FAILED
    assert rig.sched.freed == [id] * 3
    assert rig.engine.running == 0
    assert [name for _, name, _ in rig.store.logs].count("guest.output") == 2


@pytest.mark.parametrize("skew", [-3600.0, 3600.0])
def test_a_node_whose_clock_differs_changes_neither_the_order_of_events_nor_our_clock(skew: float) -> None:
    rig = Rig(instant=False)
    (id,) = rig.submit()
    rig.settle()
    for name, context in (("start", {}), ("finish", {"status": 0}), ("release", {"final": True})):
        rig.t += 1.0
        rig.exec.client.exec_report([ExecEvent(id, name, {"ranks": "all", **context}, rig.t + skew)], [])
        rig.settle()
    times = [
        json.loads(line)["timestamp"] for line in (rig.store.log_text(id, "eventlog") or "").splitlines()
    ]
    assert times == sorted(times)
    assert times[0] >= 1000.0
    assert times[-1] == rig.engine.now() == rig.t


class Keeper:
    """Housekeeping that takes its time."""

    def __init__(self) -> None:
        self.taken: list[FreeRequest] = []

    def take(self, job: Job) -> bool:
        assert job.R is not None
        self.taken.append(FreeRequest(job.id, job.R, True))
        return True


def test_a_job_that_is_to_run_again_waits_for_the_housekeeping_after_its_last_attempt() -> None:
    rig = Rig(instant=False)
    keeper = rig.engine.sched.keeper = Keeper()  # type: ignore[assignment]
    (id,) = rig.submit(system={"retry": {"limit": 2}})
    rig.settle()
    rig.exec.run(id)
    rig.exec.finish(id, status=256)
    rig.settle()
    rig.engine.sched.queues_changed()
    rig.settle()
    assert rig.names(id).endswith("free retry priority")
    assert rig.sched.freed == []
    rig.engine.sched.give_back(keeper.taken[0])
    rig.settle()
    assert rig.sched.freed == [id]
    assert rig.names(id).endswith("retry priority alloc")


def test_a_job_that_succeeds_in_the_end_has_succeeded() -> None:
    rig = Rig(instant=False)
    (id,) = rig.submit(system={"retry": {"limit": 5, "on": ["node"]}})
    rig.settle()
    lost = ExecEvent(id, "exception", {"type": "node-failure", "severity": 0, "note": "rank 3"}, 1001.0)
    rig.exec.run(id)
    rig.exec.finish(id, status=9, before=[lost])
    rig.settle()
    rig.exec.run(id)
    rig.exec.finish(id)
    rig.settle()
    done = rig.store.done[id]
    assert (done.result, done.exception_type, done.waitstatus) == (Result.COMPLETED, None, 0)


@pytest.mark.parametrize("when", ["running", "ending", "waiting again"])
def test_a_job_that_is_cancelled_is_not_run_again(when: str) -> None:
    rig = Rig(instant=False)
    (id,) = rig.submit(system={"retry": {"limit": 5}})
    rig.settle()
    rig.exec.run(id)
    if when == "ending":
        t = rig.t
        rig.exec.client.exec_report([ExecEvent(id, "finish", {"status": 256}, t)], [])
        rig.engine.post(rig.engine.jobs[id], "exception", dict(CANCEL))
        rig.exec.client.exec_report([ExecEvent(id, "release", {"ranks": "all", "final": True}, t)], [])
    elif when == "running":
        rig.engine.post(rig.engine.jobs[id], "exception", dict(CANCEL))
        rig.settle()
        rig.exec.finish(id, status=15)
    else:
        rig.sched.greedy = False
        rig.exec.finish(id, status=256)
        rig.settle()
        assert rig.names(id).endswith("retry priority")
        rig.engine.post(rig.engine.jobs[id], "exception", dict(CANCEL))
    rig.engine.kick()
    rig.settle()
    assert rig.names(id).endswith("clean")
    assert rig.store.done[id].retries == (when == "waiting again")


def test_a_restart_knows_how_often_a_job_was_run_again() -> None:
    rig = Rig(instant=False)
    (id,) = rig.submit(system={"retry": {"limit": 1}})
    rig.settle()
    rig.exec.run(id)
    rig.sched.greedy = False
    rig.exec.finish(id, status=256)
    rig.settle()
    again = Rig(store=rig.store, instant=False)
    jobs = list(load(again.store))  # type: ignore[arg-type]
    assert [(job.retries, job.waitstatus, job.t_run) for job in jobs] == [(1, None, 0.0)]
    resume(again.engine, jobs)
    again.settle()
    again.exec.run(id)
    again.exec.finish(id, status=256)
    again.settle()
    assert again.store.done[id].retries == 1
