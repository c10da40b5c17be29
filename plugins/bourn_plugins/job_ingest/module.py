"""The module job-ingest: takes `submit` requests and answers when their jobs are durable."""

from __future__ import annotations

import errno
import time
from typing import TYPE_CHECKING, Any

import msgspec
import trio

from bourn.broker.module import LATER, Module, Request, Role, method
from bourn.config.tables import IngestTable, SigningTable
from bourn.errors import BournError
from bourn.hookspecs.ingest import SubmitInfo, bourn_frobnicators, bourn_validators
from bourn.hookspecs.store import Batch
from bourn.model.fluid import FluidGenerator
from bourn_plugins.job_ingest.envelope import unwrap
from bourn_plugins.job_ingest.ledger import Ack, Ledger
from bourn_plugins.job_ingest.pipeline import Pipeline, select
from bourn_plugins.job_ingest.request import arrays, items, place_environment
from bourn_plugins.job_ingest.submission import Entry, Submission

if TYPE_CHECKING:
    from bourn.broker.module import ModuleContext
    from bourn.broker.request import Later
    from bourn.config import Config
    from bourn.hookspecs.signing import Signer
    from bourn.model.interned import IngestedArray, IngestedJob
    from bourn_plugins.job_ingest.ledger import Flight, Key

EPOCH = "job-ingest.epoch-ms"


