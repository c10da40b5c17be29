"""Ingest: checks what users submit, gives out job ids, and hands the jobs to the job manager."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.hookspecs import hookimpl
from bourn.hookspecs.modules import ModuleSpec

if TYPE_CHECKING:
    from collections.abc import Iterable


@hookimpl
def bourn_modules() -> Iterable[ModuleSpec]:
    """Register the module `job-ingest`."""
    yield ModuleSpec(
        "job-ingest",
        "bourn_plugins.job_ingest.module:JobIngest",
        ranks="0",
        requires=("store", "job-manager"),
        after=("sched", "feasibility"),
    )
