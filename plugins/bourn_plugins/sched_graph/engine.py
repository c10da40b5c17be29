"""The interned matcher: the resources of an instance, and jobs that hold parts of them.

An *atom* is a topmost node (or, where there are none, what stands below the root); what lies above atoms is
the upper realm. A match looks at masks of atoms that fit; only the atoms that a job gets are touched.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

from bourn_plugins.sched_graph.constraint import compile_constraint
from bourn_plugins.sched_graph.fit import Fitter, Pick, bits_of, join, lowest
from bourn_plugins.sched_graph.index import Index, Order
from bourn_plugins.sched_graph.policy import PolicyFault
from bourn_plugins.sched_graph.request import SLOT
from bourn_plugins.sched_graph.states import Interner, down_mask
from bourn_plugins.sched_graph.upper import Upper
from bourn_plugins.sched_graph.whatif import WhatIf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from bourn_plugins.sched_graph.graph import ResourceGraph, Vertex
    from bourn_plugins.sched_graph.policy import Chooser
    from bourn_plugins.sched_graph.request import Need, Request
    from bourn_plugins.sched_graph.states import Cell, State

Parts = list[tuple[int, Pick]]
"""What a job gets: (atom, pick); an atom comes once."""
_NETWORKS = ("network", "ibnet", "switch")
_LOG_LIMIT = 1 << 16
_MOST_INDICES = 256


class Engine:
    """Matches requests now, and keeps what jobs hold. No clock: `planner` adds time."""

    def __init__(self, graph: ResourceGraph, chooser: Chooser, *, all_up: bool = False) -> None:
        self.graph = graph
        self.chooser = chooser
        self.all_up = all_up
        """Whether to take everything as up: to say what could ever fit."""
        self.fitter = Fitter(chooser.high, frozenset({"node"} if chooser.node_exclusive else ()))
        self.fault: Callable[[str], None] = lambda text: None
        """Called when the match policy fails, with what went wrong."""
        self.jobs: dict[int, Parts] = {}
        self.version = 0
        """Changes with every change of what is free, in what-ifs too."""
        self.epoch = 0
        """Changes when jobs, or the status of vertices, do."""
        self._load()

    def _load(self) -> None:
        root = self.graph.roots["containment"]
        self.interner = Interner(self.chooser.sibling, self.all_up)
        self.cells: list[Cell] = []
        self.uppers: dict[str, list[Upper]] = {}
        has_nodes = any(vertex.type == "node" for vertex in self.graph)
        self.root = self._upper(root, has_nodes)
        vertices = [cell.vertex for cell in self.cells]
        self.order = Order([self.chooser.atom(vertex) for vertex in vertices])
        self.found = Order([0] * len(vertices))
        self.centric = Order([self.chooser.centric(vertex) for vertex in vertices])
        self.types = frozenset(vertex.type for vertex in vertices)
        self._atom_of = {cell.vertex.index: cell.atom for cell in self.cells}
        self.by_rank = {cell.vertex.rank: cell.atom for cell in self.cells if cell.vertex.rank >= 0}
        self.log: list[int] = []
        self.busy = 0
        """The atoms that are in use, as a mask of `order`."""
        self._indices: dict[Any, Index] = {}
        self._constraints: dict[str, list[int]] = {}
        self._failed: dict[Any, int] = {}
        self._groups: list[int] | None = None
        self._free: dict[str, int] = {}
        self._shapes: dict[Any, list[int]] = {}
        for cell in self.cells:
            self._shapes.setdefault((cell.shape,), []).append(cell.atom)

    def _upper(self, vertex: Vertex, has_nodes: bool) -> Upper:
        first = len(self.cells)
        inner: list[Upper] = []
        direct: set[str] = set()
        children: list[int] = []
        for kid in vertex.kids:
            if kid.type == "node" or not kid.kids or not has_nodes:
                cell = self.interner.cell(kid)
                self._number(cell, len(self.cells))
                self.cells.append(cell)
                direct.add(kid.type)
                children.append(cell.atom)
            else:
                inner.append(self._upper(kid, has_nodes))
        upper = Upper(vertex, list(range(first, len(self.cells))), frozenset(direct), children, inner)
        self.uppers.setdefault(vertex.type, []).append(upper)
        return upper

    def _number(self, cell: Cell, atom: int) -> None:
        cell.atom = atom
        for kid in cell.kids:
            self._number(kid, atom)

    # -- matching --

    def match(self, request: Request, forbidden: int | None = None) -> Parts | None:
        """Return what the request gets now, without taking it; None if it doesn't fit.

        `forbidden` is a mask of `order`: atoms that are promised to others. A policy that fails is told to
        `fault` and not asked again.
        """
        try:
            return self._match(request, forbidden)
        except (PolicyFault, TypeError) as error:
            if isinstance(error, TypeError) and not self.chooser.asks:
                raise
            self._distrust(error)
            return self._match(request, forbidden)

    def _distrust(self, error: Exception) -> None:
        self.chooser.disable()
        self._indices.clear()
        self.fault(str(error))

    def choose(self, mask: int, count: int) -> int:
        """Return the best `count` of the atoms of a mask that has as many."""
        if self.chooser.chooses and mask.bit_count() > count:
            try:
                return self.chooser.pick(mask, count, self.groups())
            except PolicyFault as error:
                self._distrust(error)
        return lowest(mask, count)

    def _match(self, request: Request, forbidden: int | None) -> Parts | None:
        if forbidden is None and self._failed.get(request) == self.version:
            return None
        allowed = self._allowed(request, forbidden)
        if allowed is not None and not allowed:
            return None
        parts: dict[int, Pick] = {}
        for need in request.needs:
            if not self._select(need, allowed, parts, False):
                if forbidden is None:
                    if len(self._failed) > _LOG_LIMIT:
                        self._failed.clear()
                    self._failed[request] = self.version
                return None
        return list(parts.items())

    def allocate(self, job: int, parts: Parts) -> None:
        """Take what `match` found."""
        for atom, pick in parts:
            cell = self.cells[atom]
            before = cell.state
            self.apply(cell, pick)
            self._recount(cell, before)
        self.jobs[job] = parts
        self.epoch += 1
        self.changed()

    def free(self, job: int, ranks: Sequence[int] | None = None) -> bool:
        """Release a job, or what it has on some ranks; True if it has nothing left."""
        parts = self.jobs.get(job)
        if parts is None:
            return True
        gone = None if ranks is None else {self.by_rank[rank] for rank in ranks if rank in self.by_rank}
        left: Parts = []
        for atom, pick in parts:
            if gone is None or atom in gone:
                cell = self.cells[atom]
                before = cell.state
                self.revert(cell, pick)
                self._recount(cell, before)
            else:
                left.append((atom, pick))
        self.epoch += 1
        self.changed()
        if left:
            self.jobs[job] = left
            return False
        del self.jobs[job]
        return True

    def is_up(self, vertex: Vertex) -> bool:
        """Whether a vertex and all that it lies in are up."""
        if self.all_up:
            return True
        above: Vertex | None = vertex
        while above is not None:
            if not above.up:
                return False
            above = above.parent
        return True

    def what_if(self, gone: Iterable[Parts], taken: Iterable[Parts]) -> WhatIf:
        """Return a context in which some jobs are gone and other parts are taken; matches in it commit
        nothing.
        """
        return WhatIf(self, gone, taken)

    def free_units(self, type: str) -> int:
        """Return how many units of a type are free on atoms that are up."""
        count = self._free.get(type)
        if count is None:
            count = self._free[type] = sum(
                cell.state.free_units(type) for cell in self.cells if self.is_up(cell.vertex)
            )
        return count

    def _recount(self, cell: Cell, before: State) -> None:
        for type in self._free:
            if type in cell.shape.totals and self.is_up(cell.vertex):
                self._free[type] += cell.state.free_units(type) - before.free_units(type)

    def changed(self) -> None:
        """Note that what is free has changed."""
        self.version += 1
        if len(self.log) > _LOG_LIMIT:
            for index in self._indices.values():
                index.refresh()
                index.rewind(0)
            self.log.clear()

    def apply(self, cell: Cell, pick: Pick) -> None:
        """Take a pick of an atom."""
        self._change(cell, pick, True)
        self.log.append(cell.atom)
        self.busy |= self.order.bit[cell.atom]

    def revert(self, cell: Cell, pick: Pick) -> None:
        """Give a pick of an atom back."""
        self._change(cell, pick, False)
        self.log.append(cell.atom)
        if cell.users == 0:
            self.busy &= ~self.order.bit[cell.atom]

    def _change(self, cell: Cell, pick: Pick, take: bool) -> None:
        if pick.exclusive or pick.whole:
            cell.taken = take
        free = cell.free
        if take:
            cell.users += 1
            for i, mask in enumerate(pick.leaves):
                if mask:
                    free[i] &= ~mask
        else:
            cell.users -= 1
            for i, mask in enumerate(pick.leaves):
                if mask:
                    free[i] |= mask
        for place, kid in pick.kids:
            self._change(cell.kids[place], kid, take)
        cell.state = self.interner.state(cell)

    # -- selection --

    def _allowed(self, request: Request, forbidden: int | None) -> int | None:
        """Return the atoms that a request may have at all, as a mask of `order`; None for all."""
        allowed = None
        if request.constraint:
            allowed = self.order.mask(self.constrained(request.constraint))
        if forbidden:
            allowed = ((1 << len(self.cells)) - 1 if allowed is None else allowed) & ~forbidden
        return allowed

    def constrained(self, constraint: dict[str, Any]) -> list[int]:
        """Return the atoms that meet a constraint; atoms that aren't nodes always do."""
        key = repr(constraint)
        atoms = self._constraints.get(key)
        if atoms is None:
            allows = compile_constraint(constraint)
            atoms = [c.atom for c in self.cells if c.vertex.type != "node" or allows(c.vertex)]
            if len(self._constraints) > _MOST_INDICES:
                self._constraints.clear()
            self._constraints[key] = atoms
        return atoms

    def _convert(self, allowed: int | None, order: Order) -> int | None:
        """Return a mask of `self.order` in another order."""
        if allowed is None or order is self.order:
            return allowed
        atoms = self.order.atoms
        return order.mask([atoms[place] for place in bits_of(allowed)])

    def _select(
        self,
        need: Need,
        allowed: int | None,
        parts: dict[int, Pick],
        exclusive: bool,
        above: Upper | None = None,
    ) -> bool:
        """Add what one need gets to `parts`. Below a vertex that was asked for (`above`) no level is
        left out.
        """
        if need.type == SLOT:
            return self._select_slots(need, allowed, parts, above)
        if need.type in self.uppers and need.type not in self.types:
            options = self.uppers[need.type] if above is None else above.uppers
            return self._select_uppers(need, options, allowed, parts, exclusive)
        return self._select_atoms(need, allowed, parts, exclusive)

    def _index(self, key: Any, order: Order, rank: Any) -> Index:
        index = self._indices.get(key)
        if index is None:
            if len(self._indices) >= _MOST_INDICES:
                self._indices.pop(next(iter(self._indices)))
            index = self._indices[key] = Index(order, self.cells, rank, self.log)
        else:
            index.refresh()
        return index

    def _select_atoms(self, need: Need, allowed: int | None, parts: dict[int, Pick], exclusive: bool) -> bool:
        fit, type, rank = self.fitter.fit, need.type, self.chooser.rank

        def value(cell: Cell) -> Any:
            if (
                cell.vertex.type != type
                or not self.is_up(cell.vertex)
                or fit(cell.state, need, exclusive) is None
            ):
                return None
            return rank(cell)

        index = self._index((need, exclusive), self.order, value)
        if parts:
            allowed = self._without(parts, allowed)
        chosen = self._best(index, need, allowed)
        if chosen is None:
            return False
        atoms, cells = self.order.atoms, self.cells
        for place in bits_of(chosen):
            atom = atoms[place]
            pick = fit(cells[atom].state, need, exclusive)
            assert pick is not None
            parts[atom] = pick
        return True

    def _without(self, parts: dict[int, Pick], allowed: int | None) -> int:
        full = (1 << len(self.cells)) - 1 if allowed is None else allowed
        return full & ~self.order.mask(list(parts))

    def _best(self, index: Index, need: Need, allowed: int | None) -> int | None:
        """Return the mask of the best atoms, as many as a need counts."""
        count = need.count
        wanted = count.least
        if count.least != count.most:
            wanted = count.choose(sum(mask.bit_count() for _, mask in index.candidates(allowed)))
            if wanted == 0:
                return None
        chosen = 0
        for _, mask in index.candidates(allowed):
            number = mask.bit_count()
            if number >= wanted:
                return chosen | self.choose(mask, wanted)
            chosen |= mask
            wanted -= number
        return None

    def idle_fit(self, need: Need) -> int:
        """Return the atoms that are up and would fit a need by themselves if they were idle."""
        key = ("idle", need)
        index = self._index(key, self.order, lambda cell: self._idle_rank(cell, need))
        return index.buckets.get(0, 0)

    def _idle_rank(self, cell: Cell, need: Need) -> int | None:
        if cell.vertex.type != need.type or not self.is_up(cell.vertex) or cell.closed:
            return None
        return None if self.fitter.fit(self.interner.idle(cell.shape), need, True) is None else 0

    def groups(self) -> list[int]:
        """Return the masks of what stands together: the lowest vertices above atoms."""
        return [upper.mask(self.order) for uppers in self.uppers.values() for upper in uppers if upper.direct]

    def _select_uppers(
        self,
        need: Need,
        uppers: Sequence[Upper],
        allowed: int | None,
        parts: dict[int, Pick],
        exclusive: bool,
    ) -> bool:
        options: list[dict[int, Pick]] = []
        exclusive = exclusive or bool(need.exclusive)
        for upper in sorted(uppers, key=lambda each: self.chooser.sibling(each.vertex)):
            mine = upper.mask(self.order)
            if (
                upper.vertex.type != need.type
                or not self.is_up(upper.vertex)
                or (exclusive and self.busy & mine)
            ):
                continue
            inner: dict[int, Pick] = {}
            if need.exclusive and allowed is not None and mine & ~allowed:
                continue
            within = self._within(upper, allowed)
            if all(
                self._select(child, mine if child.type in self.uppers else within, inner, exclusive, upper)
                for child in need.children
            ):
                if need.exclusive:
                    # What is down in an exclusive rack can't run anything: it isn't given away.
                    cells = [self.cells[atom] for atom in upper.atoms]
                    inner = {cell.atom: _whole(cell) for cell in cells if self.is_up(cell.vertex)}
                options.append(inner)
            if len(options) == need.count.most:
                break
        wanted = need.count.choose(len(options))
        if wanted == 0:
            return False
        for inner in options[:wanted]:
            parts.update(inner)
        return True

    def _within(self, upper: Upper, allowed: int | None) -> int:
        mine = upper.mask(self.order, direct=True)
        return mine if allowed is None else mine & allowed

    def _select_slots(
        self, slot: Need, allowed: int | None, parts: dict[int, Pick], above: Upper | None = None
    ) -> bool:
        children = {child.type for child in slot.children}
        places = [upper for uppers in self.uppers.values() for upper in uppers] if above is None else [above]
        hosts = [
            upper for upper in places if children and children <= upper.direct and self.is_up(upper.vertex)
        ]
        if hosts:
            return self._slots_of_atoms(slot, hosts, allowed, parts)
        chooser, slots = self.chooser, self.fitter.slots
        sign = -1 if chooser.high else 1
        scored = chooser.by_score and not chooser.node_centric and not chooser.first
        order = self.found if scored else self.centric if chooser.node_centric else self.order

        whole = self.fitter.whole_types

        def value(cell: Cell) -> Any:
            if not self.is_up(cell.vertex) or (cell.vertex.type in whole and not cell.state.idle):
                return None
            found = slots(cell.state, slot)
            if not found:
                return None
            return sign * found[0].score if scored else chooser.rank(cell)

        index = self._index(slot, order, value)
        if parts:
            allowed = self._without(parts, allowed)
        allowed = self._convert(allowed, order)
        count = slot.count
        if count.least == count.most == 1:
            return self._one_slot(index, slot, allowed, parts)
        wanted = count.least
        if count.least != count.most:
            cells = self.cells
            wanted = count.choose(
                sum(
                    len(slots(cells[order.atoms[place]].state, slot))
                    for _, mask in index.candidates(allowed)
                    for place in bits_of(mask)
                )
            )
            if wanted == 0:
                return False
        return self._many_slots(index, slot, allowed, wanted, sign if scored else 0, parts)

    def _one_slot(self, index: Index, slot: Need, allowed: int | None, parts: dict[int, Pick]) -> bool:
        for _, mask in index.candidates(allowed):
            atom = index.order.atoms[(mask & -mask).bit_length() - 1]
            parts[atom] = self._slots_pick(atom, slot, 1)
            return True
        return False

    def _slots_pick(self, atom: int, slot: Need, number: int) -> Pick:
        """Return what an atom's first slots take; all of it where nodes are exclusive."""
        cell = self.cells[atom]
        if cell.vertex.type in self.fitter.whole_types:
            return _whole(cell)
        found = self.fitter.slots(cell.state, slot)
        pick = found[0].pick
        for other in found[1:number]:
            pick = join(pick, other.pick)
        return pick

    def _many_slots(
        self, index: Index, slot: Need, allowed: int | None, wanted: int, sign: int, parts: dict[int, Pick]
    ) -> bool:
        """Merge the slots of all hosts by score (`sign` not 0), or take one host after the other."""
        chosen: dict[int, int] = {}
        heap: list[tuple[Any, int, int]] = []
        atoms, cells, slots = index.order.atoms, self.cells, self.fitter.slots

        def drain(limit: Any) -> None:
            nonlocal wanted
            while wanted and heap and (limit is None or heap[0][:2] < limit):
                _, place, i = heappop(heap)
                atom = atoms[place]
                chosen[atom] = i + 1
                wanted -= 1
                found = slots(cells[atom].state, slot)
                if i + 1 < len(found):
                    heappush(heap, (sign * found[i + 1].score, place, i + 1))

        for rank, mask in index.candidates(allowed):
            while mask and wanted:
                low = mask & -mask
                mask ^= low
                place = low.bit_length() - 1
                if sign:
                    drain((rank, place))
                    if wanted:
                        heappush(heap, (rank, place, 0))
                else:
                    atom = atoms[place]
                    number = min(wanted, len(slots(cells[atom].state, slot)))
                    chosen[atom] = number
                    wanted -= number
            if not wanted:
                break
        drain(None)
        if wanted:
            return False
        for atom, number in chosen.items():
            parts[atom] = self._slots_pick(atom, slot, number)
        return True

    def _slots_of_atoms(
        self, slot: Need, hosts: list[Upper], allowed: int | None, parts: dict[int, Pick]
    ) -> bool:
        """Fill slots with whole atoms: each slot's from right below one host."""
        if parts:
            allowed = self._without(parts, allowed)
        offers: list[tuple[Any, int, int, dict[int, Pick]]] = []
        limit = slot.count.most
        sign = -1 if self.chooser.high else 1
        for k, host in enumerate(hosts):
            within = self._within(host, allowed)
            for i in range(limit):
                inner: dict[int, Pick] = {}
                if not all(self._select_atoms(child, within, inner, True) for child in slot.children):
                    break
                if len(hosts) > 1:
                    score = sign * (1 + sum(self.cells[atom].vertex.id + 2 for atom in inner))
                    offers.append((score, k, i, inner))
                else:
                    offers.append((0, k, i, inner))
                within &= ~self.order.mask(list(inner))
        offers.sort(key=lambda offer: offer[:3])
        wanted = slot.count.choose(len(offers))
        if wanted == 0:
            return False
        for offer in offers[:wanted]:
            parts.update(offer[3])
        return True

    def vertices(self, parts: Parts) -> list[Vertex]:
        """Return the vertices that a job has to itself."""
        found: list[Vertex] = []
        for atom, pick in parts:
            self._own(self.cells[atom], pick, found)
        return found

    def _own(self, cell: Cell, pick: Pick, found: list[Vertex]) -> None:
        if pick.whole:
            found.extend(self.graph.subtree(cell.vertex))
            return
        if pick.exclusive:
            found.append(cell.vertex)
        for group, mask in zip(cell.leaves, pick.leaves, strict=True):
            found.extend(group[i] for i in bits_of(mask))
        for place, kid in pick.kids:
            self._own(cell.kids[place], kid, found)

    # -- status --

    def mark(self, vertices: Sequence[Vertex], up: bool) -> None:
        """Set vertices, and with them all below, up or down; jobs on them go on."""
        for vertex in vertices:
            vertex.up = up
            for atom in self._refresh_status(vertex):
                self.log.append(atom)
        self._free.clear()
        self.epoch += 1
        self.changed()

    def _refresh_status(self, vertex: Vertex) -> list[int]:
        atom = self._atom_of.get(vertex.index)
        if atom is None:
            above: Vertex | None = vertex
            while above is not None and above.index not in self._atom_of:
                above = above.parent
            if above is not None:
                atom = self._atom_of[above.index]
        if atom is not None:
            self._status(self.cells[atom])
            return [atom]
        below = [each.index for each in self.graph.subtree(vertex)]
        return [self._atom_of[index] for index in below if index in self._atom_of]

    def _status(self, cell: Cell) -> None:
        for kid in cell.kids:
            kid.closed = not kid.vertex.up
            self._status(kid)
        for i, group in enumerate(cell.leaves):
            cell.down[i] = down_mask(group)
        cell.state = self.interner.state(cell)


def _whole(cell: Cell) -> Pick:
    return Pick(True, True, (0,) * len(cell.leaves), ())
