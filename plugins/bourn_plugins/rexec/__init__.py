"""Remote execution: the module `rexec` runs commands of the instance's owner on any rank."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.hookspecs import hookimpl
from bourn.hookspecs.modules import ModuleSpec

if TYPE_CHECKING:
    from collections.abc import Iterable


@hookimpl
def bourn_modules() -> Iterable[ModuleSpec]:
    """Register the module `rexec`."""
    yield ModuleSpec("rexec", "bourn_plugins.rexec.module:Rexec")
