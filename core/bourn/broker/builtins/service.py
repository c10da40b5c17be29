"""Service `service`: what services there are, and clients that provide one."""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING

from bourn.broker.builtins.base import Builtin
from bourn.broker.module import ANYONE, Role, method
from bourn.errors import BournError

if TYPE_CHECKING:
    from bourn.broker.request import Request

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*", re.ASCII)


class ServiceModule(Builtin):
    """Registers services by name."""

    @method(allow=ANYONE)
    def list(self, request: Request) -> dict[str, object]:
        """-> `{services: {name: [method...]}}`; a client's service has no list of methods."""
        table = self.broker.services
        found: dict[str, list[str]] = {name: [] for name in table}
        for topic in sorted(table.endpoints):
            service, _, name = topic.partition(".")
            found[service].append(name)
        return {"services": found}

    @method()
    def register(self, request: Request) -> None:
        """`{service, allow?}`: requests to it are sent to this client; `allow` is a rolemask, OWNER by
        default.
        """
        name = request.get("service", str)
        if not _NAME.fullmatch(name):
            raise BournError(f"'{name}' can't name a service: letters, digits, - and _ only", errno.EINVAL)
        self.session_of(request).register(name, request.get("allow", int, int(Role.OWNER)))

    @method()
    def unregister(self, request: Request) -> None:
        """`{service}`; ENOENT."""
        self.session_of(request).unregister(request.get("service", str))
