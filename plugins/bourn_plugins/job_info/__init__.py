"""Job information: look-up and eventlog watch, checked for access."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.hookspecs import hookimpl
from bourn.hookspecs.modules import ModuleSpec

if TYPE_CHECKING:
    from collections.abc import Iterable


@hookimpl
def bourn_modules() -> Iterable[ModuleSpec]:
    """Register the module `job-info`."""
    yield ModuleSpec(
        "job-info", "bourn_plugins.job_info.module:JobInfo", ranks="0", requires=("store", "job-manager")
    )
