"""Time: when running jobs end, what is reserved, and the earliest time at which a request fits.

A profile holds, for each stretch of time between two changes, the mask of the atoms that are in use then
and the number of units. Whole-node requests are planned on the masks alone; for others the counts say when
it may
be, and the engine, in a what-if of that time, whether it is.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from typing import TYPE_CHECKING

from attrs import Factory, define

from bourn.model.bits import bits_of
from bourn_plugins.sched_graph.engine.twins import translate
from bourn_plugins.sched_graph.queue.profile import FOREVER, Profile
from bourn_plugins.sched_graph.queue.window import Reservation, Window
from bourn_plugins.sched_graph.request import SLOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bourn_plugins.sched_graph.engine.engine import Engine, Parts
    from bourn_plugins.sched_graph.engine.pick import Pick
    from bourn_plugins.sched_graph.engine.states import Shape
    from bourn_plugins.sched_graph.request import Need, Request

__all__ = ["FOREVER", "Planner"]

_LEAVES = ("core", "gpu")
_CHEAP = 64
"""Releases that a what-if may cost before its result is kept."""


@define(eq=False)
class Planner:
    """An engine in time. `now` moves with `begin`; ends are on the same clock.

    `twins` are planners of other policies over the same graph: what one starts, ends or reserves the others
    know of. What is said to one of them is said to all.
    """

    engine: Engine
    twins: list[Planner] = Factory(list)
    ends: dict[int, float] = Factory(dict)
    now: float = 0.0
    reservations: list[Reservation] = Factory(list)
    _profile: Profile | None = None
    _leaving: list[tuple[float, int]] = Factory(list)
    """(end, job) of those that run, ascending."""
    _uses: dict[int, tuple[Parts, int, int]] = Factory(dict)
    _unit_total: int = 0
    _kept: dict[int, tuple[Reservation, int]] = Factory(dict)
    """The last reservation that was dear to find, and for how many passes it may be used again."""
    _marks: int = 0
    _released: int = 0
    _worlds: dict[tuple[int, ...], tuple[int, dict[str, int]]] = Factory(dict)
    """What reservations leave for now, by the engine's version and who they are: (version, free units)."""

    def __attrs_post_init__(self) -> None:
        self._unit_total = sum(self._units(cell.shape.totals) for cell in self.engine.cells)

    # -- what runs --

    def join(self, other: Planner) -> None:
        """Become the twin of a planner, and of its twins."""
        for twin in (other, *other.twins):
            twin.twins.append(self)
            self.twins.append(twin)

    def adopt(self, ends: Mapping[int, float]) -> None:
        """Take over the jobs that the engine has, and when they end; twins do so by themselves."""
        for job in self.engine.jobs:
            self.ends[job] = end = ends.get(job, FOREVER)
            if end != FOREVER:
                insort(self._leaving, (end, job))

    def start(self, job: int, parts: Parts, end: float = FOREVER) -> None:
        """Give a job what was matched, until `end`."""
        self._start(job, parts, end)
        for twin in self.twins:
            twin._start(job, translate(parts, self.engine, twin.engine), end)

    def _start(self, job: int, parts: Parts, end: float) -> None:
        if not self.reservations:
            # It has come before the job whose reservation was kept, and may have what that needs.
            self._kept.clear()
        self.engine.allocate(job, parts)
        self.ends[job] = end
        if end != FOREVER:
            insort(self._leaving, (end, job))
        self._profile = None

    def finish(self, job: int, ranks: list[int] | None = None) -> None:
        """Take back what a job has, or has on some ranks; early or late doesn't matter."""
        for planner in (self, *self.twins):
            planner._finish(job, ranks)

    def _finish(self, job: int, ranks: list[int] | None) -> None:
        if self.engine.free(job, ranks):
            self._forget_end(job, self.ends.pop(job, FOREVER))
            self._uses.pop(job, None)
        self._profile = None

    def expire(self, job: int, end: float) -> None:
        """Move the end of a running job."""
        for planner in (self, *self.twins):
            planner._expire(job, end)

    def _expire(self, job: int, end: float) -> None:
        self._kept.clear()
        if job in self.ends:
            self._forget_end(job, self.ends[job])
            self.ends[job] = end
            if end != FOREVER:
                insort(self._leaving, (end, job))
            self._profile = None

    def _forget_end(self, job: int, end: float) -> None:
        if end != FOREVER:
            del self._leaving[bisect_left(self._leaving, (end, job))]

    # -- a pass --

    def begin(self, now: float) -> None:
        """Start a pass: reservations of the pass before are dropped."""
        for planner in (self, *self.twins):
            planner._begin(now)

    def _begin(self, now: float) -> None:
        self.now = now
        self._worlds.clear()
        if self._marks != self.engine.marks:
            self._marks = self.engine.marks
            self._kept.clear()
        if self.reservations:
            self.reservations = []
            self._profile = None

    def fit_now(self, request: Request, duration: float) -> Parts | None:
        """Return what a request gets now without delaying what is reserved; None if it doesn't fit."""
        engine = self.engine
        for type in _LEAVES:
            if engine.free_units(type) < request.totals.get(type, 0):
                return None
        end = self.now + duration
        ahead = [r for r in self.reservations if r.start < end]
        if not ahead:
            return self.engine.match(request)
        forbidden = 0
        partial: list[Reservation] = []
        whole = self._whole_atoms(request) is not None
        for reservation in ahead:
            if reservation.whole or whole:
                forbidden |= reservation.mask
            else:
                partial.append(reservation)
        if not partial:
            return engine.match(request, forbidden or None)
        key = (engine.version, *map(id, partial))
        known = self._worlds.get(key)
        if known is not None:
            version, free = known
            if any(units < request.totals.get(type, 0) for type, units in free.items()):
                return None
        with engine.what_if((), [reservation.parts for reservation in partial]):
            if known is None:
                self._worlds[key] = (engine.version, {type: engine.count_units(type) for type in _LEAVES})
            else:
                # It is the same state of affairs as then: what didn't fit doesn't fit now.
                engine.version = version
            return engine.match(request, forbidden or None)

    def reserve(self, job: int, request: Request, duration: float) -> Reservation | None:
        """Reserve resources at the earliest time at which they are free; None if there is no such time."""
        reservation = self._reserve(job, request, duration)
        if reservation is not None:
            for twin in self.twins:
                twin._mirror(reservation, self.engine)
        return reservation

    def _mirror(self, made: Reservation, engine: Engine) -> None:
        """Keep what a twin has reserved."""
        parts = translate(made.parts, engine, self.engine)
        mask = self.engine.order.mask([atom for atom, _ in parts])
        reservation = Reservation(made.job, made.start, made.end, parts, mask, made.whole)
        if self._profile is not None:
            self._profile.add(made.start, made.end, mask, self._parts_units(parts))
        self.reservations.append(reservation)

    def _reserve(self, job: int, request: Request, duration: float) -> Reservation | None:
        kept = self._kept.get(job)
        if kept is not None and not self.reservations and self._still_best(kept, request):
            self._kept[job] = (kept[0], kept[1] - 1)
            self.reservations.append(kept[0])
            self._profile = None
            return kept[0]
        self._released = 0
        whole = self._whole_atoms(request)
        found = (
            self._reserve_atoms(request, whole, duration) if whole else self._reserve_units(request, duration)
        )
        if found is None:
            return None
        start, parts = found
        mask = self.engine.order.mask([atom for atom, _ in parts])
        reservation = Reservation(job, start, start + duration, parts, mask, whole is not None)
        if self._profile is not None:
            self._profile.add(start, reservation.end, mask, self._parts_units(parts))
        self.reservations.append(reservation)
        if len(self.reservations) == 1:
            # What was dear to find out stays good for some passes: early ends could only bring it forward.
            self._kept = {job: (reservation, self._released // _CHEAP)} if whole is None else {}
        return reservation

    def _still_best(self, kept: tuple[Reservation, int], request: Request) -> bool:
        """Whether a reservation of the pass before is as good as another one would be, or nearly so."""
        reservation, passes = kept
        if reservation.start <= self.now or (self._leaving and self._leaving[0][0] <= self.now):
            return False
        if passes > 0:
            return True
        # With as little as is free before it starts, there can be no earlier time.
        opening = next(self._first_openings(self._units(request.totals)), None)
        return opening is not None and opening >= reservation.start

    def _current(self) -> Profile:
        if self._profile is None:
            uses = [(self._after(end), *self._use(job)) for job, end in self.ends.items()]
            profile = Profile.of(self.now, uses)
            for reservation in self.reservations:
                units = self._parts_units(reservation.parts)
                profile.add(reservation.start, reservation.end, reservation.mask, units)
            self._profile = profile
        return self._profile

    def _use(self, job: int) -> tuple[int, int]:
        """Return the mask and the units of a running job; what a job has seldom changes, so they're kept."""
        parts = self.engine.jobs[job]
        kept = self._uses.get(job)
        if kept is None or kept[0] is not parts:
            mask = self.engine.order.mask([atom for atom, _ in parts])
            kept = self._uses[job] = (parts, mask, self._parts_units(parts))
        return kept[1], kept[2]

    # -- whole atoms --

    def _whole_atoms(self, request: Request) -> tuple[Need, int] | None:
        """Return (need, number) if a request asks for a fixed number of whole atoms and nothing else."""
        if len(request.needs) != 1:
            return None
        need, number = request.needs[0], 1
        if need.type == SLOT and len(need.children) == 1:
            number, need = need.count.least, need.children[0]
            if request.needs[0].count.most != number or len(self.engine.uppers) > 1:
                return None
        elif need.type == SLOT or not (need.exclusive or need.type in self.engine.fitter.whole_types):
            return None
        if need.type in self.engine.pools or need.type not in self.engine.types:
            return None
        if need.count.least != need.count.most:
            return None
        return need, number * need.count.least

    def _reserve_atoms(
        self, request: Request, whole: tuple[Need, int], duration: float
    ) -> tuple[float, Parts] | None:
        engine = self.engine
        need, wanted = whole
        fitting = engine.idle_fit(need)
        if request.constraint:
            fitting &= engine.order.mask(engine.constrained(request.constraint))
        if self.reservations:
            found = self._current().find_atoms(fitting, wanted, duration)
        else:
            found = self._first_atoms(fitting, wanted)
        if found is None:
            return None
        start, free = found
        parts: Parts = []
        picks: dict[Shape, Pick | None] = {}
        for place in bits_of(engine.choose(free, wanted)):
            atom = engine.order.atoms[place]
            shape = engine.cells[atom].shape
            pick = picks.get(shape)
            if pick is None:
                pick = picks[shape] = engine.fitter.fit(engine.interner.idle(shape), need, True)
                assert pick is not None
            parts.append((atom, pick))
        return start, parts

    def _first_atoms(self, fitting: int, wanted: int) -> tuple[float, int] | None:
        """Return when enough atoms are free if nothing is reserved: then there is only more and more."""
        busy, bit, cells = self.engine.busy, self.engine.order.bit, self.engine.cells
        users: dict[int, int] = {}
        if (fitting & ~busy).bit_count() >= wanted:
            return self.now, fitting & ~busy
        for i, (end, job) in enumerate(self._leaving):
            for atom, _ in self.engine.jobs[job]:
                left = users[atom] = users.get(atom, cells[atom].users) - 1
                if left == 0:
                    busy &= ~bit[atom]
            if self._last_at(i):
                free = fitting & ~busy
                if free.bit_count() >= wanted:
                    return self._after(end), free
        return None

    def _last_at(self, place: int) -> bool:
        """Whether no further running job ends at the same time as one."""
        leaving = self._leaving
        return place + 1 == len(leaving) or leaving[place + 1][0] != leaving[place][0]

    def _after(self, end: float) -> float:
        """Return when a running job is taken to end: if it overruns, any moment now."""
        return end if end > self.now else math.nextafter(self.now, FOREVER)

    # -- parts of atoms --

    def _reserve_units(self, request: Request, duration: float) -> tuple[float, Parts] | None:
        units = self._units(request.totals)
        if self.reservations:
            times = self._current().openings(units, self._unit_total, duration, self.now)
        else:
            times = self._first_openings(units)
        jobs = self.engine.jobs
        leaving = iter(self._leaving)
        ahead = next(leaving, None)
        window = Window(self.reservations, duration)
        with self.engine.what_if((), ()) as world:
            for time in times:
                gone: list[Parts] = []
                while ahead is not None and ahead[0] <= time:
                    gone.append(jobs[ahead[1]])
                    ahead = next(leaving, None)
                self._released += len(gone)
                world.move(gone, *window.move(time))
                parts = self.engine.match(request)
                if parts is not None:
                    return time, parts
        return None

    def _first_openings(self, units: int) -> Iterator[float]:
        """Yield the ends of running jobs after which enough units are free, if nothing is reserved."""
        free = self.engine.free_units("core")
        for i, (end, job) in enumerate(self._leaving):
            free += self._use(job)[1]
            if free >= units and self._last_at(i):
                yield self._after(end)

    @staticmethod
    def _units(totals: dict[str, int]) -> int:
        """Count what makes a match fail most often."""
        return totals.get("core", 0)

    def _parts_units(self, parts: Parts) -> int:
        cells = self.engine.cells
        total = 0
        for atom, pick in parts:
            shape = cells[atom].shape
            if pick.whole or pick.exclusive:
                total += shape.totals.get("core", 0)
            else:
                total += _cores(pick, shape)
        return total


def _cores(pick: Pick, shape: object) -> int:
    from bourn_plugins.sched_graph.engine.states import Shape

    assert isinstance(shape, Shape)
    place = shape.leaf_index.get("core")
    total = 0 if place is None else pick.leaves[place].bit_count()
    for i, kid in pick.kids:
        inner = shape.kids[i][0]
        total += inner.totals.get("core", 0) if kid.whole or kid.exclusive else _cores(kid, inner)
    return total
