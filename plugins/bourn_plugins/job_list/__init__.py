"""The query service for jobs: lists, filters, statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.hookspecs import hookimpl
from bourn.hookspecs.modules import ModuleSpec

if TYPE_CHECKING:
    from collections.abc import Iterable


@hookimpl
def bourn_modules() -> Iterable[ModuleSpec]:
    """Register the module `job-list`."""
    yield ModuleSpec(
        "job-list",
        "bourn_plugins.job_list.module:JobListModule",
        ranks="0",
        requires=("store",),
        after=("job-manager",),
    )
