"""Service `groups`: named sets of ranks, put together on the way up the tree.

Each broker knows the members among itself and those below, so rank 0 is the one to ask.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from bourn.broker.builtins.base import Builtin
from bourn.broker.module import ANYONE, LATER, method
from bourn.errors import BournError, suggest
from bourn.model.idset import mask_text

if TYPE_CHECKING:
    from bourn.broker.request import Later, Request

ONLINE = "broker.online"


class GroupsModule(Builtin):
    """Knows who is there."""

    @method(allow=ANYONE)
    def get(self, request: Request) -> dict[str, object]:
        """`{name}` -> `{name, members}`, an idset."""
        name = request.get("name", str)
        return {"name": name, "members": mask_text(self._members(name))}

    @method(streaming=True, allow=ANYONE)
    def watch(self, request: Request) -> Later:
        """`{name}` -> `{name, members}` now and at each change; a group that isn't there yet is empty."""
        name = request.get("name", str)
        last, watchers = -1, self.broker.watchers

        def tell() -> None:
            nonlocal last
            members = self._members(name, missing_ok=True)
            if members != last:
                last = members
                request.respond({"name": name, "members": mask_text(members)})

        watchers.append(tell)
        request.on_cancel = lambda: watchers.remove(tell)
        tell()
        return LATER

    @method()
    def join(self, request: Request) -> None:
        """`{name}`: put this rank into a group; EINVAL for the broker's own groups."""
        self._change(request, join=True)

    @method()
    def leave(self, request: Request) -> None:
        """`{name}`: take this rank out of a group."""
        self._change(request, join=False)

    def _change(self, request: Request, *, join: bool) -> None:
        name = request.get("name", str)
        if name.startswith("broker."):
            raise BournError(f"group '{name}' is the brokers' own", errno.EINVAL)
        overlay = self.broker.overlay
        if overlay is None:
            raise BournError("an instance of one broker has no groups of its own", errno.ENOTSUP)
        (overlay.census.join if join else overlay.census.leave)(name)
        overlay.changed()

    def _members(self, name: str, *, missing_ok: bool = False) -> int:
        overlay = self.broker.overlay
        known: Any = {ONLINE} if overlay is None else overlay.census.names
        if name not in known and not missing_ok:
            raise BournError(f"no group '{name}'{suggest(name, known)}", errno.ENOENT)
        if overlay is None:
            return self.broker.members.mask if name == ONLINE else 0
        return overlay.census.group(name)
