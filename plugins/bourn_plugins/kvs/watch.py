"""Watches: which keys a client follows, and what it is told after a commit that touched them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define

from .wire import entry_out, value_out

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bourn.broker.module import Request

    from .tree import Node


def touches(key: str, changed: Iterable[str]) -> bool:
    """Whether a write to one of the changed keys may alter what stands at, above or under `key`."""
    return key == "." or any(c == key or key.startswith(f"{c}.") or c.startswith(f"{key}.") for c in changed)


@define(eq=False)
class Watcher:
    """One client's interest in one key.

    `at` is the key with symlinks resolved, None while it doesn't exist or when its path crosses symlinks, so
    that every commit is worth a look. `append`: tell only what was added. `uniq`: tell only what differs.
    """

    request: Request
    namespace: str
    key: str
    append: bool = False
    uniq: bool = False
    direct: bool = True
    last: Node | None = None
    told: bool = False

    def concerned(self, changed: Iterable[str]) -> bool:
        """Whether a commit may matter."""
        return not self.direct or touches(self.key, changed)

    def tell(self, node: Node, version: int) -> None:
        """Send the entry as it is now, if that is news."""
        if self.told and self.uniq and node == self.last:
            return
        old, self.last = self.last, node
        first, self.told = not self.told, True
        out: dict[str, Any] = {**entry_out(node), "version": version}
        if self.append and not first and old is not None and self._extends(old, node):
            assert old.value is not None
            assert node.value is not None
            added = node.value[len(old.value) :]
            if not added:
                return
            out["value"] = value_out(added)
        self.request.respond(out)

    @staticmethod
    def _extends(old: Node, new: Node) -> bool:
        return (
            isinstance(old.value, str) and isinstance(new.value, str) and new.value.startswith(old.value)
        ) or (
            isinstance(old.value, bytes) and isinstance(new.value, bytes) and new.value.startswith(old.value)
        )
