"""Interned states: what a subtree looks like from above, one object for all subtrees that look the same.

Leaves have no object of their own: a cell keeps, for each type of leaf below it, the bit mask of those that
are free. Bit i is the i-th leaf of that type in the policy's order, so that the lowest set bits are the
best.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bourn_plugins.sched_graph.resources.graph import Vertex


class Shape:
    """What never changes about equal subtrees: types, ids and sizes. Interned: compare by identity."""

    __slots__ = (
        "ids",
        "kid_types",
        "kids",
        "leaf_index",
        "leaf_types",
        "memo",
        "number",
        "size",
        "sizes",
        "totals",
        "type",
    )

    def __init__(
        self,
        number: int,
        type: str,
        size: int,
        leaf_types: tuple[str, ...],
        ids: tuple[tuple[int, ...], ...],
        sizes: tuple[tuple[int, ...], ...],
        kids: tuple[tuple[Shape, int], ...],
    ) -> None:
        self.number = number
        self.type = type
        self.size = size
        self.leaf_types = leaf_types
        self.leaf_index = {name: i for i, name in enumerate(leaf_types)}
        self.ids = ids
        self.sizes = sizes
        self.kids = kids
        """(shape, id) of each inner child."""
        self.kid_types = frozenset(shape.type for shape, _ in kids)
        self.totals: dict[str, int] = {type: size}
        for name, units in zip(leaf_types, sizes, strict=True):
            self.totals[name] = self.totals.get(name, 0) + sum(units)
        for shape, _ in kids:
            for name, count in shape.totals.items():
                self.totals[name] = self.totals.get(name, 0) + count
        self.memo: dict[Any, Any] = {}

    def has_child(self, type: str) -> bool:
        """Whether a vertex of this shape has a direct child of a type."""
        return type in self.leaf_index or type in self.kid_types


class State:
    """What can change about a subtree. Interned: equal states are one object, and answers are kept on it."""

    __slots__ = ("_free", "free", "idle", "kids", "memo", "shape", "taken")

    def __init__(
        self, shape: Shape, idle: bool, taken: bool, free: tuple[int, ...], kids: tuple[State, ...]
    ) -> None:
        self.shape = shape
        self.idle = idle
        self.taken = taken
        self.free = free
        self.kids = kids
        self.memo: dict[Any, Any] = {}
        self._free: dict[str, int] = {}
        """Units that are free, by type."""

    @property
    def type(self) -> str:
        """The type of its vertex."""
        return self.shape.type

    def keep(self, key: object, answer: object) -> None:
        """Keep an answer; with very many kinds of requests the old ones are dropped."""
        if len(self.memo) > _MOST_ANSWERS:
            self.memo.clear()
        self.memo[key] = answer

    def free_units(self, type: str) -> int:
        """Return how many units of a type are free in it, itself included."""
        count = self._free.get(type)
        if count is None:
            count = self.shape.size if type == self.shape.type and self.idle else 0
            if not self.taken:
                place = self.shape.leaf_index.get(type)
                if place is not None:
                    count += _units(self.free[place], self.shape.sizes[place])
                count += sum(kid.free_units(type) for kid in self.kids)
            self._free[type] = count
        return count


def _units(mask: int, sizes: tuple[int, ...]) -> int:
    if sizes and sizes[0] == sizes[-1] == 1:
        return mask.bit_count()
    return sum(size for i, size in enumerate(sizes) if mask >> i & 1)


@define(eq=False)
class Cell:
    """The changing side of one inner vertex: a node, a socket."""

    vertex: Vertex
    shape: Shape
    leaves: tuple[tuple[Vertex, ...], ...]
    """For each leaf type, the vertices in bit order."""
    kids: tuple[Cell, ...]
    free: list[int]
    down: list[int]
    """For each leaf type, the mask of those that are down."""
    state: State
    parent: Cell | None = None
    users: int = 0
    taken: bool = False
    closed: bool = False
    """Whether it is down itself (an inner vertex of an atom)."""
    atom: int = -1
    """Its atom's number."""
    totals: dict[str, int] = field(factory=dict)


class Interner:
    """Makes shapes and states, one for all that are equal."""

    def __init__(self, order: Callable[[Vertex], Any], all_up: bool = False) -> None:
        self.order = order
        self.all_up = all_up
        self._shapes: dict[Any, Shape] = {}
        self._states: dict[Any, State] = {}

    def cell(self, vertex: Vertex, parent: Cell | None = None) -> Cell:
        """Return a cell for a vertex and all that it contains; everything in it is free."""
        leaves: dict[str, list[Vertex]] = {}
        inner: list[Vertex] = []
        for kid in vertex.kids:
            if kid.kids:
                inner.append(kid)
            else:
                leaves.setdefault(kid.type, []).append(kid)
        order = self.order
        for group in leaves.values():
            group.sort(key=order)
        inner.sort(key=order)
        types = tuple(leaves)
        kids = tuple(self.cell(kid) for kid in inner)
        key = (
            vertex.type,
            vertex.size,
            types,
            tuple(tuple([kid.id for kid in group]) for group in leaves.values()),
            tuple(tuple([kid.size for kid in group]) for group in leaves.values()),
            tuple((kid.shape, kid.vertex.id) for kid in kids),
        )
        shape = self._shapes.get(key)
        if shape is None:
            shape = self._shapes[key] = Shape(len(self._shapes), *key)
        free = [(1 << len(group)) - 1 for group in leaves.values()]
        down = [0 if self.all_up else down_mask(group) for group in leaves.values()]
        cell = Cell(vertex, shape, tuple(map(tuple, leaves.values())), kids, free, down, _NO_STATE, parent)
        for below in kids:
            below.parent = cell
            if not (below.vertex.up or self.all_up):
                below.closed = True
                below.state = self.state(below)
        cell.state = self.state(cell)
        return cell

    def state(self, cell: Cell) -> State:
        """Return the state that a cell is in; its children's are taken as they stand."""
        if any(cell.down):
            free = tuple([mask & ~down for mask, down in zip(cell.free, cell.down, strict=True)])
        else:
            free = tuple(cell.free)
        kids = tuple([kid.state for kid in cell.kids]) if cell.kids else ()
        taken = cell.taken or cell.closed
        key = (cell.shape, cell.users == 0, taken, free, kids)
        state = self._states.get(key)
        if state is None:
            if len(self._states) > _MOST_STATES:
                self._states.clear()
            state = self._states[key] = State(cell.shape, cell.users == 0, taken, free, kids)
        return state

    def idle(self, shape: Shape) -> State:
        """Return the state of a shape in which everything is free and up."""
        kids = tuple(self.idle(kid) for kid, _ in shape.kids)
        free = tuple((1 << len(ids)) - 1 for ids in shape.ids)
        key = (shape, True, False, free, kids)
        state = self._states.get(key)
        if state is None:
            state = self._states[key] = State(shape, True, False, free, kids)
        return state


def down_mask(group: Sequence[Vertex]) -> int:
    """Return the mask of the vertices that are down."""
    mask = 0
    for i, vertex in enumerate(group):
        if not vertex.up:
            mask |= 1 << i
    return mask


_MOST_ANSWERS = 1 << 14
_MOST_STATES = 200_000
_NO_STATE: Any = None
