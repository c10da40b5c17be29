"""A child's R in terms of its parent's ranks (RFC 20). Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.model.idset import IdSet

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def lift(R: Mapping[str, Any], ranks: Sequence[int]) -> dict[str, Any]:
    """Return R with rank i of the child replaced by `ranks[i]`; cores, GPUs and hosts are the same."""
    execution = R["execution"]
    if len(ranks) == 1:
        text = str(ranks[0])
        lite = [{"rank": text, "children": entry["children"]} for entry in execution["R_lite"]]
        properties = dict.fromkeys(execution.get("properties") or (), text)
    else:
        lite = [{**entry, "rank": _lift(entry["rank"], ranks)} for entry in execution["R_lite"]]
        properties = {k: _lift(v, ranks) for k, v in (execution.get("properties") or {}).items()}
    lifted = {**execution, "R_lite": lite}
    if properties:
        lifted["properties"] = properties
    return {"version": 1, "execution": lifted}


def _lift(text: str, ranks: Sequence[int]) -> str:
    return str(IdSet(ranks[rank] for rank in IdSet(text)))


def ranks_of(R: Mapping[str, Any]) -> str:
    """Return the ranks of R as an idset."""
    lite = R["execution"]["R_lite"]
    if len(lite) == 1:
        return str(lite[0]["rank"])
    found = IdSet()
    for entry in lite:
        found |= IdSet(entry["rank"])
    return str(found)
