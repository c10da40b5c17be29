"""The jobspecs of a level: of its children, and of jobs as they are handed down. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.model.idset import IdSet
from bourn.model.jobspec_build import from_nest_command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from bourn_plugins.hierarchy.shape import Part

MARK = "hierarchy"
"""The attribute of a child's jobspec, `attributes.system.hierarchy.child`: its place."""
ATTRIBUTE = "hierarchy.child"
"""The broker attribute that makes an instance a child of a hierarchy."""
STATEDIR = "hierarchy.statedir"
"""The broker attribute that tells a child where a parent that was restarted notes its new address."""
_OURS = ("dependencies", "queue", "begin-time", "retry")
"""What a jobspec says to the instance that it was submitted to, and not to its children."""
_CONSTRAINTS = "constraints"
_OUR_KEYS = tuple(f"attributes.system.{key}" for key in _OURS)
_CONSTRAINTS_KEY = f"attributes.system.{_CONSTRAINTS}"
_INHERITED = (
    "policy", "policy-options", "misfits", "on-child-failure", "retries", "idle", "backlog", "rejoin",
)  # fmt: skip


def child_jobspec(
    index: int,
    part: Part,
    table: Mapping[str, Any],
    environment: Mapping[str, str],
    statedir: Path | None = None,
) -> dict[str, Any]:
    """Return the jobspec of the child in place `index`; `table` is `[hierarchy]` as it was written."""
    conf = child_configuration(part, table)
    opts = ["-Sbroker.rc2_none=1", f"-S{ATTRIBUTE}={index}"]
    if statedir is not None:
        opts.append(f"-S{STATEDIR}={statedir}")
    nodes = part.nnodes if part.whole else None
    obj = from_nest_command(
        [],
        num_slots=part.nnodes if part.whole else 1,
        cores_per_slot=part.cores,
        gpus_per_slot=part.gpus or None,
        num_nodes=nodes,
        exclusive=part.whole,
        broker_opts=opts,
        conf=conf or None,
        environment=environment,
        name=f"child-{index}",
    )
    system: dict[str, Any] = obj["attributes"]["system"]
    system[MARK] = {"child": index}
    return obj


def child_configuration(part: Part, table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a child's configuration: `child` of ours, and how it hands jobs down itself."""
    conf = dict(table.get("child") or {})
    if not part.below:
        conf.pop("hierarchy", None)
        return conf
    inherited = {key: table[key] for key in _INHERITED if key in table}
    if "child" in table:
        inherited["child"] = table["child"]
    conf["hierarchy"] = {**inherited, **conf.get("hierarchy", {}), "shape": part.below}
    return conf


def place_of(system: Mapping[str, Any]) -> int | None:
    """Return the place of the child that a job is, None for any other job."""
    mark = system.get(MARK)
    index = mark.get("child") if type(mark) is dict else None
    return index if type(index) is int else None


def handed_down(obj: Mapping[str, Any], ranks: Sequence[int]) -> Mapping[str, Any]:
    """Return a jobspec as a child gets it, which has these of our ranks: without what we have seen to."""
    attributes = obj["attributes"] or {}
    system = attributes.get("system") or {}
    if not any(key in system for key in (*_OURS, _CONSTRAINTS)):
        return obj
    left = {key: value for key, value in system.items() if key not in _OURS}
    if _CONSTRAINTS in left:
        left[_CONSTRAINTS] = localize(left[_CONSTRAINTS], ranks)
    return {**obj, "attributes": {**attributes, "system": left}}


def overrides_down(overrides: Mapping[str, Any] | None, ranks: Sequence[int]) -> dict[str, Any] | None:
    """Return a job's own keys as a child gets them."""
    if not overrides:
        return None
    left = {key: value for key, value in overrides.items() if not key.startswith(_OUR_KEYS)}
    if isinstance(left.get(_CONSTRAINTS_KEY), dict):
        left[_CONSTRAINTS_KEY] = localize(left[_CONSTRAINTS_KEY], ranks)
    return left or None


def localize(constraint: Mapping[str, Any], ranks: Sequence[int]) -> dict[str, Any]:
    """Return a constraint (RFC 31) with our ranks replaced by those of a child; others are nowhere there."""
    found: dict[str, Any] = {}
    for operator, args in constraint.items():
        if operator == "ranks":
            wanted = {rank for text in args for rank in IdSet(text)}
            found[operator] = [str(own) for own, rank in enumerate(ranks) if rank in wanted]
        elif operator in ("and", "or", "not"):
            found[operator] = [localize(arg, ranks) for arg in args]
        else:
            found[operator] = args
    return found