class JobIngest(Module):
    """Service `job-ingest`."""

    def __init__(self, ctx: ModuleContext) -> None:
        super().__init__(ctx)
        self._pipeline = self._configure(ctx.config)
        self._ledger = Ledger()
        self._signers: dict[str, Signer] = {}
        self._fluid: FluidGenerator
        self._jobs = self._batches = self._refused = 0

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Find the epoch that job ids count from, and serve."""
        store = self.ctx.provider("store").store
        if store.meta(EPOCH) is None:
            await store.commit(Batch(meta={EPOCH: int(time.time() * 1000)}))
        self._count_from_epoch()
        # A restored store brings its own epoch, and ids that must not be given out again.
        self.ctx.subscribe("store.restored", lambda _topic, _payload: self._count_from_epoch())
        task_status.started()
        await trio.sleep_forever()

    def _count_from_epoch(self) -> None:
        store = self.ctx.provider("store").store
        self._fluid = FluidGenerator(store.meta(EPOCH), self.ctx.rank, after=store.max_jobid() or -1)

    @method(allow=Role.OWNER | Role.USER)
    def submit(self, request: Request) -> Later:
        """Accept all jobs and arrays of a request, or none; answered with their ids once they are durable.

        Payload: {jobspecs: [object | J], environments?: [object],
        jobs: [{jobspec: index, urgency?, flags?, key?, set?}],
        arrays?: [{jobspec: index, members: idset, urgency?, flags?, key?}]}.
        Response: {ids: [integer]}, in the order of `jobs`, then of `arrays`. The error names the job and the
        reason. Where there are environments, `attributes.system.environment` of a jobspec may be the index of
        one.
        """
        jobspecs = request.get("jobspecs", list)
        jobs = request.get("jobs", list)
        sets = request.get("arrays", list, [])
        try:
            self._submit(request, jobspecs, jobs, sets)
        except BournError:
            self._refused += len(jobs) + len(sets)
            raise
        return LATER

    def reconfigure(self, config: Config) -> None:
        """Take the frobnicators and validators that the new configuration names; kept verdicts go."""
        self._pipeline = self._configure(config)
        self._signers.clear()

    def stats(self) -> dict[str, object]:
        """Return what has passed through."""
        return {
            "jobs": self._jobs,
            "batches": self._batches,
            "refused": self._refused,
            "jobspecs-kept": self._pipeline.kept,
            "keys-in-flight": len(self._ledger),
            "frobnicators": [owned.value.name for owned in self._pipeline.frobnicators],
            "validators": [owned.value.name for owned in self._pipeline.validators],
        }

    def _configure(self, config: Config) -> Pipeline:
        plugins = self.ctx.plugins
        frobnicators = select("frobnicators", config, plugins.named(bourn_frobnicators))
        validators = select("validators", config, plugins.named(bourn_validators))

        def info(userid: int, rolemask: int, urgency: int, flags: int) -> SubmitInfo:
            return SubmitInfo(userid, rolemask, urgency, flags, config, self._feasibility)

        return Pipeline(frobnicators, validators, info, plugins.report)

    def _feasibility(self, jobspec: dict[str, Any]) -> str | None:
        scheduler = self.ctx.provider("feasibility") or self.ctx.provider("sched")
        reason: str | None = scheduler.feasibility(jobspec) if scheduler is not None else None
        return reason

    def _submit(self, request: Request, jobspecs: list[Any], jobs: list[Any], sets: list[Any]) -> None:
        most = self.ctx.config.table("ingest", IngestTable).max_jobs
        if most and len(jobs) > most:
            raise BournError(f"{len(jobs)} jobs in one request; [ingest] max-jobs is {most}", errno.E2BIG)
        environments = request.get("environments", list, [])
        submission = Submission(
            self._pipeline,
            request.userid,
            request.rolemask,
            lambda index: self._open(jobspecs[index], request.userid, environments),
            self._known,
        )
        for kind, taken, read in (("job", jobs, items), ("array", sets, arrays)):
            position = 0
            try:
                for item in read(taken, len(jobspecs), request.is_owner):
                    submission.add(item)
                    position += 1
            except BournError as err:
                where = f"{kind} {position}: " if len(taken) > 1 else ""
                raise BournError(f"{where}{err.message}", err.errnum) from None
        ids = submission.number(self._fluid, time.time())

        def answer(error: BournError | None) -> None:
            if error is not None:
                request.error(error.errnum, error.message)
            else:
                request.respond({"ids": ids})

        new = submission.jobs or submission.arrays
        own = self._ledger.start(submission.keys) if new else None
        flights = submission.flights | {own} if own else submission.flights
        ack = Ack(answer, len(flights))
        for flight in flights:
            flight.acks.append(ack)
        if own:
            self._hand_over(submission.jobs, submission.arrays, own)

    def _hand_over(self, jobs: list[IngestedJob], sets: list[IngestedArray], flight: Flight) -> None:
        """Give jobs to the job manager; whatever comes of it, the flight lands."""
        count = len(jobs) + len(sets)
        try:
            manager = self.ctx.provider("job-manager")
            if manager is None:
                raise BournError("the job manager isn't running; jobs can't be submitted now", errno.EAGAIN)
            manager.submit(jobs, lambda error: self._landed(flight, count, error), sets)
        except BournError as err:
            self._landed(flight, count, err)
        except Exception as err:
            self._landed(flight, count, BournError(f"the job manager failed: {err!r}", errno.EIO))
            raise

    def _landed(self, flight: Flight, njobs: int, error: BournError | None) -> None:
        if error is None:
            self._jobs += njobs
            self._batches += 1
        else:
            self._refused += njobs
        self._ledger.land(flight, error)

    def _known(self, key: Key) -> tuple[int, Flight | None] | None:
        flying = self._ledger.find(key)
        if flying is not None:
            return flying
        stored: int | None = self.ctx.provider("store").store.job_by_key(*key)
        return None if stored is None else (stored, None)

    def _open(self, source: Any, userid: int, environments: list[Any]) -> Entry:
        """Take an entry of `jobspecs`: an object, its JSON text, or a J, which is whole."""
        if isinstance(source, str) and not source.lstrip().startswith("{"):
            return Entry(unwrap(source, userid, self._signer), source)
        self._signer("none", userid)
        if isinstance(source, str):
            try:
                source = msgspec.json.decode(source)
            except msgspec.DecodeError as err:
                raise BournError(f"the jobspec is not JSON: {err}") from None
        return Entry(place_environment(source, environments) if environments else source, None)

    def _signer(self, mechanism: str, userid: int) -> Signer:
        """Return the signer of a mechanism; BournError (EPERM) where the user may not come by it.

        By `none`, and unsigned, comes only the owner: the shell host couldn't run it as anybody else.
        """
        table = self.ctx.config.table("signing", SigningTable)
        if mechanism == "none" and ("none" not in table.allowed or userid != self.ctx.owner):
            names = ", ".join(name for name in table.allowed if name != "none")
            hint = f"allowed: {names}" if names else "[signing] allowed names no mechanism for that"
            raise BournError(f"the jobspec must be signed; {hint}", errno.EPERM)
        if mechanism not in self._signers:
            known = self.ctx.plugins.named("bourn_signers")
            if mechanism not in table.allowed or mechanism not in known:
                names = ", ".join(name for name in table.allowed if name in known)
                hint = f"allowed: {names}" if names else "no plugin has a mechanism that [signing] allows"
                raise BournError(f"jobs signed by '{mechanism}' are refused; {hint}", errno.EPERM)
            self._signers[mechanism] = known[mechanism].value.open(table.options)
        return self._signers[mechanism]
