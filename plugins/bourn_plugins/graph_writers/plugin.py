"""Registers the stock writers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.hookspecs import hookimpl
from bourn.hookspecs.resource_io import ResourceWriter

if TYPE_CHECKING:
    from collections.abc import Iterator


@hookimpl
def bourn_resource_writers() -> Iterator[ResourceWriter]:
    """The formats of ``resource-query -F``, DOT and SVG."""
    from bourn_plugins.graph_writers import dot, jgf, rset, text

    yield ResourceWriter("simple", text.write_simple)
    yield ResourceWriter("pretty_simple", text.write_pretty)
    yield ResourceWriter("jgf", jgf.write_jgf)
    yield ResourceWriter("jgf_shorthand", jgf.write_jgf_shorthand)
    yield ResourceWriter("rlite", rset.write_rlite)
    yield ResourceWriter("rv1", rset.write_rv1)
    yield ResourceWriter("rv1_nosched", rset.write_rv1_nosched)
    yield ResourceWriter("rv1_shorthand", rset.write_rv1_shorthand)
    yield ResourceWriter("dot", dot.write_dot)
    yield ResourceWriter("svg", dot.write_svg)
