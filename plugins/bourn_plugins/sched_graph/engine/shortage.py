"""What a request lacks, for good: the first part of it that is more than there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve, frozen

from bourn_plugins.sched_graph.request import SLOT, Count

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bourn_plugins.sched_graph.engine.engine import Engine
    from bourn_plugins.sched_graph.engine.states import Shape
    from bourn_plugins.sched_graph.engine.upper import Upper
    from bourn_plugins.sched_graph.request import Need, Request


@frozen
class Holder:
    """What vertices of one type contain, in units by type: right below them, and in all."""

    direct: dict[str, int]
    all: dict[str, int]


class Shortage:
    """Looks at an engine in which everything is up and free, and at the nodes that meet a constraint."""

    def __init__(self, ideal: Engine, request: Request) -> None:
        self._ideal = ideal
        self._request = request
        self._atoms = list(range(len(ideal.cells)))
        self._where = ""
        if request.constraint:
            self._atoms = ideal.constrained(request.constraint)
            self._where = " that meet the constraints"
        self._holders: dict[str, list[Holder]] = {}
        self._total: dict[str, int] = {}
        self._units: dict[str, str] = {}
        self._look()

    def _look(self) -> None:
        seen: set[Shape] = set()
        for atom in self._atoms:
            cell = self._ideal.cells[atom]
            _add(self._total, cell.shape.totals)
            if cell.shape not in seen:
                self._hold(cell.shape, seen)
        allowed = set(self._atoms)
        for type, uppers in self._ideal.uppers.items():
            self._total[type] = self._total.get(type, 0) + len(uppers)
            self._holders.setdefault(type, []).extend(self._upper(upper, allowed) for upper in uppers)
        for vertex in self._ideal.graph:
            if vertex.unit:
                self._units[vertex.type] = vertex.unit

    def _hold(self, shape: Shape, seen: set[Shape]) -> None:
        seen.add(shape)
        direct = {name: sum(sizes) for name, sizes in zip(shape.leaf_types, shape.sizes, strict=True)}
        inside = dict(shape.totals)
        inside[shape.type] -= shape.size
        for kid, _ in shape.kids:
            direct[kid.type] = direct.get(kid.type, 0) + kid.size
            if kid not in seen:
                self._hold(kid, seen)
        self._holders.setdefault(shape.type, []).append(Holder(direct, inside))

    def _upper(self, upper: Upper, allowed: set[int]) -> Holder:
        cells = self._ideal.cells
        direct: dict[str, int] = {}
        for atom in allowed.intersection(upper.children):
            shape = cells[atom].shape
            _add(direct, {shape.type: shape.size})
        inside: dict[str, int] = {}
        for atom in allowed.intersection(upper.atoms):
            _add(inside, cells[atom].shape.totals)
        for kid in _below(upper):
            _add(inside, {kid.vertex.type: 1})
        for kid in upper.uppers:
            _add(direct, {kid.vertex.type: 1})
        return Holder(direct, inside)

    # -- the answer --

    def explain(self) -> str:
        """Return what is lacking, in a few words."""
        request = self._request
        if request.constraint and not any(
            self._ideal.cells[atom].vertex.type == "node" for atom in self._atoms
        ):
            return "no node meets the constraints"
        if self._ideal.fits(request):
            return "all that it asks for is shared: what a job gets is in a slot, or exclusive"
        return (
            self._in_all(("node",))
            or self._first(self._inside(need) for need in request.needs)
            or self._in_all(request.totals)
            or self._first(self._too_many(need) for need in request.needs)
            or f"needs {_join(self._name(need) for need in request.needs)}, which don't exist together"
        )

    @staticmethod
    def _first(reasons: Iterable[str]) -> str:
        return next(filter(None, reasons), "")

    def _in_all(self, types: Iterable[str]) -> str:
        """Say of which type there is too little altogether."""
        for type in types:
            wanted, have = self._request.totals.get(type, 0), self._total.get(type, 0)
            if type != SLOT and wanted > have:
                return f"needs {self.some(wanted, type)}{self._where}, the instance has {have or 'none'}"
        return ""

    def _inside(self, need: Need) -> str:
        """Say if no vertex of the right type contains what one of `need` does."""
        if need.type == SLOT:
            return self._slot(need, [each for found in self._holders.values() for each in found])
        holders = self._holders.get(need.type, [])
        if not holders:
            return ""
        wanted = {type: units for type, units in need.below.items() if type != SLOT}
        lack = self._lack(need.type, wanted, [holder.all for holder in holders])
        if lack:
            return lack
        for child in need.children:
            reason = self._slot(child, holders) if child.type == SLOT else self._between(need, child, holders)
            reason = reason or (self._inside(child) if child.type != SLOT else "")
            if reason:
                return reason
        return ""

    def _slot(self, slot: Need, holders: list[Holder]) -> str:
        """Say if nothing has right below it what one slot takes."""
        wanted = {child.type: child.count.least for child in slot.children}
        hosts = [holder for holder in holders if holder.direct.keys() & wanted.keys()] or [
            holder
            for found in self._holders.values()
            for holder in found
            if holder.direct.keys() & wanted.keys()
        ]
        lack = self._lack(self._host(hosts), wanted, [holder.direct for holder in hosts])
        return lack or self._first(self._inside(child) for child in slot.children)

    def _host(self, hosts: list[Holder]) -> str:
        """Return the type of what slots are filled in: the smallest that there is."""
        if not hosts:
            return "node"
        smallest = min(hosts, key=lambda holder: sum(holder.all.values()))
        return next(type for type, found in self._holders.items() if smallest in found)

    def _lack(self, where: str, wanted: dict[str, int], offers: list[dict[str, int]]) -> str:
        for type, units in wanted.items():
            most = max((offer.get(type, 0) for offer in offers), default=0)
            if units > most:
                return self._too_little(where, type, units, most)
        if any(all(offer.get(type, 0) >= units for type, units in wanted.items()) for offer in offers):
            return ""
        all_of_it = _join(self.some(units, type) for type, units in wanted.items())
        return f"no {where}{self._singular()} has {all_of_it} together" if wanted else ""

    def _between(self, need: Need, child: Need, holders: list[Holder]) -> str:
        """Say if a level was left out below one that was named."""
        if any(child.type in holder.direct for holder in holders):
            return ""
        levels = {
            type
            for type, found in self._holders.items()
            if any(type in holder.direct for holder in holders)
            and any(child.type in each.all for each in found)
        }
        if not levels:
            return ""
        return f"a {need.type} has its {child.type}s in a {min(levels)}: name the {min(levels)} between them"

    def _too_many(self, need: Need) -> str:
        """Say how many of `need` would fit by themselves."""
        request = evolve(self._request, needs=(need,))
        if self._ideal.fits(request):
            return ""
        low, high = 0, need.count.least
        while high - low > 1:
            middle = (low + high) // 2
            fewer = evolve(need, count=Count(middle))
            if self._ideal.fits(evolve(request, needs=(fewer,))):
                low = middle
            else:
                high = middle
        return f"needs {self._name(need)}{self._where}; {low or 'none'} fit{'s' if low == 1 else ''}"

    # -- words --

    def _name(self, need: Need) -> str:
        number = self.some(need.count.least, need.type)
        parts = _join(self._name(child) for child in need.children)
        joint = "of" if need.type == SLOT else "with"
        return f"{number} {joint} {parts}" if parts else number

    def _singular(self) -> str:
        return self._where.replace("meet", "meets")

    def _too_little(self, where: str, type: str, wanted: int, most: int) -> str:
        if type in _COUNTED and most:
            return f"needs {self.some(wanted, type)} in a {where}{self._singular()}; the largest has {most}"
        unit = self._units.get(type, "")
        amount = f"{wanted} {unit} of {type}" if unit else f"{wanted} {type}"
        return f"no {where}{self._singular()} has {amount}" + (f"; the most is {most}" if most else "")

    def some(self, number: int, type: str) -> str:
        """Return a number of something, as ``2 nodes`` or ``512 GB of ssd``."""
        unit = self._units.get(type)
        return f"{number} {unit} of {type}" if unit else some(number, type)


def some(number: int, type: str) -> str:
    """Return a number of something, as ``1 node`` or ``2 nodes``; what is measured stays as it is."""
    return f"{number} {type}" if number == 1 or type in _UNCOUNTED else f"{number} {type}s"


_COUNTED = ("core", "node", "socket", "rack")
_UNCOUNTED = ("memory", "storage", "power", "bandwidth")


def _join(parts: Iterable[str]) -> str:
    return " and ".join(parts)


def _add(totals: dict[str, int], more: dict[str, int]) -> None:
    for type, units in more.items():
        totals[type] = totals.get(type, 0) + units


def _below(upper: Upper) -> Iterator[Upper]:
    for kid in upper.uppers:
        yield kid
        yield from _below(kid)
