"""The module job-manager: the engine at work in a broker, and its service."""

from __future__ import annotations

import errno
import math
import time
from typing import TYPE_CHECKING, Any

import trio

from bourn.broker.module import ANYONE, Request, Role, method
from bourn.broker.request import is_int
from bourn.config.tables import ExecTable, JobManagerTable
from bourn.errors import BournError, ConfigError, suggest
from bourn.hookspecs.job_plugins import bourn_job_plugins
from bourn.hookspecs.priority import bourn_priority_policies
from bourn.model.states import State
from bourn_plugins.job_manager.actions import Actions, Host
from bourn_plugins.job_manager.arrays import ArrayDesk
from bourn_plugins.job_manager.engine import Engine
from bourn_plugins.job_manager.hooks import Hooks
from bourn_plugins.job_manager.housekeeping_methods import HOUSEKEEPING, HousekeepingMethods
from bourn_plugins.job_manager.intake import Intake
from bourn_plugins.job_manager.job import ALLOCATED, FINISHED, WAITABLE
from bourn_plugins.job_manager.job_methods import JobMethods
from bourn_plugins.job_manager.journal import JournalMethods
from bourn_plugins.job_manager.queue_methods import QueueMethods
from bourn_plugins.job_manager.queues import META, Queues
from bourn_plugins.job_manager.remote import SchedMethods
from bourn_plugins.job_manager.restart import handed_out, introduce, load, resume
from bourn_plugins.job_manager.waiting import WaitRoom

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bourn.broker.module import ModuleContext
    from bourn.config import Config
    from bourn.hookspecs.exec_method import ExecEvent, Executor
    from bourn.hookspecs.job_plugins import JobPlugin
    from bourn.hookspecs.priority import PriorityPolicy
    from bourn.hookspecs.sched import HelloJob, Scheduler
    from bourn.hookspecs.store import Store
    from bourn.model.interned import IngestedArray, IngestedJob
    from bourn.plugins.record import PluginRecord
    from bourn_plugins.job_manager.arrays import JobArray
    from bourn_plugins.job_manager.job import Job

STUCK_SECONDS = 5.0
"""How long, beyond the time that it takes to kill them, an instance that ends waits for jobs that don't."""
PURGE_PERIOD = 10.0
"""Seconds between looks at what is old enough to be purged."""

_STATES = {
    int(state): state.name.lower()
    for state in (State.NEW, State.DEPEND, State.PRIORITY, State.SCHED, State.RUN, State.CLEANUP)
    if state.name
}


