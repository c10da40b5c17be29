"""Registers the stock readers of graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.hookspecs import hookimpl
from bourn.hookspecs.resource_io import ResourceReader

if TYPE_CHECKING:
    from collections.abc import Iterator


@hookimpl
def bourn_resource_readers() -> Iterator[ResourceReader]:
    """The formats of ``resource-query -f``, and TOML."""
    from bourn_plugins.graph_readers import grug, hwloc, jgf, live, rv1, toml

    yield ResourceReader("grug", grug.read_grug, suffixes=(".graphml",))
    yield ResourceReader("jgf", jgf.read_jgf, ranked=True)
    yield ResourceReader("jgf_shorthand", jgf.read_jgf, ranked=True)
    yield ResourceReader("rv1exec", rv1.read_rv1, ranked=True)
    yield ResourceReader("rv1", rv1.read_rv1_full, ranked=True)
    yield ResourceReader("hwloc", hwloc.read_hwloc, suffixes=(".xml",))
    yield ResourceReader("hwloc-live", live.read_live, live=True)
    yield ResourceReader("toml-graph", toml.read_toml, suffixes=(".toml",))
