"""Service `groups`: named sets of ranks. Of an instance of one, rank 0 is all of `broker.online`."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from bourn.broker.builtins.base import Builtin
from bourn.broker.module import ANYONE, method
from bourn.errors import BournError, suggest

if TYPE_CHECKING:
    from bourn.broker.request import Request


class GroupsModule(Builtin):
    """Knows who is there."""

    @method(allow=ANYONE)
    def get(self, request: Request) -> dict[str, object]:
        """`{name}` -> `{name, members}`, an idset."""
        name = request.get("name", str)
        if name != "broker.online":
            raise BournError(f"no group '{name}'{suggest(name, ['broker.online'])}", errno.ENOENT)
        return {"name": name, "members": str(self.broker.rank)}
