"""Resource readers and writers: from a description of resources to a graph or an R, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from attrs import Factory, define, frozen

from bourn.hookspecs import hookspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

__all__ = [
    "GraphBuilder",
    "ResourceReader",
    "ResourceWriter",
    "Resources",
    "SelectedVertex",
    "Selection",
    "bourn_resource_readers",
    "bourn_resource_writers",
]


class GraphBuilder(Protocol):
    """Takes vertices and edges from a reader. Parents come before their children."""

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
        """Add a contained vertex per (parent, id), in step and fast: the many cores of a big machine.

        With `ranked`, each has its parent's rank; otherwise none.
        """
        ...

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
        """Add a vertex under `parent` in a subsystem, and return its handle.

        `basename` is the type and `name` is basename and id, unless given; an `id` of -1 is none. `status`
        is "up" or "down". The first vertex without a parent is the root of its subsystem. `uniq_id` is the
        handle unless given. `paths` (subsystem -> path) is given where a document says them.
        """
        ...

    def edge(
        self, source: int, target: int, subsystem: str = "containment", relation: str = "contains"
    ) -> None:
        """Relate two vertices in a subsystem; a vertex is contained in one other at most."""
        ...


@frozen
class Resources:
    """What a reader found: an R, a graph, or both."""

    R: dict[str, Any] | None = None
    """RFC 20; all that a scheduler by node and core needs."""
    build: Callable[[GraphBuilder], None] | None = None
    """Adds the graph to a builder, when somebody wants one; None: the graph is what R says."""


@frozen
class ResourceReader:
    """Reads one format."""

    name: str
    """What ``[scheduler] load-format``, ``[resource] reader`` or ``resource-query -f`` names."""
    read: Callable[[bytes, Mapping[str, Any]], Resources]
    """``read(content, options)``; content is empty for readers that look at the machine itself. Raises
    `BournError` with the place in the document and what is wrong."""
    suffixes: tuple[str, ...] = ()
    """File name endings that suggest this format, as ``.json``."""
    live: bool = False
    """Whether it looks at the machine, not at a document."""
    ranked: bool = False
    """Whether the ranks of nodes are said in the document, as in R; otherwise nodes are just counted."""


@define(eq=False)
class SelectedVertex:
    """A vertex that a match selected."""

    type: str
    basename: str
    name: str
    id: int
    uniq_id: int
    rank: int
    size: int
    """How many of its units were selected."""
    unit: str
    exclusive: bool
    paths: Mapping[str, str]
    """Its place in each subsystem that it is in."""
    depth: int
    """Its distance from the root."""
    parent: int
    """Index of its parent in `Selection.vertices`, -1 for the root."""
    properties: Mapping[str, str] = Factory(dict)
    exclusive_above: bool = False
    """Whether its parent is exclusive too, so that it needn't be said."""
    extra: Mapping[str, Mapping[str, str]] = Factory(dict)
    """More to say about it, by key: the label that the request gave, ..."""

    @property
    def path(self) -> str:
        """Its place in the containment tree, or in the one subsystem that it is in."""
        return self.paths.get("containment") or next(iter(self.paths.values()), "")


@frozen
class Selection:
    """The result of a match: vertices with children before parents, siblings in the order of the graph."""

    vertices: Sequence[SelectedVertex]
    starttime: int = 0
    """Seconds on the clock of who asked."""
    expiration: int = 0
    subsystem: str = "containment"
    """The subsystem in which `parent` is meant."""
    attributes: Mapping[str, str] = Factory(dict)
    """What the scheduler says about the match, as its queue."""


@frozen
class ResourceWriter:
    """Writes one format."""

    name: str
    """What ``resource-query -F`` names."""
    write: Callable[[Selection], str]
    """Returns text that ends with a newline; an empty selection is never written."""


@hookspec
def bourn_resource_readers() -> Iterable[ResourceReader]:
    """Register formats in which resources can be described.

    Called: once, when resources are loaded.
    Process: broker (resource and scheduler modules), ``bourn resource-query``, the simulator.
    Order: picked by name, or by the file's suffix; of two with one suffix the first registered.
    Errors: an exception leaves this plugin's readers out. A reader that raises refuses the file, with its
    name.
    Since: 0.1

    Example::

        from bourn.errors import BournError
        from bourn.hookspecs import hookimpl
        from bourn.hookspecs.resource_io import ResourceReader, Resources


        def read_hosts(content, options):
            '''One host a line, each with as many cores as the option says.'''
            if not content.isascii():
                raise BournError("a list of hosts is ASCII text")
            hosts = content.decode().split()
            cores = f"0-{int(options.get('cores', 1)) - 1}"
            lite = [{"rank": f"0-{len(hosts) - 1}", "children": {"core": cores}}]
            return Resources(R={"version": 1, "execution": {"R_lite": lite, "nodelist": hosts}})


        @hookimpl
        def bourn_resource_readers():
            yield ResourceReader("hosts", read_hosts, suffixes=(".hosts",))
    """
    raise NotImplementedError


@hookspec
def bourn_resource_writers() -> Iterable[ResourceWriter]:
    """Register formats in which a match can be printed.

    Called: once, when a scheduler or ``bourn resource-query`` starts.
    Process: broker, ``bourn resource-query``, the simulator.
    Order: picked by name.
    Errors: an exception leaves this plugin's writers out. A writer that raises is named in the error.
    Since: 0.1

    Example::

        from bourn.hookspecs import hookimpl
        from bourn.hookspecs.resource_io import ResourceWriter


        def write_paths(selection):
            return "".join(f"{vertex.path}\\n" for vertex in selection.vertices)


        @hookimpl
        def bourn_resource_writers():
            yield ResourceWriter("paths", write_paths)
    """
    raise NotImplementedError
