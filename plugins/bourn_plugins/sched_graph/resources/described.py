"""The graph that the file of ``[resource] path`` describes: such a file need not be named twice."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bourn.errors import BournError
from bourn_plugins.sched_graph.resources import stock
from bourn_plugins.sched_graph.resources.graph import ResourceGraph

if TYPE_CHECKING:
    from collections.abc import Collection

    from bourn.config.tables import ResourceTable
    from bourn.plugins import PluginManager


def described_graph(
    table: ResourceTable, ranks: Collection[int], plugins: PluginManager
) -> ResourceGraph | None:
    """Return the graph of the instance's resources; None if no file describes one, or it isn't one of these
    `ranks`: an instance may have been given a part of what the file says.
    """
    if not table.path:
        return None
    reader = stock.reader(table.reader, plugins) if table.reader else stock.suffix_reader(table.path, plugins)
    if reader is None or reader.live:
        return None
    try:
        resources = reader.read(Path(table.path).read_bytes(), {})
    except (OSError, BournError):
        # It was readable when R was made of it; R is what counts.
        return None
    if resources.build is None:
        return None
    graph = ResourceGraph()
    resources.build(graph)
    return graph if sorted(node.rank for node in graph.nodes()) == sorted(ranks) else None
