"""Service `attr`: the broker's attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.broker.builtins.base import Builtin
from bourn.broker.module import ANYONE, method

if TYPE_CHECKING:
    from bourn.broker.request import Request


class AttrModule(Builtin):
    """Reads and sets attributes."""

    @method(allow=ANYONE)
    def get(self, request: Request) -> dict[str, object]:
        """`{name}` -> `{value, fixed}`; ENOENT."""
        name = request.get("name", str)
        return {"value": self.broker.attrs[name], "fixed": self.broker.attrs.is_fixed(name)}

    @method()
    def set(self, request: Request) -> None:
        """`{name, value}`; EPERM for one that is fixed."""
        self.broker.attrs.set(request.get("name", str), request.get("value", str))

    @method()
    def rm(self, request: Request) -> None:
        """`{name}`; ENOENT, EPERM."""
        self.broker.attrs.remove(request.get("name", str))

    @method(allow=ANYONE)
    def list(self, request: Request) -> dict[str, object]:
        """-> `{attrs: {name: value}}`."""
        return {"attrs": self.broker.attrs.as_dict()}
