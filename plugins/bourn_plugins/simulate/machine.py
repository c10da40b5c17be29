"""The resources of a simulation: from a short text, or from a file in any format that a reader knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from bourn.errors import BournError, suggest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bourn.hookspecs.resource_io import ResourceReader
    from bourn_plugins.sched_graph.resources.graph import ResourceGraph, Vertex

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
    try:
        from bourn_plugins.sched_graph.resources.nodes import HWLOC_TYPES

        found = reader.read(content, {"allowlist": HWLOC_TYPES})
        if found.build is None:
            return machine_of_R(found.R or {})
        from bourn_plugins.sched_graph.resources.graph import ResourceGraph

        graph = ResourceGraph()
        found.build(graph)
        return machine_of_graph(graph, (path, reader.name))
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


def machine_of_graph(graph: ResourceGraph, source: tuple[str, str]) -> Machine:
    """Return the machine that a graph amounts to: what is up in it; `source` is its file and format."""
    from bourn_plugins.sched_graph.resources.nodes import rset_of_nodes

    capacity: dict[str, int] = {}
    nodes: list[Vertex] = []
    stack = [root for name, root in graph.roots.items() if name == "containment"]
    while stack:
        vertex = stack.pop()
        if not vertex.up:
            continue
        capacity[vertex.type] = capacity.get(vertex.type, 0) + vertex.size
        if vertex.type == "node":
            nodes.append(vertex)
        stack.extend(vertex.kids)
    if not nodes:
        raise BournError("there is no node in the graph, which a scheduler of jobs needs")
    if all(node.rank < 0 for node in nodes):
        # As hwloc describes them: they are numbered here, and the scheduler knows them by their names.
        for rank, node in enumerate(sorted(nodes, key=lambda node: node.index)):
            node.rank = rank
    nodes = [node for node in nodes if node.rank >= 0]
    found = machine_of_R(rset_of_nodes(graph, nodes, up=True).to_dict())
    return Machine(found.R, capacity, found.cores, found.names, source)
