"""The key-value store: namespaces, transactions, fences, watches, snapshots (RFC 11, RFC 16)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.hookspecs import hookimpl
from bourn.hookspecs.modules import ModuleSpec

if TYPE_CHECKING:
    from collections.abc import Iterable


@hookimpl
def bourn_modules() -> Iterable[ModuleSpec]:
    """Register the module `kvs`."""
    from bourn_plugins.kvs.config import KvsTable

    yield ModuleSpec(
        "kvs", "bourn_plugins.kvs.module:KvsModule", ranks="0", requires=("store",), config=KvsTable
    )
