"""Service `log`: the broker's log."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from bourn.broker.builtins.base import Builtin
from bourn.broker.logring import LEVELS
from bourn.broker.module import LATER, method
from bourn.errors import BournError, suggest

if TYPE_CHECKING:
    from bourn.broker.request import Later, Request


class LogModule(Builtin):
    """Reads the ring buffer and adds to it."""

    @method(streaming=True)
    def dmesg(self, request: Request) -> Later | None:
        """`{follow?}` -> `{entries: [{timestamp, level, name, rank, text}...]}`, then one response per new
        entry.
        """
        ring = self.broker.logring
        request.respond({"entries": list(ring.entries) if ring is not None else []})
        if ring is None or not request.get("follow", bool, False):
            return None

        def follow(entry: dict[str, Any]) -> None:
            request.respond({"entries": [entry]})

        ring.followers.append(follow)
        request.on_cancel = lambda: ring.followers.remove(follow)
        return LATER

    @method()
    def append(self, request: Request) -> None:
        """`{text, level?, name?}`: add an entry."""
        level = request.get("level", str, "info")
        if level not in LEVELS:
            raise BournError(f"log.append: no level '{level}'{suggest(level, LEVELS)}")
        name = request.get("name", str, "user")
        logging.getLogger(f"bourn.{name}").log(LEVELS.index(level) * 10 + 10, "%s", request.get("text", str))

    @method()
    def clear(self, request: Request) -> None:
        """Empty the ring buffer."""
        if self.broker.logring is not None:
            self.broker.logring.entries.clear()
