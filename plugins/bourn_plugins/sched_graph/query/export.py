"""The whole graph as a file for other programs: `bourn resource-query -o`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn_plugins.sched_graph.resources.graph import CONTAINMENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from bourn_plugins.sched_graph.resources.graph import ResourceGraph


def write_dot(graph: ResourceGraph, file: str) -> None:
    """Write what Graphviz draws; relations other than containment are dashed, and named."""
    digraph = graph.digraph()
    lines = ["digraph resources {", "  node [shape=box];"]
    lines += [f"  v{index} [label={_quoted(digraph[index].name)}];" for index in digraph.node_indices()]
    for source, target, subsystem in digraph.weighted_edge_list():
        style = "" if subsystem == CONTAINMENT else f" [style=dashed, label={_quoted(subsystem)}]"
        lines.append(f"  v{source} -> v{target}{style};")
    with open(file, "w", encoding="utf-8") as stream:
        stream.write("\n".join([*lines, "}", ""]))


def write_graphml(graph: ResourceGraph, file: str) -> None:
    """Write GraphML: names and types of vertices, subsystems of edges. It is no recipe."""
    import rustworkx

    digraph = graph.digraph()
    named: Any = rustworkx.PyDiGraph()
    places = {
        index: named.add_node({"name": digraph[index].name, "type": digraph[index].type})
        for index in digraph.node_indices()
    }
    for source, target, subsystem in digraph.weighted_edge_list():
        named.add_edge(places[source], places[target], {"subsystem": subsystem})
    # The other program would say only that something went wrong.
    with open(file, "w", encoding="utf-8"):
        pass
    rustworkx.write_graphml(named, file)


FORMATS: dict[str, Callable[[ResourceGraph, str], None]] = {"dot": write_dot, "graphml": write_graphml}


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
