"""The key-value store."""

from __future__ import annotations

from bourn.client.kvs import (
    commit,
    exists,
    get,
    get_dir,
    isdir,
    namespace_create,
    namespace_list,
    namespace_remove,
    put,
    put_mkdir,
    put_symlink,
    put_unlink,
    walk,
)

__all__ = [
    "commit",
    "exists",
    "get",
    "get_dir",
    "isdir",
    "namespace_create",
    "namespace_list",
    "namespace_remove",
    "put",
    "put_mkdir",
    "put_symlink",
    "put_unlink",
    "walk",
]
