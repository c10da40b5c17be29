"""The shell-manager: starts shell hosts, talks to them, and finds them again after a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.hookspecs import hookimpl
from bourn.hookspecs.modules import ModuleSpec

if TYPE_CHECKING:
    from collections.abc import Iterable


@hookimpl
def bourn_modules() -> Iterable[ModuleSpec]:
    """Register the module `shell-manager`."""
    # After the store, which refuses a state directory in use: the shell hosts there are another broker's.
    # After the job manager, which cancels jobs at the end of an instance before their hosts go.
    yield ModuleSpec(
        "shell-manager",
        "bourn_plugins.shell_manager.module:ShellManager",
        after=("store", "job-manager"),
    )
