"""Broker modules: services that answer requests inside the broker's process."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, Protocol

from attrs import Factory, field, frozen

from bourn.hookspecs import hookspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bourn.broker.module import Module, ModuleContext

__all__ = ["ModuleFactory", "ModuleSpec", "bourn_modules"]


class ModuleFactory(Protocol):
    """Builds the live service; usually a `bourn.broker.module.Module` class itself."""

    def __call__(self, ctx: ModuleContext, /) -> Module:
        """Return a module that isn't running yet; raise `BournError` to refuse with a reason."""
        ...


def _factory(value: ModuleFactory | str) -> ModuleFactory:
    """Turn ``package.module:Class`` into a factory that imports at its first call."""
    if not isinstance(value, str):
        return value
    path, _, attribute = value.partition(":")

    def late(ctx: ModuleContext, /) -> Module:
        built: Module = getattr(import_module(path), attribute)(ctx)
        return built

    late.import_path = path  # type: ignore[attr-defined]
    return late


@frozen
class ModuleSpec:
    """One service provider: what it is called, what it provides, when and where it runs."""

    name: str
    """Unique; what ``bourn module list`` shows and ``[modules]`` names."""
    factory: Callable[[ModuleContext], Module] = field(converter=_factory)
    """The module class, or ``"package.module:Class"``, imported only when the module is chosen to run."""
    provides: tuple[str, ...] = Factory(lambda self: (self.name,), takes_self=True)
    """The services it answers for; several modules may provide one service, of which one is chosen."""
    ranks: Literal["all", "0"] = "all"
    """Where it runs."""
    requires: tuple[str, ...] = ()
    """Services that must be running before this one starts; it stops before they do."""
    after: tuple[str, ...] = ()
    """Services to start before this one if they are there at all."""
    priority: int = 0
    """The highest wins a service unless ``[modules] SERVICE = "NAME"`` chooses."""
    config: type[Any] | None = None
    """An attrs class that describes the module's TOML table, so that a wrong key is found at start."""
    config_table: str | None = Factory(lambda self: self.name if self.config else None, takes_self=True)
    """The name of that table; the module's name by default."""

    def preload(self) -> None:
        """Import the module's code now."""
        path = getattr(self.factory, "import_path", None)
        if path is not None:
            import_module(path)


@hookspec
def bourn_modules() -> Iterable[ModuleSpec]:
    """Register services that run inside the broker.

    Called: once, when a broker starts, before any module is chosen; again for a file given to
    ``bourn module load``.
    Process: broker, every rank.
    Order: of two providers of a service the higher `ModuleSpec.priority` wins, then the first registered;
    start order follows `requires` and `after`.
    Errors: an exception leaves this plugin's modules out; a service that nobody provides then refuses
    requests with ENOSYS. A module that crashes later is reported and its service answers with an error; the
    broker lives.
    Since: 0.1

    Example::

        from bourn.broker.module import Module, Request, Role, method
        from bourn.hookspecs import hookimpl
        from bourn.hookspecs.modules import ModuleSpec


        class Greeter(Module):
            @method(allow=Role.USER)
            def hello(self, request: Request) -> dict[str, str]:
                return {"text": f"hello, user {request.userid}"}


        @hookimpl
        def bourn_modules():
            yield ModuleSpec("greeter", Greeter)
    """
    raise NotImplementedError
