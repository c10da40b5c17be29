"""What the built-in modules share."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from bourn.broker.module import Module
from bourn.errors import BournError

if TYPE_CHECKING:
    from bourn.broker.broker import Broker
    from bourn.broker.context import ModuleContext
    from bourn.broker.request import Request
    from bourn.broker.session import Session


class Builtin(Module):
    """A module that is part of its broker."""

    def __init__(self, ctx: ModuleContext, *, broker: Broker) -> None:
        super().__init__(ctx)
        self.broker = broker

    def session_of(self, request: Request) -> Session:
        """Return the connection that a request came in by; EINVAL where a module sent it."""
        session = self.broker.sessions.get(request.client)
        if session is None:
            raise BournError(f"{request.topic} is for clients", errno.EINVAL)
        return session
