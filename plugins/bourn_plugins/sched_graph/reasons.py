"""Why a request doesn't fit: never, or not now."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

from bourn_plugins.sched_graph.engine import Engine
from bourn_plugins.sched_graph.request import SLOT

if TYPE_CHECKING:
    from bourn_plugins.sched_graph.request import Need, Request
    from bourn_plugins.sched_graph.states import Shape


class Reasons:
    """Answers from a copy of the engine in which everything is up and free."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._ideal: Engine | None = None
        self._never: dict[Request, str | None] = {}

    def never(self, request: Request) -> str | None:
        """Return why a request can never be met, or None if it can."""
        if request not in self._never:
            if len(self._never) > 10000:
                self._never.clear()
            self._never[request] = self._find(request)
        return self._never[request]

    def _find(self, request: Request) -> str | None:
        if self._ideal is None:
            # Whether something fits doesn't depend on what is preferred, so a policy may fail at that.
            chooser = copy(self.engine.chooser)
            chooser.disable()
            self._ideal = Engine(self.engine.graph, chooser, all_up=True)
        if self._ideal.match(request) is not None:
            return None
        if request.constraint and not self._ideal.constrained(request.constraint):
            return "no node meets the constraints"
        shapes = {cell.shape for cell in self._ideal.cells}
        for need in request.needs:
            reason = self._explain(need, shapes, request)
            if reason:
                return reason
        return "the resources that it asks for don't exist together"

    def _explain(self, need: Need, shapes: set[Shape], request: Request) -> str:
        """Name the first part of a request that is too big."""
        return (
            self._in_all(request, ("node",))
            or self._inside(need, shapes)
            or self._in_all(request, tuple(request.totals))
            or self._too_many(need, request)
        )

    def _in_all(self, request: Request, types: tuple[str, ...]) -> str:
        """Say of which type the whole instance has too little."""
        totals = self._totals()
        for type in types:
            wanted, have = request.totals.get(type, 0), totals.get(type, 0)
            if type != SLOT and wanted > have:
                return f"needs {some(wanted, type)}, the instance has {have or 'none'}"
        return ""

    def _too_many(self, need: Need, request: Request) -> str:
        ideal = self._ideal
        assert ideal is not None
        where = " that meet the constraints" if request.constraint else ""
        if need.type == SLOT:
            return f"there aren't {need.count.least} slots of {_list(need)} in all{where}"
        fitting = ideal.idle_fit(need)
        if request.constraint:
            fitting &= ideal.order.mask(ideal.constrained(request.constraint))
        number = some(need.count.least, need.type)
        return f"needs {number} with {_list(need)}; {fitting.bit_count()} fit{where}"

    def _inside(self, need: Need, shapes: set[Shape]) -> str:
        """Say if no vertex of the right type has what one of `need` contains."""
        if need.type == SLOT:
            hosts = _all(shapes)
            where = self._holder(need, shapes)
            best = {
                child.type: max((_direct(shape, child.type) for shape in hosts), default=0)
                for child in need.children
            }
            for child in need.children:
                if child.count.least > best[child.type]:
                    return _too_little(where, child.type, child.count.least, best[child.type])
            return ""
        same = [shape for shape in _all(shapes) if shape.type == need.type]
        if not same:
            return ""
        for type, wanted in need.below.items():
            if type == SLOT:
                continue
            most = max(
                shape.totals.get(type, 0) - (shape.size if type == shape.type else 0) for shape in same
            )
            if wanted > most:
                return _too_little(need.type, type, wanted, most)
        for child in need.children:
            reason = self._inside(child, set(same))
            if reason:
                return reason
        return ""

    def _holder(self, slot: Need, shapes: set[Shape]) -> str:
        for shape in _all(shapes):
            if any(shape.has_child(child.type) for child in slot.children):
                return shape.type
        return "node"

    def _totals(self) -> dict[str, int]:
        assert self._ideal is not None
        totals: dict[str, int] = {}
        for cell in self._ideal.cells:
            for type, count in cell.shape.totals.items():
                totals[type] = totals.get(type, 0) + count
        for type, uppers in self._ideal.uppers.items():
            totals[type] = totals.get(type, 0) + len(uppers)
        return totals

    def not_now(self, request: Request) -> str:
        """Return what a request waits for, in a few words."""
        never = self.never(request)
        if never:
            # It could be met when it came: resources have been removed since.
            return never
        for type in ("node", "core", "gpu", *request.totals):
            wanted = request.totals.get(type, 0)
            if type == SLOT or not wanted:
                continue
            free = self.engine.free_units(type)
            if wanted > free:
                return self._down(type, wanted) or f"needs {some(wanted, type)}, {free or 'none'} free"
        return "waits for resources"

    def _down(self, type: str, wanted: int) -> str:
        """Say if a request waits for what is down, rather than for what is in use."""
        total = up = 0
        for cell in self.engine.cells:
            units = cell.shape.totals.get(type, 0)
            total += units
            up += units if self.engine.is_up(cell.vertex) else 0
        if not up < wanted <= total:
            return ""
        return f"needs {some(wanted, type)}; {up} of {total} {'is' if up == 1 else 'are'} up"


def _too_little(where: str, type: str, wanted: int, most: int) -> str:
    if type == "core" and most:
        return f"needs {some(wanted, type)} in a {where}; the largest has {most}"
    return f"no {where} has {wanted} {type}" + (f"; the most is {most}" if most else "")


def some(number: int, type: str) -> str:
    """Return a number of something, as ``1 node`` or ``2 nodes``; what is measured stays as it is."""
    return f"{number} {type}" if number == 1 or type in _UNCOUNTED else f"{number} {type}s"


_UNCOUNTED = ("memory", "storage", "power", "bandwidth")


def _all(shapes: set[Shape]) -> list[Shape]:
    found = list(shapes)
    for shape in found:
        found.extend(kid for kid, _ in shape.kids if kid not in found)
    return found


def _direct(shape: Shape, type: str) -> int:
    place = shape.leaf_index.get(type)
    if place is not None:
        return sum(shape.sizes[place])
    return sum(kid.size for kid, _ in shape.kids if kid.type == type)


def _list(need: Need) -> str:
    parts = [some(child.count.least, child.type) for child in need.children if child.type != SLOT]
    parts += [
        f"{some(child.count.least, SLOT)} of {_list(child)}" for child in need.children if child.type == SLOT
    ]
    return " and ".join(parts) or "what it contains"
