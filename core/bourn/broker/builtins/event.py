"""Service `event`: publish and subscribe."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from bourn.broker.builtins.base import Builtin
from bourn.broker.module import ANYONE, LATER, method
from bourn.errors import BournError

if TYPE_CHECKING:
    from bourn.broker.request import Later, Request


class EventModule(Builtin):
    """Numbers what is published on rank 0 and keeps who listens."""

    @method()
    def publish(self, request: Request) -> dict[str, int] | Later:
        """`{topic, payload?, private?}` -> `{seq}`. Any rank takes it; rank 0 gives the number."""
        if self.broker.rank:
            request.nodeid = 0
            self.broker.send(request)
            return LATER
        topic = request.get("topic", str)
        if not topic:
            raise BournError("event.publish: the topic is empty", errno.EPROTO)
        seq = self.broker.events.publish(
            topic,
            request.payload.get("payload"),
            userid=request.userid,
            rolemask=request.rolemask,
            private=request.get("private", bool, False),
        )
        return {"seq": seq}

    @method(allow=ANYONE)
    def subscribe(self, request: Request) -> None:
        """`{topic}`: have events sent on this connection whose topic starts with it."""
        self.session_of(request).subscribe(request.get("topic", str))

    @method(allow=ANYONE)
    def unsubscribe(self, request: Request) -> None:
        """`{topic}`: undo one subscription."""
        self.session_of(request).unsubscribe(request.get("topic", str))
