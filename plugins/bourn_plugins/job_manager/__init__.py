"""The job manager: the life of every job from acceptance to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.hookspecs import hookimpl
from bourn.hookspecs.modules import ModuleSpec

if TYPE_CHECKING:
    from collections.abc import Iterable


@hookimpl
def bourn_modules() -> Iterable[ModuleSpec]:
    """Register the module `job-manager`."""
    yield ModuleSpec(
        "job-manager",
        "bourn_plugins.job_manager.module:JobManager",
        ranks="0",
        requires=("store",),
    )
