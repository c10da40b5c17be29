"""The commands of `bourn resource-query` about the graph: find, attach, remove, properties, status."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.errors import BournError
from bourn.model.idset import IdSet
from bourn_plugins.sched_graph.query import changes
from bourn_plugins.sched_graph.query.find import find
from bourn_plugins.sched_graph.query.session import RULE, complain, read_file

if TYPE_CHECKING:
    from bourn_plugins.sched_graph.query.session import Session
    from bourn_plugins.sched_graph.resources.graph import Vertex


def find_vertices(session: Session, words: list[str]) -> None:
    """Print the vertices that meet criteria."""
    criteria = " ".join(words)
    try:
        found = find(session.traverser, criteria)
        if not found and session.writer.name in ("rlite", "rv1", "rv1_nosched", "rv1_shorthand"):
            raise BournError("find writer emit: nothing was found")
        session.write(found)
    except BournError as error:
        complain(f"find: ERROR: {error.message}")
        return
    session.say(RULE, f'INFO: EXPRESSION="{criteria}"', RULE)


def attach(session: Session, words: list[str]) -> None:
    """Add a subgraph."""
    content = read_file(words[0])
    try:
        changes.attach(session.traverser, content)
    except BournError as error:
        complain("ERROR: can't attach JGF subgraph ")
        complain(f"ERROR: {words[0]}: {error.message}")


def remove(session: Session, words: list[str]) -> None:
    """Remove a subgraph, by path or by ranks."""
    where, is_path = words
    if is_path not in ("true", "false"):
        raise BournError("invalid path boolean input ")
    traverser = session.traverser
    try:
        if is_path == "true":
            vertices = traverser.graph.by_path(where)[-1:]
        else:
            vertices = changes.rank_roots(traverser.graph, IdSet(where))
        if not vertices:
            raise BournError(f"there is no {where} in the graph")
        changes.remove(traverser, vertices, release=is_path == "false")
    except BournError as error:
        complain("ERROR: can't remove subgraph ")
        complain(f"ERROR: {error.message}")


def set_property(session: Session, words: list[str]) -> None:
    """Set a property of the vertices of a path."""
    path, setting = words
    key, _, value = setting.partition("=")
    if not key or not value:
        session.say("Incorrect input format. ", "Please use `set-property <resource> PROPERTY=VALUE`.")
        return
    for vertex in _vertices(session, path, "Couldn't"):
        vertex.properties = {**(vertex.properties or {}), key: value}


def get_property(session: Session, words: list[str]) -> None:
    """Print the properties of the vertices of a path."""
    for vertex in _vertices(session, words[0]):
        if vertex.properties:
            session.say(*(f"{key}={value}" for key, value in sorted(vertex.properties.items())))
        else:
            session.say(f"No properties were found for {words[0]} (vtx's uniq_id={vertex.uniq_id}).")


def set_status(session: Session, words: list[str]) -> None:
    """Set the vertices of a path up or down."""
    path, status = words
    vertices = _vertices(session, path)
    if vertices:
        if status not in ("up", "down"):
            raise BournError("unrecognized status")
        session.traverser.mark(vertices, status == "up")


def get_status(session: Session, words: list[str]) -> None:
    """Print the status of the vertices of a path."""
    vertices = _vertices(session, words[0])
    session.say(*(f"{words[0]} is {'up' if vertex.up else 'down'}" for vertex in vertices))


def _vertices(session: Session, path: str, cannot: str = "Could not") -> list[Vertex]:
    """Return the vertices of a path, and say it where there are none."""
    vertices = session.traverser.graph.by_path(path)
    if not vertices:
        session.say(f"{cannot} find path {path} in resource graph.")
    return vertices
