"""A scheduler that knows nodes, cores and GPUs: small, quick, first come first served."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.hookspecs import hookimpl
from bourn.hookspecs.modules import ModuleSpec
from bourn_plugins.sched_simple.config import SimpleTable

if TYPE_CHECKING:
    from collections.abc import Iterable


@hookimpl
def bourn_modules() -> Iterable[ModuleSpec]:
    """Register the module `sched-simple`."""
    yield ModuleSpec(
        "sched-simple",
        "bourn_plugins.sched_simple.module:SchedSimple",
        provides=("sched", "feasibility"),
        ranks="0",
        requires=("resource", "job-manager"),
        config=SimpleTable,
    )
