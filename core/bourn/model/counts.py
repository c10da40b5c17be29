"""How much a jobspec asks for, in the terms of schedulers that know nodes, cores and GPUs only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from bourn.model.count import count_min

if TYPE_CHECKING:
    from collections.abc import Mapping


@attrs.frozen
class TaskGroup:
    """The tasks of one entry of a jobspec: `per_slot` of them in each slot `label`, or `total` in all."""

    label: str
    per_slot: int
    total: int


@attrs.frozen
class Counts:
    """The size of a job; ranges count with their minimum.

    `nnodes` is None when the jobspec leaves the number of nodes open. `ncores` is 0 for whole nodes whose
    cores aren't named. `exclusive`: its nodes are not shared. `duration` is in seconds, 0 unlimited.
    """

    nnodes: int | None
    nslots: int
    ncores: int
    ngpus: int
    ntasks: int
    cores_per_slot: int
    gpus_per_slot: int
    exclusive: bool
    duration: float
    nodes_per_slot: int = 0
    """Nodes that lie inside each slot (`slot > node`), 0 when slots lie in nodes or nodes aren't named."""
    complex: str = ""
    """Empty for slot > core, node > slot > core and slot > node (> core), each with an optional gpu and
    fixed counts; else what a scheduler without a resource graph can't do, as `resource type 'rack'`."""
    groups: tuple[TaskGroup, ...] = ()
    """The tasks by entry, where there are several entries or several kinds of slots."""


def jobspec_counts(obj: Mapping[str, Any]) -> Counts:
    """Return the size of a jobspec that `check_jobspec` accepts."""
    walk = _Walk()
    for vertex in obj["resources"]:
        walk.visit(vertex, 1, None, False)
    if len(obj["resources"]) > 1 and not walk.complex:
        walk.complex = "more than one resource at the top"
    system = (obj["attributes"] or {}).get("system") or {}
    tasks = obj["tasks"]
    if len(tasks) > 1 and not walk.complex:
        walk.complex = "more than one task"
    slots = walk.slots
    ntasks = sum(_ntasks(task, slots) for task in tasks)
    option = ((system.get("shell") or {}).get("options") or {}).get("per-resource")
    if isinstance(option, dict):
        ntasks = _per_resource_tasks(option, walk) or ntasks
    nslots = sum(slot.count for slot in slots.values())
    first = next(iter(slots.values())) if slots else _Slot(0)
    return Counts(
        nnodes=walk.total.get("node"),
        nslots=nslots,
        ncores=walk.total.get("core", 0),
        ngpus=walk.total.get("gpu", 0),
        ntasks=ntasks,
        cores_per_slot=first.inside.get("core", 0),
        gpus_per_slot=first.inside.get("gpu", 0),
        exclusive=walk.exclusive,
        duration=system.get("duration") or 0.0,
        nodes_per_slot=first.inside.get("node", 0),
        complex=walk.complex,
        groups=tuple(_group(task, slots) for task in tasks) if len(tasks) > 1 or len(slots) > 1 else (),
    )


@attrs.define
class _Slot:
    count: int
    inside: dict[str, int] = attrs.field(factory=dict)


class _Walk:
    """Sums up the tree; `slots` by label in order of appearance."""

    def __init__(self) -> None:
        self.total: dict[str, int] = {}
        self.slots: dict[str, _Slot] = {}
        self.exclusive = False
        self.complex = ""

    def visit(self, vertex: Mapping[str, Any], above: int, slot: _Slot | None, in_node: bool) -> None:
        kind = vertex["type"]
        count = vertex["count"]
        if type(count) is not int:
            self.complex = self.complex or f"{kind} count {count!r}"
            count = count_min(count)
        count *= above
        if kind == "slot":
            if self.slots:
                self.complex = self.complex or "more than one slot"
            # Inside the slot, products start anew at one slot; the whole is that times the slots.
            slot = self.slots[vertex["label"]] = _Slot(count)
        elif kind not in ("node", "core", "gpu"):
            self.complex = self.complex or f"resource type '{kind}'"
        elif kind != "node" and slot is None:
            self.complex = self.complex or f"{kind} outside a slot"
        elif kind == "node" and in_node:
            self.complex = self.complex or "node inside a node"
        if kind != "slot":
            self.total[kind] = self.total.get(kind, 0) + count
            if slot is not None:
                slot.inside[kind] = slot.inside.get(kind, 0) + count // slot.count
        if kind == "node":
            in_node = True
            # Slots take what lies in them exclusively unless the vertex says otherwise (RFC 14).
            self.exclusive |= vertex.get("exclusive", slot is not None)
        for child in vertex.get("with") or ():
            self.visit(child, count, slot, in_node)


def _group(task: Mapping[str, Any], slots: dict[str, _Slot]) -> TaskGroup:
    ((key, value),) = task["count"].items()
    if key == "per_resource":
        value = value["count"] * slots[task["slot"]].inside.get(value["type"], 0)
    return TaskGroup(task["slot"], 0 if key == "total" else int(value), int(value) if key == "total" else 0)


def _ntasks(task: Mapping[str, Any], slots: dict[str, _Slot]) -> int:
    ((key, value),) = task["count"].items()
    if key == "total":
        return int(value)
    slot = slots[task["slot"]]
    if key == "per_slot":
        return int(value) * slot.count
    return int(value["count"]) * slot.count * slot.inside.get(value["type"], 0)


def _per_resource_tasks(option: dict[str, Any], walk: _Walk) -> int:
    """Tasks by the shell option per-resource; 0 when it depends on the nodes that the job will get."""
    count = option.get("count", 1)
    if type(count) is not int:
        return 0
    kind = option.get("type")
    if kind == "core" and walk.exclusive:
        return 0
    return count * walk.total.get(kind, 0) if kind in ("node", "core") else 0
