"""Which tasks of a job go to which node: block by block, as many as each node has slots. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bourn.errors import BournError
from bourn.model.idset import mask_text, parse_mask

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bourn.model.counts import Counts


class NodeShare(NamedTuple):
    """A node's part of a job."""

    rank: int
    """The broker's rank."""
    ntasks: int
    first: int
    """Rank of the first of its tasks."""
    cores: str
    """Logical ids, as an idset."""
    gpus: str
    groups: tuple[int, ...] = ()
    """How many of its tasks belong to each entry of the jobspec's tasks, where there are several."""


def split_job(
    R: Mapping[str, Any], counts: Counts, per_resource: Mapping[str, Any] | None = None
) -> list[NodeShare]:
    """Return the share of each node that has tasks, in the order of R; BournError if R holds no node.

    `per_resource` is the shell option of that name, {type: node | core, count}: tasks for each of what
    the job was given.
    """
    entries = R["execution"]["R_lite"]
    grouped = counts.groups and per_resource is None
    if per_resource is None and not grouped and len(entries) == 1 and entries[0]["rank"].isdigit():
        # One node, the usual case: all tasks go there.
        children = entries[0]["children"]
        rank = int(entries[0]["rank"])
        return [NodeShare(rank, counts.ntasks, 0, children.get("core", ""), children.get("gpu", ""))]
    nodes = [
        (rank, entry["children"].get("core", ""), entry["children"].get("gpu", ""))
        for entry in entries
        for rank in _ids(entry["rank"])
    ]
    if not nodes:
        raise BournError("the job's resource set holds no node")
    nodes.sort()
    shares: list[NodeShare] = []
    first = 0
    if grouped:
        for (rank, cores, gpus), groups in zip(nodes, _grouped(nodes, counts, R), strict=True):
            shares.append(NodeShare(rank, sum(groups), first, cores, gpus, groups))
            first += sum(groups)
        return shares
    tasks = _tasks(nodes, counts) if per_resource is None else _per_resource(nodes, per_resource)
    for (rank, cores, gpus), ntasks in zip(nodes, tasks, strict=True):
        shares.append(NodeShare(rank, ntasks, first, cores, gpus))
        first += ntasks
    return shares


def block_map(shares: list[NodeShare]) -> str:
    """Return the task map (RFC 34) of shares, as JSON."""
    from bourn.model.taskmap import TaskMap

    return str(TaskMap.from_nodes([node for node, share in enumerate(shares) for _ in range(share.ntasks)]))


def all_ranks(R: Mapping[str, Any]) -> str:
    """Return the ranks of R as an idset."""
    entries = R["execution"]["R_lite"]
    if len(entries) == 1:
        text: str = entries[0]["rank"]
        return text
    mask = 0
    for entry in entries:
        mask |= parse_mask(entry["rank"])
    return mask_text(mask)


def _tasks(nodes: list[tuple[int, str, str]], counts: Counts) -> list[int]:
    slots = _slots(nodes, counts)
    total = sum(slots)
    if counts.nslots and counts.ntasks % counts.nslots == 0 and total == counts.nslots:
        return [n * (counts.ntasks // counts.nslots) for n in slots]
    # A total that doesn't follow the slots: in proportion, what is left over to the first nodes.
    tasks = [counts.ntasks * n // total for n in slots]
    for i in range(counts.ntasks - sum(tasks)):
        tasks[i % len(tasks)] += 1
    return tasks


def _grouped(
    nodes: list[tuple[int, str, str]], counts: Counts, R: Mapping[str, Any]
) -> list[tuple[int, ...]]:
    """Return for each node how many tasks of each entry run there: where the slots of that entry are."""
    placed = ((R.get("attributes") or {}).get("system") or {}).get("slots")
    columns: list[list[int]] = []
    for group in counts.groups:
        if placed is not None:
            known = {rank: n for ranks, n in (placed.get(group.label) or {}).items() for rank in _ids(ranks)}
            slots = [known.get(rank, 0) for rank, _, _ in nodes]
        elif len({each.label for each in counts.groups}) == 1:
            slots = _slots(nodes, counts)
        else:
            slots = []
        if not sum(slots):
            raise BournError(f"the scheduler doesn't say which nodes have the slots '{group.label}'")
        columns.append([group.per_slot * n for n in slots] if group.per_slot else _shared(group.total, slots))
    return list(zip(*columns, strict=True))


def _shared(total: int, slots: list[int]) -> list[int]:
    """Share out tasks in proportion to slots; what is left over goes to the first that have any."""
    number = sum(slots)
    tasks = [total * n // number for n in slots]
    having = [i for i, n in enumerate(slots) if n]
    for i in range(total - sum(tasks)):
        tasks[having[i % len(having)]] += 1
    return tasks


def _per_resource(nodes: list[tuple[int, str, str]], option: Mapping[str, Any]) -> list[int]:
    kind, count = option.get("type"), option.get("count", 1)
    if kind not in ("node", "core") or type(count) is not int or count < 1:
        raise BournError(f"-o per-resource={dict(option)}: right is type=node or type=core, and count from 1")
    return [count * (parse_mask(cores).bit_count() if kind == "core" else 1) for _, cores, _ in nodes]


def _slots(nodes: list[tuple[int, str, str]], counts: Counts) -> list[int]:
    if counts.nnodes and not counts.nodes_per_slot:
        # Slots lie in nodes, the same number in each.
        each, left = divmod(counts.nslots, len(nodes))
        return [each + (i < left) for i in range(len(nodes))]
    room = []
    for _, cores, gpus in nodes:
        fits = [counts.nslots]
        if counts.cores_per_slot:
            fits.append(parse_mask(cores).bit_count() // counts.cores_per_slot)
        if counts.gpus_per_slot:
            fits.append(parse_mask(gpus).bit_count() // counts.gpus_per_slot)
        room.append(max(1, min(fits)))
    if sum(room) <= counts.nslots:
        return room
    # Whole nodes were given for fewer slots: each node in turn takes what it can hold.
    left, slots = counts.nslots, []
    for n in room:
        slots.append(min(n, left))
        left -= slots[-1]
    return slots


def _ids(text: str) -> list[int]:
    from bourn.model.idset import IdSet

    return list(IdSet(text))
