"""Job arrays: members that differ in their number only, and become jobs when their turn comes.

An array is one row in the store and one object here, however many members it has. It keeps up to `DEPTH`
members before the scheduler; as they start, others follow in the order of their numbers. Nothing is lost by
that: members are alike, so that none can start where those before it can't. A member that someone asks for
becomes a job at once. From then on it is a job like any other, with an eventlog and a result of its own.
"""

from __future__ import annotations

import logging
from bisect import bisect_right
from typing import TYPE_CHECKING, Any

import msgspec
from attrs import define, field

from bourn.errors import BournError
from bourn.hookspecs.store import ArrayRow, ArrayUpdate
from bourn.model.idset import IdSet
from bourn.model.interned import INTERNED, IngestedArray, IngestedJob
from bourn.model.jobid import JobID, member_id, member_number
from bourn.model.states import Result, State
from bourn_plugins.job_manager.intake import facts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bourn.hookspecs.store import Store
    from bourn.model.interned import InternedJobspec
    from bourn_plugins.job_manager.engine import Engine
    from bourn_plugins.job_manager.intake import Facts, Intake
    from bourn_plugins.job_manager.job import Job

log = logging.getLogger("bourn.job-manager")

DEPTH = 256
"""Members of an array that are jobs and wait for resources, at most."""
NUMBER = "attributes.system.environment.BOURN_JOB_CC"
"""Where a member's tasks find its number."""

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


@define(eq=False)
class JobArray:
    """An array with members that have not ended."""

    id: int
    last: int
    """The greatest id of a member."""
    userid: int
    urgency: int
    flags: int
    t_submit: float
    spec: InternedJobspec
    facts: Facts
    members: IdSet
    waiting: int
    """Bitmask of the members that are no jobs yet."""
    signed: str | None = None
    ending: dict[str, Any] | None = None
    """Context of the exception that members get as soon as they are jobs."""
    pending: set[int] = field(factory=set)
    """Ids of members that are jobs and have no resources yet."""
    running: set[int] = field(factory=set)
    """Ids of those that have had resources and are not inactive."""
    results: dict[int, int] = field(factory=dict)
    """How many members ended with each result."""

    @property
    def counts(self) -> dict[str, int]:
        """Return how many members are pending, running, completed, failed, canceled, timeout."""
        ended = {result.name.lower(): self.results.get(int(result), 0) for result in Result if result.name}
        waiting = self.waiting.bit_count() + len(self.pending)
        return {"pending": waiting, "running": len(self.running), **ended}

    def waits(self, id: int) -> int | None:
        """Return the number of a member that is no job yet; None for any other id."""
        if not self.id < id <= self.last:
            return None
        number = member_number(self.id, id)
        return number if member_id(self.id, number) == id and self.waiting >> number & 1 else None


def array_row(item: IngestedArray, facts: Facts) -> ArrayRow:
    """Return the row of a new array."""
    spec = item.jobspec
    last = member_id(item.id, item.members.last())
    return ArrayRow(
        *(item.id, last, item.userid, item.urgency, item.flags, item.t_submit, spec.hash, spec.json),
        *(str(item.members), item.key, facts.name, facts.queue, facts.ntasks, facts.duration, item.signed),
        environment=spec.environment.row if spec.environment else None,
    )


def counts_of(row: ArrayRow, store: Store) -> dict[str, int]:
    """Return the counts of an array all of whose members have ended."""
    results = store.array_results(row.id, row.last)
    ended = {result.name.lower(): results.get(int(result), 0) for result in Result if result.name}
    return {"pending": 0, "running": 0, **ended}


