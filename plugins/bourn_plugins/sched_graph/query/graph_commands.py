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


def find_vertices(session: Session, words: list[str]) -> bool:
    """Print the vertices that meet criteria."""
    if len(words) < 2:
        complain("ERROR: malformed command: ")
        return True
    criteria = " ".join(words[1:])
    try:
        found = find(session.traverser, criteria)
        if not found and session.writer.name in ("rlite", "rv1", "rv1_nosched", "rv1_shorthand"):
            raise BournError("find writer emit: nothing was found")
        session.write(found)
    except BournError as error:
        complain(f"find: ERROR: {error.message}")
        return True
    session.say(RULE, f'INFO: EXPRESSION="{criteria}"', RULE)
    return True


def attach(session: Session, words: list[str]) -> bool:
    """Add a subgraph."""
    if len(words) != 2:
        complain("ERROR: malformed command")
        return True
    content = read_file(words[1])
    if content is not None:
        try:
            changes.attach(session.traverser, content)
        except BournError as error:
            complain("ERROR: can't attach JGF subgraph ")
            complain(f"ERROR: {words[1]}: {error.message}")
    return True


def remove(session: Session, words: list[str]) -> bool:
    """Remove a subgraph, by path or by ranks."""
    if len(words) != 3:
        complain("ERROR: malformed command")
        return True
    if words[2] not in ("true", "false"):
        complain("ERROR: invalid path boolean input ")
        return True
    traverser = session.traverser
    try:
        if words[2] == "true":
            vertices = traverser.graph.by_path(words[1])[-1:]
        else:
            vertices = changes.rank_roots(traverser.graph, IdSet(words[1]))
        if not vertices:
            raise BournError(f"there is no {words[1]} in the graph")
        changes.remove(traverser, vertices, release=words[2] == "false")
    except BournError as error:
        complain("ERROR: can't remove subgraph ")
        complain(f"ERROR: {error.message}")
    return True


def set_property(session: Session, words: list[str]) -> bool:
    """Set a property of the vertices of a path."""
    if len(words) != 3:
        complain("ERROR: malformed command")
        return True
    key, equals, value = words[2].partition("=")
    if not key or not equals or not value:
        session.say("Incorrect input format. ", "Please use `set-property <resource> PROPERTY=VALUE`.")
        return True
    vertices = session.traverser.graph.by_path(words[1])
    if not vertices:
        session.say(f"Couldn't find path {words[1]} in resource graph.")
    for vertex in vertices:
        vertex.properties = {**(vertex.properties or {}), key: value}
    return True


def get_property(session: Session, words: list[str]) -> bool:
    """Print the properties of the vertices of a path."""
    if len(words) != 2:
        complain("ERROR: malformed command")
        return True
    vertices = session.traverser.graph.by_path(words[1])
    if not vertices:
        session.say(f"Could not find path {words[1]} in resource graph.")
    for vertex in vertices:
        if vertex.properties:
            session.say(*(f"{key}={value}" for key, value in sorted(vertex.properties.items())))
        else:
            session.say(f"No properties were found for {words[1]} (vtx's uniq_id={vertex.uniq_id}).")
    return True


def set_status(session: Session, words: list[str]) -> bool:
    """Set the vertices of a path up or down."""
    if len(words) != 3:
        complain("ERROR: malformed command")
        return True
    vertices = session.traverser.graph.by_path(words[1])
    if not vertices:
        session.say(f"Could not find path {words[1]} in resource graph.")
    elif words[2] not in ("up", "down"):
        complain("ERROR: unrecognized status")
    else:
        session.traverser.mark(vertices, words[2] == "up")
    return True


def get_status(session: Session, words: list[str]) -> bool:
    """Print the status of the vertices of a path."""
    if len(words) != 2:
        complain("ERROR: malformed command")
        return True
    vertices = session.traverser.graph.by_path(words[1])
    if not vertices:
        session.say(f"Could not find path {words[1]} in resource graph.")
    session.say(*(f"{words[1]} is {'up' if vertex.up else 'down'}" for vertex in vertices))
    return True
