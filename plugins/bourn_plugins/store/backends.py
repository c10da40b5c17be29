"""The stock store backends."""

from __future__ import annotations

from bourn.hookspecs.store import StoreBackend

from .memory import open_memory
from .sqlite import open_sqlite

BACKENDS = (
    StoreBackend("sqlite", open_sqlite, True, "an SQLite database in the state directory"),
    StoreBackend("memory", open_memory, False, "kept by the kernel's cache until the broker ends"),
)
