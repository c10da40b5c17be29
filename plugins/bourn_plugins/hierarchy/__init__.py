"""A tree of child instances to which the root hands the jobs that are submitted to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.hookspecs import hookimpl
from bourn.hookspecs.modules import ModuleSpec
from bourn_plugins.hierarchy.table import HierarchyTable

if TYPE_CHECKING:
    from collections.abc import Iterable


@hookimpl
def bourn_modules() -> Iterable[ModuleSpec]:
    """Register the module `hierarchy`."""
    yield ModuleSpec(
        "hierarchy",
        "bourn_plugins.hierarchy.module:Hierarchy",
        ranks="0",
        requires=("job-manager", "store"),
        after=("resource",),
        config=HierarchyTable,
    )