class ArrayDesk:
    """All arrays that have members left, and the making of jobs from them."""

    def __init__(self, engine: Engine, intake: Intake) -> None:
        self._engine = engine
        self._intake = intake
        self.arrays: dict[int, JobArray] = {}
        self.closed = False
        """No more members become jobs: the instance ends."""
        self.ended: list[Callable[[JobArray], None]] = []
        """Told of each array whose last member has ended, once that is durable."""
        self._hold_until = 0.0
        """No more members become jobs before this: the last ones couldn't be written."""
        self._of: dict[int, JobArray] = {}
        """The arrays of the members that are active jobs."""
        self._starts: list[int] = []
        """The arrays' ids in order, for `_find`."""
        engine.arrays = self
        engine.on_gone.append(self._gone)

    def __bool__(self) -> bool:
        return bool(self.arrays)

    # Submission and start

    def check(self, items: Sequence[IngestedArray]) -> list[ArrayRow]:
        """Return the rows of new arrays; BournError is what one is refused for."""
        rows = []
        for position, item in enumerate(items):
            facts = facts_of(item.jobspec, None)
            first = self._job_item(item, item.members.first())
            reason = self._engine.queues.refuse(facts.queue, item.userid) or self._intake.probe(first)
            if reason is not None:
                raise BournError(f"array {position}: {reason}" if len(items) > 1 else reason)
            rows.append(array_row(item, facts))
        return rows

    def accepted(self, items: Sequence[IngestedArray]) -> None:
        """Take durable arrays; their first members become jobs in this turn."""
        for item in items:
            last = member_id(item.id, item.members.last())
            self._add(
                JobArray(
                    *(item.id, last, item.userid, item.urgency, item.flags, item.t_submit, item.jobspec),
                    facts_of(item.jobspec, None),
                    item.members,
                    item.members.mask,
                    item.signed,
                )
            )
        self._engine.kick()

    def restore(self, store: Store) -> None:
        """Bring back the arrays of the store; the engine has their active jobs already."""
        for row in store.arrays(active=True):
            spec = INTERNED.intern_row(row.spec_json, row.environment)
            members = IdSet(row.members)
            made = store.array_jobs(row.id, row.last)
            waiting = members.mask & ~_mask([member_number(row.id, id) for id in made])
            array = JobArray(
                *(row.id, row.last, row.userid, row.urgency, row.flags, row.t_submit, spec),
                *(facts_of(spec, None), members, waiting, row.signed),
                _decode(row.ending) if row.ending else None,
                results=store.array_results(row.id, row.last),
            )
            self._add(array)
            for id in made:
                job = self._engine.jobs.get(id)
                if job is not None:
                    self._of[id] = array
                    (array.running if job.t_run else array.pending).add(id)
            self._check_end(array)
        self._engine.kick()

    # From members to jobs

    def top_up(self) -> None:
        """Have members follow those that have started."""
        if self.closed or self._engine.stuck is not None:
            return
        if self._engine.now() < self._hold_until:
            return
        for array in list(self.arrays.values()):
            room = DEPTH - len(array.pending)
            if array.waiting and room >= DEPTH // 2:
                self._make(array, list(_lowest(array.waiting, room)))

    def make(self, id: int) -> Job | None:
        """Return the job of a member that was none yet; None if the id is of no such member."""
        array = self._find(id)
        number = array.waits(id) if array is not None else None
        if array is None or number is None or self._engine.stuck is not None:
            return None
        self._engine.now()
        self._make(array, [number])
        return self._engine.jobs.get(id)

    def _make(self, array: JobArray, numbers: list[int]) -> None:
        taken = 0
        first = numbers[0]
        for number in numbers:
            taken |= 1 << number - first
        array.waiting &= ~(taken << first)
        items = [self._job_item(array, number) for number in numbers]
        ids = [item.id for item in items]
        self._of.update(dict.fromkeys(ids, array))
        array.pending.update(ids)
        self._intake.take(items, array.facts, lambda error: self._refused(array, ids) if error else None)
        if array.ending is not None:
            for id in ids:
                job = self._engine.jobs.get(id)
                if job is not None and job.state is not State.INACTIVE:
                    self._engine.post(job, "exception", dict(array.ending))

    def _job_item(self, array: JobArray | IngestedArray, number: int) -> IngestedJob:
        spec = array.spec if isinstance(array, JobArray) else array.jobspec
        return IngestedJob(
            *(member_id(array.id, number), array.userid, array.urgency, array.flags, array.t_submit),
            *(spec, {NUMBER: str(number)}, None, array.signed),
        )

    def _refused(self, array: JobArray, ids: list[int]) -> None:
        """Take back members whose rows couldn't be written; they follow when the store can be again."""
        for id in ids:
            if self._of.pop(id, None) is not None:
                array.waiting |= 1 << member_number(array.id, id)  # few, and rarely
        array.pending.difference_update(ids)
        array.running.difference_update(ids)
        self._hold_until = self._engine.look_again()

    def allocated(self, id: int) -> None:
        """Note that a job has got resources."""
        array = self._of.get(id)
        if array is not None:
            array.pending.discard(id)
            array.running.add(id)

    def retried(self, id: int) -> None:
        """Note that a job waits for resources again."""
        array = self._of.get(id)
        if array is not None:
            array.running.discard(id)
            array.pending.add(id)

    def _gone(self, job: Job) -> None:
        array = self._of.pop(job.id, None)
        if array is None:
            return
        array.pending.discard(job.id)
        array.running.discard(job.id)
        result = int(job.result or Result.FAILED)
        array.results[result] = array.results.get(result, 0) + 1
        self._check_end(array)
        if array.waiting:
            self._engine.kick()

    def _check_end(self, array: JobArray) -> None:
        if array.waiting or array.pending or array.running:
            return
        del self.arrays[array.id]
        self._starts.remove(array.id)
        self._engine.update_array(ArrayUpdate(array.id, {"t_inactive": self._engine.now()}))
        self._engine.when_committed(lambda: self._tell_end(array))

    def _tell_end(self, array: JobArray) -> None:
        engine = self._engine
        engine.now()
        engine.hooks.tell(
            engine.hooks.subscribers.get("array_inactive", ()), array.id, array.counts, engine.hooks.act
        )
        engine.kick()
        for callback in self.ended:
            callback(array)

    # Acting upon arrays

    def end(self, array: JobArray, context: dict[str, Any]) -> None:
        """Raise an exception on all members; those that are no jobs yet get it when they are."""
        if context["severity"] == 0:
            self.end_waiting(array, context)
        for job in self.jobs(array):
            if job.state is not State.INACTIVE:
                self._engine.post(job, "exception", dict(context))

    def end_waiting(self, array: JobArray, context: dict[str, Any]) -> None:
        """Have members that are no jobs yet end as soon as they are."""
        if array.waiting and array.ending is None:
            array.ending = context
            self._engine.update_array(ArrayUpdate(array.id, {"ending": _encode(context).decode()}))

    def set_urgency(self, array: JobArray, urgency: int, userid: int) -> None:
        """Change the urgency of all members that have no resources yet."""
        array.urgency = urgency
        self._engine.update_array(ArrayUpdate(array.id, {"urgency": urgency}))
        changed = [job for job in self.jobs(array) if job.state in State.PENDING]
        for job in changed:
            self._engine.post(job, "urgency", {"urgency": urgency, "userid": userid})
        self._engine.reprioritize(changed)

    def jobs(self, array: JobArray) -> list[Job]:
        """Return the members that are active jobs."""
        jobs = self._engine.jobs
        return [jobs[id] for id in (*array.pending, *array.running) if id in jobs]

    def waiting_in(self, id: int) -> JobArray | None:
        """Return the array that has a member of this id which is no job yet."""
        array = self._find(id)
        return array if array is not None and array.waits(id) is not None else None

    def of(self, id: int) -> JobArray | None:
        """Return the array that an active job is a member of."""
        return self._of.get(id)

    def find(self, id: int) -> JobArray:
        """Return an array with members left by its id; BournError if there is none."""
        array = self.arrays.get(id)
        if array is None:
            raise BournError(f"no job array {JobID(id)} has members left")
        return array

    def _add(self, array: JobArray) -> None:
        self.arrays[array.id] = array
        self._starts.append(array.id)
        self._starts.sort()

    def _find(self, id: int) -> JobArray | None:
        at = bisect_right(self._starts, id)
        array = self.arrays[self._starts[at - 1]] if at else None
        return array if array is not None and id <= array.last else None


def _lowest(mask: int, count: int) -> Iterator[int]:
    """Yield the numbers of the lowest bits that are set."""
    base = 0
    while mask and count:
        # Long masks are cut: arithmetic on all of a million bits for each of them would take its time.
        shift = (mask & -mask).bit_length() - 1
        mask >>= shift
        base += shift
        word = mask & 0xFFFFFFFFFFFFFFFF
        offset = 0
        while word and count:
            step = (word & -word).bit_length() - 1
            offset += step
            yield base + offset
            count -= 1
            word >>= step + 1
            offset += 1
        mask >>= 64
        base += 64


def _mask(numbers: Sequence[int]) -> int:
    """Return the bitmask of ascending numbers, in linear time."""
    bits = bytearray((numbers[-1] >> 3) + 1 if numbers else 0)
    for number in numbers:
        bits[number >> 3] |= 1 << (number & 7)
    return int.from_bytes(bits, "little")
