"""Conformance checks for resource readers and writers, and a graph builder that keeps what it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import Factory, define

from bourn.errors import BournError
from bourn.hookspecs.resource_io import Resources, SelectedVertex, Selection
from bourn.model.rset import ResourceSet
from bourn.testing.ensure import ensure, ensure_name, ensure_reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bourn.hookspecs.resource_io import ResourceReader, ResourceWriter

__all__ = ["RecordingBuilder", "check_reader", "check_writer", "selection"]


@define
class RecordingBuilder:
    """A `GraphBuilder` that keeps vertices and edges, and refuses what doesn't hang together."""

    vertices: list[dict[str, Any]] = Factory(list)
    edges: list[tuple[int, int, str, str]] = Factory(list)

    def vertex(self, type: str, parent: int | None = None, **fields: Any) -> int:
        """Keep a vertex; its parent must be there."""
        ensure(isinstance(type, str) and type, f"reader: a vertex has type {type!r}")
        ensure(
            parent is None or 0 <= parent < len(self.vertices),
            f"reader: {type} has an unknown parent {parent}",
        )
        ensure(fields.get("size", 1) >= 0, f"reader: {type} has size {fields.get('size')}")
        ensure(
            fields.get("status", "up") in ("up", "down"),
            f"reader: {type} has status {fields.get('status')!r}",
        )
        self.vertices.append({"type": type, "parent": parent, **fields})
        return len(self.vertices) - 1

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
        """Keep a vertex per parent and id."""
        return [
            self.vertex(type, parent, basename=basename, size=size, unit=unit, id=id)
            for parent, id in zip(parents, ids, strict=True)
        ]

    def edge(
        self, source: int, target: int, subsystem: str = "containment", relation: str = "contains"
    ) -> None:
        """Keep an edge; both ends must be there."""
        for end in (source, target):
            ensure(0 <= end < len(self.vertices), f"reader: an edge in {subsystem} has an unknown end {end}")
        self.edges.append((source, target, subsystem, relation))


def check_reader(
    reader: ResourceReader, document: bytes, options: Mapping[str, Any] | None = None
) -> RecordingBuilder:
    """Read a document twice, and then rubbish; return the graph if it gives one.

    R must be valid, the graph must hang together and have a vertex at least, and both must be the same again.
    Rubbish must be refused with a `BournError`, by a reader of documents.
    """
    what = ensure_name(reader, "resource reader")
    ensure(
        all(s.startswith(".") for s in reader.suffixes),
        f"{what}: suffixes begin with a dot: {reader.suffixes}",
    )
    builders = []
    for _ in range(2):
        found = reader.read(document, options or {})
        ensure(isinstance(found, Resources), f"{what}: must return Resources, not {found!r}")
        ensure(found.R is not None or found.build is not None, f"{what}: found neither R nor a graph")
        if found.R is not None:
            ensure(ResourceSet.from_dict(found.R).ncores >= 0, f"{what}: its R is wrong")
        builder = RecordingBuilder()
        if found.build is not None:
            found.build(builder)
            ensure(builder.vertices, f"{what}: the graph has no vertex")
        builders.append(builder)
    ensure(builders[0] == builders[1], f"{what}: read twice, one document gave two graphs")
    if not reader.live:
        _refuses_rubbish(reader, what, options or {})
    return builders[0]


def _refuses_rubbish(reader: ResourceReader, what: str, options: Mapping[str, Any]) -> None:
    rubbish = b"\xff\xfe\x00rubbish"
    try:
        found = reader.read(rubbish, options)
        if found.build is not None:
            found.build(RecordingBuilder())
    except BournError as error:
        ensure_reason(error.message, f"{what}: refusing rubbish")
    except Exception as error:
        raise AssertionError(f"{what}: rubbish raises {error!r}, not a BournError that says where") from error
    else:
        raise AssertionError(f"{what}: takes {rubbish!r} for resources")


def selection() -> Selection:
    """Return what a match of two cores on node 3 gives."""
    path = {"containment": "/cluster0"}
    vertices = [
        SelectedVertex(
            "core", "core", f"core{i}", i, 2 + i, 0, 1, "", True, _under(path, "node3", f"core{i}"), 2, 2
        )
        for i in range(2)
    ]
    vertices.append(
        SelectedVertex("node", "node", "node3", 3, 1, 0, 1, "", False, _under(path, "node3"), 1, 3)
    )
    vertices.append(SelectedVertex("cluster", "cluster", "cluster0", 0, 0, -1, 1, "", False, path, 0, -1))
    return Selection(vertices, 0, 3600)


def check_writer(writer: ResourceWriter, selected: Selection | None = None) -> str:
    """Write a selection twice: a text that ends with a newline, the same again, the selection as it was."""
    what = ensure_name(writer, "resource writer")
    selected = selected or selection()
    text = writer.write(selected)
    ensure(isinstance(text, str) and text.strip(), f"{what}: must return a text, not {text!r}")
    ensure(text.endswith("\n"), f"{what}: its text must end with a newline")
    ensure(text == writer.write(selected), f"{what}: writes one selection in two ways")
    return text


def _under(above: Mapping[str, str], *names: str) -> dict[str, str]:
    return {"containment": "/".join((above["containment"], *names))}