class JobManager(JobMethods, QueueMethods, SchedMethods, JournalMethods, HousekeepingMethods):
    """Service `job-manager`; also `SchedClient` and `ExecClient` for modules in the same process."""

    clock: Callable[[], float] = staticmethod(time.time)
    """Seconds since the epoch; tests have their own."""

    def __init__(self, ctx: ModuleContext) -> None:
        super().__init__(ctx)
        self.table = ctx.config.table("job-manager", JobManagerTable)
        self.waiting = WaitRoom()
        self._timer = trio.Event()
        self._ended = trio.Event()
        self._seen: Scheduler | None = None
        self._period: float | None = None
        self._purged = 0

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Load plugins, bring back the jobs of the store, then serve; at the end write what is left."""
        store: Store = self.ctx.provider("store").store
        queues = Queues(self.ctx.config)
        queues.restore(store.meta(META))
        self.engine = engine = Engine(store, Hooks(), queues, self.clock, self.ctx.soon)
        self.actions = Actions(engine, self._wake_timer)
        self.intake = Intake(engine)
        self.arrays = ArrayDesk(engine, self.intake)
        self.arrays.ended.append(self._array_ended)
        engine.timer_changed = self._wake_timer
        engine.sched.lives = self._scheduler_lives
        if self.table.housekeeping.command:
            from bourn_plugins.job_manager.housekeeping import Housekeeping

            self.keeper = engine.sched.keeper = Housekeeping(
                self.ctx,
                self.table.housekeeping,
                engine.sched.give_back,
                engine.write_meta,
                self.ctx.config.table("exec", ExecTable).linger,
            )
        engine.watchers.append(self.journal_rows)
        engine.publish = self._publish
        engine.wanted = lambda: self.ctx.wanted("job-state")
        engine.on_gone.append(self._gone)
        self._load_plugins()
        engine.policy = self._choose_policy()
        jobs = list(load(store))
        for job in jobs:
            self.waiting.add(job)
        if self.ctx.attrs.get("broker.recovery"):
            pass  # nothing is run; it goes on at the next usual start
        elif self.keeper is not None:
            self.keeper.resume(store, {job.id for job in jobs if job.facts & ALLOCATED})
        elif store.meta(HOUSEKEEPING) is not None:
            engine.write_meta(HOUSEKEEPING, None)  # its nodes are given to other jobs from now on
        resume(engine, jobs)
        self.arrays.restore(store)
        try:
            self.ctx.nursery.start_soon(self._timers)
            task_status.started()
            await trio.sleep_forever()
        finally:
            if self.keeper is not None:
                self.keeper.close()
            with trio.CancelScope(shield=True), trio.move_on_after(5):
                await self._settle()

    async def _settle(self) -> None:
        """Wait until all that has happened is written."""
        engine = self.engine
        while not engine.idle and engine.stuck is None:
            durable = trio.Event()
            engine.when_quiet(durable.set)
            engine.flush()
            await durable.wait()

    async def handover(self) -> None:
        """Leave everything to the next start."""
        if self.keeper is not None:
            self.keeper.close()
        await super().handover()

    async def cleanup(self) -> None:
        """End jobs with the instance. With a state directory those that haven't started wait for the next
        one."""
        engine = self.engine
        if self.keeper is not None and self.ctx.statedir is not None:
            self.keeper.close()
        for queue in engine.queues:
            queue.started, queue.stop_reason = False, "the instance is shutting down"
        engine.sched.queues_changed()
        self.arrays.closed = True
        pending_too = self.ctx.statedir is None
        ending = [
            job
            for job in engine.jobs.values()
            if job.state is State.RUN or (pending_too and job.state not in (State.CLEANUP, State.INACTIVE))
        ]
        engine.now()
        context = {"type": "cancel", "severity": 0, "note": "the instance is shutting down"}
        for job in ending:
            if job.state not in (State.CLEANUP, State.INACTIVE):
                engine.post(job, "exception", dict(context))
        engine.kick()
        patience = 2 * self.ctx.config.table("exec", ExecTable).kill_timeout + STUCK_SECONDS
        quiet_since = trio.current_time()
        while engine.running or (
            pending_too and any(job.state is not State.INACTIVE for job in engine.jobs.values())
        ):
            self._ended = trio.Event()
            # The ends of jobs are told when they are durable; on a full disk that may be never.
            with trio.move_on_after(1.0):
                await self._ended.wait()
                quiet_since = trio.current_time()
            quiet = trio.current_time() - quiet_since
            if engine.stuck is not None:
                if quiet > STUCK_SECONDS:
                    self.ctx.log.error("%s; what runs is ended without a record", engine.stuck.message)
                    break
                continue
            left = [job for job in engine.jobs.values() if job.state is State.CLEANUP]
            if quiet > patience and all(handed_out(job) and not job.facts & FINISHED for job in left):
                self.ctx.log.error("%d jobs don't end, though they were killed", len(left))
                break
        await self._settle()

    # What other modules of this process call

    def submit(
        self,
        jobs: Sequence[IngestedJob],
        done: Callable[[BournError | None], None],
        arrays: Sequence[IngestedArray] = (),
    ) -> None:
        """Accept jobs and arrays from ingest, all or none; `done` gets None once they are durable, or the
        reason.
        """
        waitable = [item.id for item in jobs if item.flags & WAITABLE]
        if waitable:
            self.waiting.running.update(waitable)
            done = self._or_forget(waitable, done)
        if not arrays:
            self.intake.submit(jobs, done)
            return

        def decided(error: BournError | None) -> None:
            if error is None:
                self.arrays.accepted(arrays)
            done(error)

        try:
            rows = self.arrays.check(arrays)
        except BournError as error:
            decided(error)
        else:
            self.intake.submit(jobs, decided, rows)

    def _or_forget(
        self, ids: list[int], done: Callable[[BournError | None], None]
    ) -> Callable[[BournError | None], None]:
        """Return `done`, which also forgets waitable jobs that are refused."""

        def decided(error: BournError | None) -> None:
            if error is not None:
                self.waiting.running.difference_update(ids)
            done(error)

        return decided

    def sched_hello(self, scheduler: Scheduler) -> list[HelloJob]:
        """Attach a scheduler, and return the jobs that hold resources."""
        return self.engine.sched.sched_hello(scheduler)

    def sched_ready(self, scheduler: Scheduler) -> None:
        """Send requests from now on."""
        self.engine.sched.sched_ready(scheduler)
        self.ctx.nursery.start_soon(self._see, scheduler)

    def alloc_success(
        self,
        jobs: Sequence[tuple[int, dict[str, Any], dict[str, Any] | None]],
        times: Mapping[int, float] | None = None,
    ) -> None:
        """Take grants of the scheduler."""
        self.engine.sched.alloc_success(jobs, times)

    def alloc_deny(self, jobs: Sequence[tuple[int, str]]) -> None:
        """Take refusals of the scheduler."""
        self.engine.sched.alloc_deny(jobs)

    def alloc_cancelled(self, ids: Sequence[int]) -> None:
        """Take the scheduler's word that requests are forgotten."""
        self.engine.sched.alloc_cancelled(ids)

    def annotate(self, jobs: Sequence[tuple[int, dict[str, Any]]]) -> None:
        """Take what the scheduler says about pending jobs."""
        self.engine.sched.annotate(jobs)

    def exec_report(
        self,
        events: Sequence[ExecEvent],
        logs: Sequence[tuple[int, str, str]],
        committed: Callable[[], None] | None = None,
        meta: Mapping[str, object] | None = None,
    ) -> None:
        """Take a report of job-exec."""
        self.engine.exec.exec_report(events, logs, committed, meta)

    def exec_attach(self, executor: Executor) -> None:
        """Attach job-exec; it gets its hello at once."""
        self.engine.exec.attach(executor)

    def exec_detach(self) -> None:
        """Job-exec has gone."""
        self.engine.exec.detach()

    def list_active(self) -> list[Job]:
        """Return the jobs that the store doesn't have as inactive yet."""
        return list(self.engine.jobs.values())

    async def move_ends(self, before: float, after: float) -> None:
        """The end of the resources has moved: move those of the jobs that end with them; see `ends`."""
        from bourn_plugins.job_manager.ends import move_ends

        await move_ends(self.engine, before, after)

    # Requests

    @method(allow=ANYONE)
    def getinfo(self, request: Request) -> dict[str, Any]:
        """Return {max_jobid}."""
        return {"max_jobid": self.engine.store.max_jobid()}

    @method(allow=Role.OWNER)
    def purge(self, request: Request) -> dict[str, Any]:
        """Forget inactive jobs: {ids? or age_limit?, num_limit?, force} -> {count, total}; only counted
        without force."""
        store = self.engine.store
        ids = request.get("ids", list, None)
        if ids is not None:
            for id in ids:
                if not is_int(id) or store.inactive_job(id) is None:
                    self._refuse_purge(id)
        else:
            age = request.get("age_limit", float, None)
            keep = request.get("num_limit", int, None)
            if age is None and keep is None:
                raise BournError("purge: give 'ids', 'age_limit' or 'num_limit'")
            before = None if age is None else self.clock() - age
            ids = store.purgeable(before=before, keep=keep, limit=2**31)
        if request.get("force", bool, False):
            self._purge(ids)
        return {"count": len(ids), "total": sum(row.jobs for row in store.job_stats())}

    def _refuse_purge(self, id: object) -> None:
        if not is_int(id):
            raise BournError(f"'{id}' is no job id", errno.EPROTO)
        job = self.engine.find(id)
        raise BournError(f"job {job.id} is active: only inactive jobs are purged", errno.EINVAL)

    @method(allow=ANYONE, name="plugins")
    def plugins_list(self, request: Request) -> dict[str, Any]:
        """Return the job plugins in use: {plugins: [{name, owner, failures, error}]}."""
        return {"plugins": self.engine.hooks.describe()}

    @method(allow=Role.OWNER, name="plugin-load")
    def plugin_load(self, request: Request) -> None:
        """Take a job plugin into use that isn't yet: {name}. It gets to know the active jobs."""
        record, plugin = self._find_plugin(request.get("name", str))
        entry = self.engine.hooks.add(plugin, record.owner, self._host())
        introduce(self.engine, entry)

    @method(allow=Role.OWNER, name="plugin-remove")
    def plugin_remove(self, request: Request) -> None:
        """Take a job plugin out of use: {name}."""
        self.engine.hooks.remove(request.get("name", str))

    @method(allow=ANYONE, name="plugin-query")
    def plugin_query(self, request: Request) -> dict[str, Any]:
        """Return what a job plugin tells of itself: {name}."""
        name = request.get("name", str)
        entry = self.engine.hooks.loaded.get(name)
        if entry is None:
            raise BournError(
                f"no such job plugin '{name}'{suggest(name, self.engine.hooks.loaded)}", errno.ENOENT
            )
        try:
            return entry.plugin.query()
        except Exception as error:
            text = self.engine.hooks.failed(entry, entry.plugin.query, error)
            raise BournError(text, errno.EIO) from None

    def stats(self) -> dict[str, object]:
        """Return active jobs by state and by queue, and inactive ones by result."""
        engine = self.engine
        states = dict.fromkeys(_STATES.values(), 0)
        queues: dict[str, int] = {}
        for job in engine.jobs.values():
            if job.state is not State.INACTIVE:
                states[_STATES[int(job.state)]] += 1
                queues[job.queue or ""] = queues.get(job.queue or "", 0) + 1
        for array in self.arrays.arrays.values():
            # As members of the state that they'd be in as jobs.
            queue, waiting = array.facts.queue or "", array.waiting.bit_count()
            states["sched"] += waiting
            queues[queue] = queues.get(queue, 0) + waiting
        inactive = {"completed": 0, "failed": 0, "canceled": 0, "timeout": 0}
        names = {1: "completed", 2: "failed", 4: "canceled", 8: "timeout"}
        for row in engine.store.job_stats():
            inactive[names.get(row.result, "failed")] += row.jobs
        return {
            "states": states,
            "pending": states["depend"] + states["priority"] + states["sched"] + states["new"],
            "running": states["run"] + states["cleanup"],
            "queues": queues,
            "inactive": inactive,
            "commits": engine.commits,
            "purged": self._purged,
            "stuck": engine.stuck.message if engine.stuck else None,
            "journal-consumers": self.consumers,
        }

    def reconfigure(self, config: Config) -> None:
        """Take a new configuration; plugins and queues may refuse it."""
        self.engine.hooks.reconfigure(config)
        self.engine.queues.reconfigure(config)
        self.table = config.table("job-manager", JobManagerTable)
        self.engine.policy = self._choose_policy()
        self.engine.sched.queues_changed()
        self._wake_timer()

    # Inside

    def _load_plugins(self) -> None:
        for name in self.table.plugins:
            self._find_plugin(name, "[job-manager] plugins: ")
        for record, plugin in self.ctx.plugins.collect(bourn_job_plugins):
            if plugin.default or plugin.name in self.table.plugins:
                self.engine.hooks.add(plugin, record.owner, self._host())

    def _find_plugin(self, name: str, where: str = "") -> tuple[PluginRecord, JobPlugin]:
        found = {
            plugin.name: (record, plugin) for record, plugin in self.ctx.plugins.collect(bourn_job_plugins)
        }
        if name not in found:
            raise ConfigError(f"{where}no job plugin '{name}'{suggest(name, found)}", errno.ENOENT)
        return found[name]

    def _host(self) -> Host:
        return Host(self.engine, self.actions, self.ctx.config, self.ctx)

    def _choose_policy(self) -> Callable[[Job, float], int | None]:
        name = self.table.priority_policy
        owned = self.ctx.plugins.pick(bourn_priority_policies, name, "[job-manager] priority-policy")
        spec = owned.value
        policy: PriorityPolicy = spec.factory(self.table.priority)
        self._period = spec.period
        log = self.ctx.log
        failed = False

        def priority(job: Job, now: float) -> int | None:
            nonlocal failed
            try:
                value = policy.priority(job, now)
            except Exception as error:
                if not failed:
                    failed = True
                    log.error("priority policy '%s' (%s): %r", name, owned.record.owner, error)
                return job.urgency
            return None if value is None else min(max(int(value), 0), 4294967295)

        return priority

    async def _see(self, scheduler: Scheduler) -> None:
        """Wait until a scheduler that says it is ready has its service; after that its absence is its end."""
        passes = 0
        while self.engine.sched.scheduler is scheduler and self.ctx.provider("sched") is not scheduler:
            # That is usually a matter of a few passes of the loop, and at once it may be removed again.
            await trio.sleep(0 if passes < 100 else 0.01)
            passes += 1
        self._seen = scheduler

    def _scheduler_lives(self, scheduler: Scheduler) -> bool:
        return self._seen is not scheduler or self.ctx.provider("sched") is scheduler

    def _array_ended(self, array: JobArray) -> None:
        self.array_ended(array)
        self.check_empty()

    def _gone(self, job: Job) -> None:
        self._ended.set()
        self.waiting.ended(job)
        self.check_empty()

    def _publish(self, transitions: list[tuple[int, str, float]]) -> None:
        self.ctx.publish("job-state", {"transitions": transitions})

    def _wake_timer(self) -> None:
        self._timer.set()

    async def _timers(self) -> None:
        """Do what is due: wake plugins, write again what failed, purge, compute priorities anew."""
        purge_at = 0.0
        age_at = self.clock() + (self._period or 0.0)
        while True:
            self._timer = trio.Event()
            now = self.clock()
            self.engine.now()
            self.actions.run_wakeups(now)
            if self.engine.retry_at and self.engine.retry_at <= now:
                self.engine.retry()
            if self._purges and purge_at <= now:
                self._purge_old(now)
                purge_at = now + PURGE_PERIOD
            if self._period and age_at <= now:
                self.engine.reprioritize(list(self.engine.jobs.values()))
                age_at = now + self._period
            due = [
                self.actions.next_wakeup,
                self.engine.retry_at or None,
                purge_at if self._purges else None,
                age_at if self._period else None,
            ]
            earliest = min((t for t in due if t is not None), default=math.inf)
            with trio.move_on_after(max(0.0, earliest - self.clock())):
                await self._timer.wait()

    @property
    def _purges(self) -> bool:
        return self.table.inactive_num_limit is not None or math.isfinite(self.table.inactive_age_limit)

    def _purge_old(self, now: float) -> None:
        age = self.table.inactive_age_limit
        before = now - age if math.isfinite(age) else None
        ids = self.engine.store.purgeable(before=before, keep=self.table.inactive_num_limit, limit=10_000)
        self._purge(ids)

    def _purge(self, ids: Sequence[int]) -> None:
        if ids:
            self._purged += len(ids)
            self.engine.purge(ids)
