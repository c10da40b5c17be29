"""Between what the engine gives and R (RFC 20)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from bourn.model.bits import bits_of
from bourn.model.hostlist import Hostlist
from bourn.model.idset import IdSet, mask_text, parse_mask
from bourn_plugins.sched_graph.engine.pick import Pick

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bourn_plugins.sched_graph.engine.engine import Engine, Parts
    from bourn_plugins.sched_graph.engine.states import Cell, Shape

_TYPES = ("core", "gpu")
text_of_mask = lru_cache(4096)(mask_text)


def rset_of(
    engine: Engine, parts: Parts, start: float, expiration: float, *, unlike: bool = False
) -> dict[str, Any]:
    """Return R for what a job got; an `expiration` of 0 is none.

    What is neither a core nor a GPU is in ``attributes.system.held``: {rank: idset, children: {type: idset}}
    of nodes, {path} of others. With `unlike`, of a job with several kinds of slots,
    ``attributes.system.slots`` says how many of each a rank has: {label: {idset: number}}.
    """
    groups: dict[tuple[tuple[str, str], ...], int] = {}
    ranks: list[tuple[int, str]] = []
    properties: dict[str, int] = {}
    held: list[dict[str, Any]] = []
    others: dict[tuple[tuple[str, str], ...], int] = {}
    for atom, pick in parts:
        vertex = engine.cells[atom].vertex
        if vertex.rank < 0:
            held.append({"path": vertex.path})
            continue
        ids = pick.ids
        if ids is None:
            masks = masks_of(engine.cells[atom].shape, pick)
            ids = pick.ids = {type: mask_text(masks[type]) for type in _TYPES if masks.get(type)}
            pick.others = {type: mask_text(mask) for type, mask in masks.items() if type not in _TYPES}
        bit = 1 << vertex.rank
        if pick.others:
            also = tuple(pick.others.items())
            others[also] = others.get(also, 0) | bit
        key = tuple(ids.items())
        groups[key] = groups.get(key, 0) | bit
        ranks.append((vertex.rank, vertex.name))
        for name, value in (vertex.properties or {}).items():
            if name[0] != "+":
                text = f"{name}={value}" if value else name
                properties[text] = properties.get(text, 0) | bit
    ranks.sort()
    names = [name for _, name in ranks]
    execution: dict[str, Any] = {
        "R_lite": [{"rank": text_of_mask(mask), "children": dict(key)} for key, mask in groups.items()],
        "nodelist": names if len(names) == 1 else [str(Hostlist(names))],
        "starttime": start,
        "expiration": expiration,
    }
    if properties:
        execution["properties"] = {name: text_of_mask(mask) for name, mask in sorted(properties.items())}
    held += [{"rank": text_of_mask(mask), "children": dict(also)} for also, mask in others.items()]
    slots = _slots_of(engine, parts) if unlike else None
    if slots or held:
        system = {**({"slots": slots} if slots else {}), **({"held": held} if held else {})}
        return {"version": 1, "execution": execution, "attributes": {"system": system}}
    return {"version": 1, "execution": execution}


def _slots_of(engine: Engine, parts: Parts) -> dict[str, dict[str, int]]:
    found: dict[str, dict[int, int]] = {}
    for atom, pick in parts:
        rank = engine.cells[atom].vertex.rank
        for label, number in pick.slots.items() if rank >= 0 else ():
            ranks = found.setdefault(label, {})
            ranks[number] = ranks.get(number, 0) | 1 << rank
    return {
        label: {text_of_mask(mask): number for number, mask in ranks.items()}
        for label, ranks in found.items()
    }


def masks_of(shape: Shape, pick: Pick) -> dict[str, int]:
    """Return the masks of ids that a pick takes, by type."""
    masks: dict[str, int] = {}
    _collect(shape, pick, masks)
    return masks


def _collect(shape: Shape, pick: Pick | None, masks: dict[str, int]) -> None:
    """Gather ids; of a vertex without a pick, and of whole ones, all."""
    whole = pick is None or pick.whole
    for i, type in enumerate(shape.leaf_types):
        ids = shape.ids[i]
        places = range(len(ids)) if whole or pick is None else bits_of(pick.leaves[i])
        for place in places:
            masks[type] = masks.get(type, 0) | 1 << ids[place]
    if whole or pick is None:
        for kid, _ in shape.kids:
            _collect(kid, None, masks)
    else:
        for place, inner in pick.kids:
            _collect(shape.kids[place][0], inner, masks)


def parts_of(engine: Engine, rset: Mapping[str, Any], exclusive: bool) -> Parts:
    """Return the parts that an R names; KeyError for a rank or a path that isn't there."""
    parts: Parts = []
    held = ((rset.get("attributes") or {}).get("system") or {}).get("held") or ()
    others = {rank: entry["children"] for entry in held if "rank" in entry for rank in IdSet(entry["rank"])}
    for entry in rset["execution"]["R_lite"]:
        for rank in IdSet(entry["rank"]):
            children = {**entry["children"], **others.get(rank, {})}
            masks = {type: parse_mask(ids) for type, ids in children.items()}
            atom = engine.by_rank[rank]
            pick = _pick(engine.cells[atom], masks)
            parts.append((atom, Pick(exclusive, False, pick.leaves, pick.kids)))
    paths = {entry["path"] for entry in held if "path" in entry}
    if paths:
        parts += [(cell.atom, _all_of(cell)) for cell in engine.cells if cell.vertex.path in paths]
        missing = paths - {engine.cells[atom].vertex.path for atom, _ in parts}
        if missing:
            raise KeyError(min(missing))
    return parts


def _all_of(cell: Cell) -> Pick:
    return Pick(True, True, (0,) * len(cell.leaves), ())


def _pick(cell: Cell, masks: Mapping[str, int]) -> Pick:
    shape = cell.shape
    leaves = []
    for i, type in enumerate(shape.leaf_types):
        wanted = masks.get(type, 0)
        leaves.append(sum(1 << place for place, id in enumerate(shape.ids[i]) if wanted >> id & 1))
    kids = []
    for place, kid in enumerate(cell.kids):
        inner = _pick(kid, masks)
        if any(inner.leaves) or inner.kids:
            kids.append((place, inner))
    return Pick(False, False, tuple(leaves), tuple(kids))
