"""What the author of a broker module needs: `Module`, `method`, `Request`, `LATER`, `ModuleContext`.

    class Pingpong(Module):
        name = "pingpong"

        @method(allow=Role.OWNER | Role.USER)
        def hit(self, request: Request) -> dict[str, int]:
            return {"userid": request.userid}

Such a class in one file is loaded with `bourn module load ./pingpong.py`; a distribution registers it by
the hook `bourn_modules`. Its service then answers `pingpong.hit`, and, like every service, `pingpong.ping`
and `pingpong.stats`.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar

import trio

from bourn.broker.context import ModuleContext
from bourn.broker.request import LATER, Request
from bourn.broker.roles import ANYONE, Role
from bourn.hookspecs.modules import ModuleSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from bourn.config import Config

__all__ = ["ANYONE", "LATER", "Module", "ModuleContext", "ModuleSpec", "Request", "Role", "method"]

F = TypeVar("F", bound="Callable[..., Any]")


class Module:
    """A service provider that lives in the broker's process.

    A method marked with `method` answers `SERVICE.NAME`. A plain one answers by what it returns, at once; an
    `async` one runs as a task. Raise `BournError(text, errnum)` to answer with an error. Any other
    exception is logged and answered with an error that names the module.
    """

    name: ClassVar[str] = ""
    """Needed only in a one-file module; elsewhere the name stands in the `ModuleSpec`."""
    provides: ClassVar[tuple[str, ...]] = ()
    """Likewise: the services, if not one of the module's name."""
    requires: ClassVar[tuple[str, ...]] = ()
    """Likewise: the services that must be there."""

    def __init__(self, ctx: ModuleContext) -> None:
        self.ctx = ctx

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Do the module's own work; it may return early, and is cancelled when the module is removed.

        Call `task_status.started()` last, when the service may answer: requests are refused before. Clean up
        in `finally`. An exception that comes out, here or in a task of `ctx.nursery`, is a crash: from then
        on the service answers with an error that says so, until the module is reloaded.
        """
        task_status.started()
        await trio.sleep_forever()

    async def cleanup(self) -> None:
        """Wind up what users have running, before modules are stopped, when the instance ends on purpose.

        Modules are asked in the order of their start, one after the other. The broker skips this step where
        the attribute `broker.cleanup` is `keep`; it calls `handover` instead.
        """

    async def handover(self) -> None:
        """Prepare for the next broker on the state directory: the instance ends on purpose, and what users
        have running is to go on.
        """

    def keeps(self) -> str:
        """Return what would be lost if the module were stopped now, so that it isn't; "" = nothing."""
        return ""

    def disconnect(self, client: str) -> None:
        """A client has gone; its kept requests have been cancelled already."""

    def reconfigure(self, config: Config) -> None:
        """The configuration has been read anew; raise ConfigError to refuse it."""

    def stats(self) -> dict[str, object]:
        """Return figures for `bourn module stats`."""
        return {}


class MethodInfo(NamedTuple):
    """What `method` notes on a function."""

    name: str
    service: str | None
    allow: int
    streaming: bool
    is_async: bool


def method(
    *, allow: int = Role.OWNER, streaming: bool = False, name: str | None = None, service: str | None = None
) -> Callable[[F], F]:
    """Make a method of a `Module` answer requests.

    Args:
        allow: the roles of which a caller needs one.
        streaming: whether it answers with any number of responses, ended by returning (ENODATA) or an error.
        name: the topic's second half, by default the function's name with `-` for `_`.
        service: which of the services that the module provides, by default the first.
    """

    def mark(function: F) -> F:
        info = MethodInfo(
            name or function.__name__.replace("_", "-"),
            service,
            int(allow),
            streaming,
            inspect.iscoroutinefunction(function),
        )
        function.__bourn_method__ = info  # type: ignore[attr-defined]
        return function

    return mark


def methods_of(module: Module) -> list[tuple[MethodInfo, Callable[[Request], Any]]]:
    """Return the methods that a module answers, those of its base classes included."""
    found = []
    for attribute in dir(type(module)):
        info = getattr(getattr(type(module), attribute), "__bourn_method__", None)
        if isinstance(info, MethodInfo):
            found.append((info, getattr(module, attribute)))
    return found
