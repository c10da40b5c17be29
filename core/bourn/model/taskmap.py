"""Which task runs on which node: `[[nodeid, nnodes, ppn, repeat], ...]` (RFC 34)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bourn.errors import BournError
from bourn.model.idset import IdSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_TASKS = 1 << 24


class TaskMap:
    """An immutable map between task ranks and node ids; empty means unknown.

    Made from blocks, their JSON text, the wrapped form `{"version": 1, "map": ...}`, or the raw form
    `0-1;2-3` (one idset of task ranks a node).
    """

    __slots__ = ("_nodes", "blocks")

    def __init__(self, source: str | Sequence[Sequence[int]] | dict[str, Any] = ()) -> None:
        if isinstance(source, str):
            text = source.strip()
            if text[:1] not in ("[", "{") or ";" in text:
                source = raw_blocks(text)
            else:
                try:
                    source = json.loads(text)
                except ValueError:
                    source = raw_blocks(text)
        if isinstance(source, dict):
            if source.get("version") != 1 or not isinstance(source.get("map"), list):
                raise BournError(f'taskmap {source!r} must be {{"version": 1, "map": [...]}}')
            source = source["map"]
        blocks: list[tuple[int, int, int, int]] = []
        total = 0
        for block in source:
            if (
                not isinstance(block, list | tuple)
                or len(block) != 4
                or any(type(n) is not int or n < (i > 0) for i, n in enumerate(block))
            ):
                raise BournError(f"taskmap block {block!r} is not [nodeid, nnodes, ppn, repeat]")
            nodeid, nnodes, ppn, repeat = block
            total += nnodes * ppn * repeat
            blocks.append((nodeid, nnodes, ppn, repeat))
        if total > MAX_TASKS:
            raise BournError(f"taskmap has {total} tasks, more than {MAX_TASKS}")
        self.blocks = tuple(blocks)
        self._nodes: list[int] | None = None

    @classmethod
    def from_nodes(cls, nodes: Iterable[int]) -> TaskMap:
        """Make a map from the node id of each task, in the order of task ranks."""
        return cls(_compress(list(nodes)))

    @property
    def nodes(self) -> list[int]:
        """The node id of each task, in the order of task ranks; treat as immutable."""
        if self._nodes is None:
            self._nodes = [
                node
                for nodeid, nnodes, ppn, repeat in self.blocks
                for _ in range(repeat)
                for node in range(nodeid, nodeid + nnodes)
                for _ in range(ppn)
            ]
        return self._nodes

    @property
    def ntasks(self) -> int:
        """Number of tasks."""
        return sum(nnodes * ppn * repeat for _, nnodes, ppn, repeat in self.blocks)

    @property
    def nnodes(self) -> int:
        """Number of nodes: one more than the greatest node id."""
        return max((nodeid + nnodes for nodeid, nnodes, _, _ in self.blocks), default=0)

    def node(self, rank: int) -> int:
        """Return the node id of a task; BournError when there is no such task."""
        if not 0 <= rank < len(self.nodes):
            raise BournError(f"taskmap: no task {rank}; there are {len(self.nodes)}")
        return self.nodes[rank]

    def tasks(self, nodeid: int) -> IdSet:
        """Return the task ranks on a node."""
        return IdSet(rank for rank, node in enumerate(self.nodes) if node == nodeid)

    def ntasks_on(self, nodeid: int) -> int:
        """Return the number of tasks on a node."""
        return sum(ppn * repeat for first, n, ppn, repeat in self.blocks if first <= nodeid < first + n)

    def to_list(self) -> list[list[int]]:
        """Return the JSON form."""
        return [list(block) for block in self.blocks]

    def raw(self) -> str:
        """Return the raw form: the idset of tasks of each node, separated by semicolons."""
        masks = [0] * self.nnodes
        for rank, node in enumerate(self.nodes):
            masks[node] |= 1 << rank
        return ";".join(str(IdSet.from_mask(mask)) for mask in masks)

    def pmi(self) -> str:
        """Return the PMI-1 form `(vector,(0,4,4))` (RFC 13)."""
        inner = "".join(
            f",({nodeid},{nnodes},{ppn})"
            for nodeid, nnodes, ppn, repeat in self.blocks
            for _ in range(repeat)
        )
        return f"(vector{inner})"

    def __bool__(self) -> bool:
        return bool(self.blocks)

    def __len__(self) -> int:
        return self.ntasks

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TaskMap) and self.nodes == other.nodes

    def __hash__(self) -> int:
        return hash(tuple(self.nodes))

    def __str__(self) -> str:
        return json.dumps(self.to_list(), separators=(",", ":"))

    def __repr__(self) -> str:
        return f"TaskMap({str(self)!r})"


def raw_blocks(text: str) -> list[tuple[int, int, int, int]]:
    """Return the blocks of a raw task map."""
    if not text:
        return []
    node_of: dict[int, int] = {}
    for node, part in enumerate(text.split(";")):
        for rank in IdSet(part):
            if rank in node_of:
                raise BournError(f"taskmap '{text}': task {rank} is on two nodes")
            node_of[rank] = node
    if sorted(node_of) != list(range(len(node_of))):
        raise BournError(f"taskmap '{text}': task ranks must run from 0 without gaps")
    return _compress([node_of[rank] for rank in range(len(node_of))])


def _compress(nodes: list[int]) -> list[tuple[int, int, int, int]]:
    """Return the blocks of the node ids of tasks: equal neighbours, then consecutive nodes, then repeats."""
    runs: list[tuple[int, int]] = []
    for node in nodes:
        if runs and runs[-1][0] == node:
            runs[-1] = (node, runs[-1][1] + 1)
        else:
            runs.append((node, 1))
    blocks: list[tuple[int, int, int, int]] = []
    for node, ppn in runs:
        if blocks:
            first, nnodes, last_ppn, _ = blocks[-1]
            if last_ppn == ppn and first + nnodes == node:
                blocks[-1] = (first, nnodes + 1, ppn, 1)
                continue
        blocks.append((node, 1, ppn, 1))
    repeated: list[tuple[int, int, int, int]] = []
    for block in blocks:
        if repeated and repeated[-1][:3] == block[:3]:
            repeated[-1] = (*block[:3], repeated[-1][3] + 1)
        else:
            repeated.append(block)
    return repeated
