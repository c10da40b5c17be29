"""The store of rank 0, and the service that looks after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.hookspecs import hookimpl
from bourn.hookspecs.modules import ModuleSpec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bourn.hookspecs.store import StoreBackend


@hookimpl
def bourn_modules() -> Iterable[ModuleSpec]:
    """Register the module `store`."""
    yield ModuleSpec("store", "bourn_plugins.store.module:StoreModule", ranks="0")


@hookimpl
def bourn_stores() -> Iterable[StoreBackend]:
    """Register the backends `sqlite` and `memory`."""
    from .backends import BACKENDS

    return BACKENDS
