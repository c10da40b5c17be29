"""The jobs of one submit request, checked one by one and numbered together. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bourn.model.interned import IngestedArray, IngestedJob

if TYPE_CHECKING:
    from collections.abc import Callable

    from bourn.model.fluid import FluidGenerator
    from bourn.model.interned import InternedJobspec
    from bourn_plugins.job_ingest.ledger import Flight, Key
    from bourn_plugins.job_ingest.pipeline import Pipeline
    from bourn_plugins.job_ingest.request import Item


class Entry(NamedTuple):
    """What an entry of a request's `jobspecs` holds."""

    obj: Any
    signed: str | None
    """The J that `obj` was in."""


class New(NamedTuple):
    """A job that was accepted and has no id yet."""

    item: Item
    jobspec: InternedJobspec
    overrides: dict[str, Any] | None
    signed: str | None


class Submission:
    """Takes the items of a request with `add`, then gives out ids with `number`.

    `entry` opens an entry of `jobspecs` by its index; `known` finds the job and the flight of a key.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        userid: int,
        rolemask: int,
        entry: Callable[[int], Entry],
        known: Callable[[Key], tuple[int, Flight | None] | None],
    ) -> None:
        self._pipeline = pipeline
        self._userid = userid
        self._rolemask = rolemask
        self._entry = entry
        self._known = known
        self._entries: dict[int, Entry] = {}
        self._checked: dict[tuple[int, int, int], InternedJobspec] = {}
        self._of_key: dict[str, int | New] = {}
        self._slots: list[int | New] = []
        self._new: list[New] = []
        self.flights: set[Flight] = set()
        """Hand-overs of earlier requests that the answer must wait for."""
        self.jobs: list[IngestedJob] = []
        """The new jobs, once they are numbered."""
        self.arrays: list[IngestedArray] = []
        """The new arrays, once they are numbered."""
        self.keys: list[tuple[Key, int]] = []
        """The new jobs' keys and ids."""

    def add(self, item: Item) -> None:
        """Check one job, unless its key says that it is there already; BournError refuses the request."""
        if item.key is not None:
            job = self._find(item.key)
            if job is not None:
                self._slots.append(job)
                return
        index, urgency, flags, key, overrides, _ = item
        entry = self._entries.get(index)
        if entry is None:
            entry = self._entries[index] = self._entry(index)
        who = (self._userid, self._rolemask, urgency, flags)
        jobspec = self._checked.get((index, urgency, flags))
        if jobspec is None:
            jobspec = self._checked[index, urgency, flags] = self._pipeline.check(entry.obj, *who)
        if overrides is not None:
            jobspec, overrides = self._pipeline.check_overrides(entry.obj, jobspec, overrides, who)
        new = New(item, jobspec, overrides, entry.signed)
        self._new.append(new)
        self._slots.append(new)
        if key is not None:
            self._of_key[key] = new

    def number(self, fluid: FluidGenerator, now: float) -> list[int]:
        """Give the new jobs ids, submitted at `now`; return the ids of all jobs, in the request's order."""
        numbers = self._numbers(fluid, int(now * 1000))
        userid = self._userid
        for jobid, (item, jobspec, overrides, signed) in zip(numbers, self._new, strict=True):
            _, urgency, flags, key, _, members = item
            if members is None:
                self.jobs.append(
                    IngestedJob(jobid, userid, urgency, flags, now, jobspec, overrides, key, signed)
                )
            else:
                self.arrays.append(
                    IngestedArray(jobid, userid, urgency, flags, now, jobspec, members, key, signed)
                )
            if key is not None:
                self.keys.append(((userid, key), jobid))
        if len(numbers) == len(self._slots):
            return numbers
        number_of = {id(new): jobid for new, jobid in zip(self._new, numbers, strict=True)}
        return [job if isinstance(job, int) else number_of[id(job)] for job in self._slots]

    def _numbers(self, fluid: FluidGenerator, now_ms: int) -> list[int]:
        """Return an id for each new job; an array's is followed by a block for its members."""
        blocks = [new.item.members for new in self._new if new.item.members is not None]
        numbers = fluid.batch(len(self._new) - len(blocks), now_ms)
        return numbers + [fluid.block(members.last() + 2, now_ms) for members in blocks]

    def _find(self, key: str) -> int | New | None:
        """Return the job of a key: of this request, or of one before."""
        job = self._of_key.get(key)
        if job is None:
            known = self._known((self._userid, key))
            if known is not None:
                job, flight = known
                self._of_key[key] = job
                if flight is not None:
                    self.flights.add(flight)
        return job
