"""The resources of a simulation: from a short text, or from a file in any format that a reader knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import Factory, define, frozen

from bourn.errors import BournError, suggest
from bourn.model.hostlist import Hostlist
from bourn.model.idset import mask_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bourn.hookspecs.resource_io import ResourceReader

_WORDS = ("nodes", "cores", "gpus")


@frozen
class Machine:
    """What there is to give."""

    R: dict[str, Any]
    """RFC 20."""
    capacity: dict[str, int]
    """Units of each type of resource in all."""
    cores: dict[int, int]
    """The mask of core ids of each rank."""
    names: dict[int, str]
    """The host name of each rank."""
    graph: tuple[str, str] | None = None
    """File and format of the graph, where R doesn't say all."""

    @property
    def cores_per_node(self) -> int:
        """Cores of the largest node."""
        return max((mask.bit_count() for mask in self.cores.values()), default=0)


def machine_of_text(text: str) -> Machine:
    """Return the machine of ``nodes=4,cores=36,gpus=4``: equal nodes, cores and GPUs of each."""
    sizes = {"nodes": 0, "cores": 1, "gpus": 0}
    for part in text.split(","):
        key, equals, value = part.partition("=")
        if key not in _WORDS:
            raise BournError(f"--resources {text}: unknown word '{key}'{suggest(key, _WORDS)}")
        if not equals or not value.isdecimal() or len(value) > 9:
            raise BournError(f"--resources {text}: {key} must be a number, not '{value}'")
        sizes[key] = int(value)
    if not sizes["nodes"] or not sizes["cores"]:
        raise BournError(f"--resources {text}: there must be nodes with cores, as nodes=4,cores=36")
    nodes, children = sizes["nodes"], {"core": f"0-{sizes['cores'] - 1}"}
    if sizes["gpus"]:
        children["gpu"] = f"0-{sizes['gpus'] - 1}"
    lite = [{"rank": f"0-{nodes - 1}", "children": children}]
    execution = {"R_lite": lite, "nodelist": [f"node[0-{nodes - 1}]"], "starttime": 0.0, "expiration": 0.0}
    return machine_of_R({"version": 1, "execution": execution})


def machine_of_R(R: dict[str, Any]) -> Machine:
    """Return the machine that an R describes."""
    from bourn.model.rset import ResourceSet

    found = ResourceSet.from_dict(R)
    cores = {rank: found.cores(rank).mask for rank in found.ranks}
    names = {rank: found.hostname(rank) for rank in found.ranks}
    capacity = {"node": len(names), "core": found.ncores, "gpu": found.ngpus}
    return Machine(R, {type: count for type, count in capacity.items() if count}, cores, names)


def machine_of_file(path: str, format: str, readers: Mapping[str, ResourceReader]) -> Machine:
    """Read a description; an empty `format` goes by the file's suffix. BournError names the file."""
    if format and format not in readers:
        raise BournError(f"unknown resource format '{format}'{suggest(format, readers)}")
    reader = readers[format] if format else _by_suffix(path, readers)
    try:
        with open(path, "rb") as stream:
            content = stream.read()
    except OSError as error:
        raise BournError(f"{path}: {error.strerror}") from None
    inventory = Inventory()
    try:
        found = reader.read(content, {})
        if found.build is None:
            return machine_of_R(found.R or {})
        found.build(inventory)
        return inventory.machine((path, reader.name))
    except BournError as error:
        raise BournError(f"{path}: {error.message}") from None


def _by_suffix(path: str, readers: Mapping[str, ResourceReader]) -> ResourceReader:
    for reader in readers.values():
        if path.endswith(reader.suffixes):
            return reader
    known = sorted({suffix for reader in readers.values() for suffix in reader.suffixes})
    raise BournError(
        f"{path}: the suffix says no format, name it with --resources-format; suffixes are {', '.join(known)}"
    )


