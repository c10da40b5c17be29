"""Service `broker`: the broker itself."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bourn.broker.builtins.base import Builtin
from bourn.broker.message import NODE_ANY
from bourn.broker.module import ANYONE, LATER, method
from bourn.errors import BournError
from bourn.model.idset import mask_text

if TYPE_CHECKING:
    from bourn.broker.request import Later, Request


class ControlModule(Builtin):
    """Says how the broker is doing, and ends it."""

    @method(allow=ANYONE)
    def uptime(self, request: Request) -> dict[str, object]:
        """-> `{state, starttime, uptime, rank, size, owner, online, level}`."""
        start = self.broker.states.history[0][1]
        return {
            "state": self.broker.states.state.value,
            "starttime": start,
            "uptime": time.time() - start,
            "rank": self.broker.rank,
            "size": self.broker.size,
            "owner": self.broker.owner,
            "online": mask_text(self.broker.online),
            "level": int(self.broker.attrs.get("instance-level") or 0),
        }

    @method(allow=ANYONE)
    def state(self, request: Request) -> dict[str, object]:
        """-> `{state, history: [[state, time]...]}`."""
        states = self.broker.states
        return {"state": states.state.value, "history": [[s.value, t] for s, t in states.history]}

    @method()
    def shutdown(self, request: Request) -> Later | None:
        """`{keep?, reason?}`: end the instance; with `keep` running jobs are left running, for the next start
        on the state directory (EINVAL without one). The connection ends with it. Sent to a rank other than 0
        by its number, it ends that broker only.
        """
        if self.broker.rank and request.nodeid == NODE_ANY:
            request.nodeid = 0
            self.broker.send(request)
            return LATER
        if request.get("keep", bool, False):
            if self.broker.statedir is None:
                text = "jobs can't outlive this instance: start it with -S statedir=DIR"
                raise BournError(text)
            self.broker.attrs.set("broker.cleanup", "keep")
        self.broker.stop(request.get("reason", str, "") or f"user {request.userid} asked for it")
        return None

    def stats(self) -> dict[str, object]:
        """Counts of the broker as a whole."""
        return {
            "clients": len(self.broker.sessions),
            "events": self.broker.events.seq,
            "queued_bytes": sum(len(session.out) for session in self.broker.sessions.values()),
        }
