"""Engines of several policies over one graph: what a job gets from one is taken in all.

Each engine has cells of its own, since a policy orders what lies in a node; an atom has the same number in
all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.model.bits import bits_of
from bourn_plugins.sched_graph.engine.pick import Pick

if TYPE_CHECKING:
    from bourn_plugins.sched_graph.engine.engine import Engine, Parts
    from bourn_plugins.sched_graph.engine.states import Cell, Shape


def translate(parts: Parts, source: Engine, target: Engine) -> Parts:
    """Return what takes in `target` what `parts` take in `source`."""
    cells, others = source.cells, target.cells
    found: Parts = []
    for atom, pick in parts:
        shape = others[atom].shape
        twin = None if pick.twins is None else pick.twins.get(shape)
        if twin is None:
            twin = _twin(pick, cells[atom], others[atom])
            if _distinct(shape):
                if pick.twins is None:
                    pick.twins = {}
                pick.twins[shape] = twin
        found.append((atom, twin))
    return found


def _twin(pick: Pick, cell: Cell, other: Cell) -> Pick:
    types = {type: i for i, type in enumerate(other.shape.leaf_types)}
    leaves = [0] * len(types)
    for i, mask in enumerate(pick.leaves):
        if mask:
            place = types[cell.shape.leaf_types[i]]
            at = {vertex.index: k for k, vertex in enumerate(other.leaves[place])}
            for bit in bits_of(mask):
                leaves[place] |= 1 << at[cell.leaves[i][bit].index]
    kids: list[tuple[int, Pick]] = []
    if pick.kids:
        at = {kid.vertex.index: k for k, kid in enumerate(other.kids)}
        for place, inner in pick.kids:
            kid = cell.kids[place]
            k = at[kid.vertex.index]
            kids.append((k, _twin(inner, kid, other.kids[k])))
        kids.sort(key=lambda item: item[0])
    return Pick(pick.exclusive, pick.whole, tuple(leaves), tuple(kids))


def _distinct(shape: Shape) -> bool:
    """Whether ids say which vertex of a type is meant, so that equal cells are translated alike."""
    known = shape.memo.get("distinct")
    if known is None:
        known = (
            all(len(set(ids)) == len(ids) for ids in shape.ids)
            and len({(kid.type, id) for kid, id in shape.kids}) == len(shape.kids)
            and all(_distinct(kid) for kid, _ in shape.kids)
        )
        shape.memo["distinct"] = known
    return bool(known)