@define
class _Node:
    rank: int
    name: str
    properties: dict[str, str]
    masks: dict[str, int] = Factory(dict)


_DOWN = _Node(-1, "", {})
"""Stands for the node of all that is down, or in something that is."""


class Inventory:
    """A `bourn.hookspecs.resource_io.GraphBuilder` that only counts: capacity, and R."""

    def __init__(self) -> None:
        self.capacity: dict[str, int] = {}
        self._node_of: list[_Node | None] = []
        """The node that each vertex is in, or is."""

    def vertex(
        self,
        type: str,
        parent: int | None = None,
        *,
        basename: str = "",
        id: int = -1,
        name: str = "",
        rank: int = -1,
        size: int = 1,
        unit: str = "",
        properties: Mapping[str, str] | None = None,
        status: str = "up",
        subsystem: str = "containment",
        uniq_id: int | None = None,
        paths: Mapping[str, str] | None = None,
    ) -> int:
        """Count a vertex; one that is down has no part in what can be used."""
        node = None if parent is None else self._node_of[parent]
        if status != "up":
            node = _DOWN
        if subsystem == "containment" and node is not _DOWN:
            self.capacity[type] = self.capacity.get(type, 0) + size
            if type == "node":
                label = name or f"{basename or type}{id if id >= 0 else ''}"
                node = _Node(rank, label, dict(properties or {}))
            elif node is not None and id >= 0:
                node.masks[type] = node.masks.get(type, 0) | 1 << id
        self._node_of.append(node)
        return len(self._node_of) - 1

    def leaves(
        self,
        parents: Iterable[int],
        type: str,
        basename: str,
        size: int,
        unit: str,
        ids: Iterable[int],
        *,
        ranked: bool = False,
    ) -> list[int]:
        """Count many at once."""
        first, node_of, counted = len(self._node_of), self._node_of, 0
        for parent, id in zip(parents, ids, strict=True):
            node = node_of[parent]
            counted += node is not _DOWN
            if node is not None:
                node.masks[type] = node.masks.get(type, 0) | 1 << id
            node_of.append(node)
        self.capacity[type] = self.capacity.get(type, 0) + counted * size
        return list(range(first, len(node_of)))

    def edge(
        self, source: int, target: int, subsystem: str = "containment", relation: str = "contains"
    ) -> None:
        """Take note of who contains whom, where vertices came without parents."""
        if subsystem == "containment" and self._node_of[target] is None:
            self._node_of[target] = self._node_of[source]

    def machine(self, graph: tuple[str, str]) -> Machine:
        """Return what was counted."""
        nodes = {id(node): node for node in self._node_of if node is not None and node.rank >= 0}
        ordered = sorted(nodes.values(), key=lambda node: node.rank)
        if not ordered:
            raise BournError("there is no node with a rank in the graph, which a scheduler of jobs needs")
        groups: dict[tuple[tuple[str, str], ...], int] = {}
        properties: dict[str, int] = {}
        for node in ordered:
            key = tuple((type, mask_text(node.masks[type])) for type in ("core", "gpu") if type in node.masks)
            groups[key] = groups.get(key, 0) | 1 << node.rank
            for name, value in node.properties.items():
                text = f"{name}={value}" if value else name
                properties[text] = properties.get(text, 0) | 1 << node.rank
        execution: dict[str, Any] = {
            "R_lite": [{"rank": mask_text(ranks), "children": dict(key)} for key, ranks in groups.items()],
            "nodelist": [str(Hostlist([node.name for node in ordered]))],
            "starttime": 0.0,
            "expiration": 0.0,
        }
        if properties:
            execution["properties"] = {name: mask_text(mask) for name, mask in sorted(properties.items())}
        cores = {node.rank: node.masks.get("core", 0) for node in ordered}
        names = {node.rank: node.name for node in ordered}
        return Machine({"version": 1, "execution": execution}, dict(self.capacity), cores, names, graph)
