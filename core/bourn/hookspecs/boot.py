"""Boot methods: how the brokers of an instance learn their rank, their number and one another's address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from attrs import Factory, frozen

from bourn.hookspecs import hookspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from bourn.config import Config

__all__ = ["BootMethod", "BootSession", "bourn_boot_methods"]


@runtime_checkable
class BootSession(Protocol):
    """A broker's part in the start of its instance."""

    rank: int
    """This broker's rank."""
    size: int
    """How many brokers the instance has."""
    attributes: Mapping[str, str]
    """Broker attributes that the launcher knows, such as ``instance-level``, ``jobid``, ``parent-uri``; and
    what `bourn.broker.boot` wants to know of a session of several brokers."""

    async def exchange(self, card: Mapping[str, Any]) -> Callable[[int], Mapping[str, Any]]:
        """Publish this rank's card (address, public key, host name), wait for the others, and return a
        look-up.

        The look-up takes a rank. Raises `BournError` if a broker is missing after the method's own time
        limit.
        """
        ...

    async def close(self) -> None:
        """Leave: tell the launcher that this broker is up, or gives up if there was no exchange."""
        ...


@frozen
class BootMethod:
    """A way to start."""

    name: str
    """Unique; by it a user asks for the method."""
    detect: Callable[[Mapping[str, str], Config], bool]
    """``detect(environ, config)``: whether the broker was started this way. Quick: no I/O."""
    open: Callable[[Mapping[str, str], Config], BootSession]
    """``open(environ, config)``; raises `BournError` when what it needs is missing or wrong."""
    priority: int = 0
    """Of those that detect themselves the highest wins."""
    attributes: Mapping[str, str] = Factory(dict)
    """Broker attributes to set by default with this method."""


@hookspec
def bourn_boot_methods() -> Iterable[BootMethod]:
    """Register ways for the brokers of an instance to find one another.

    Called: once, before the broker is made; not with ``--test-size``, which is a method of its own.
    Process: broker, every rank.
    Order: a method that is named is taken; else of those whose `BootMethod.detect` says yes the highest
    priority.
    Errors: an exception leaves this plugin's methods out; a named method that is missing, or one that fails,
    ends the start with the reason.
    Since: 0.1

    Example::

        from bourn.errors import BournError
        from bourn.hookspecs import hookimpl
        from bourn.hookspecs.boot import BootMethod


        class Alone:
            '''One broker that is its own instance.'''

            rank, size, attributes = 0, 1, {"instance-level": "0"}

            async def exchange(self, card):
                return {0: card}.__getitem__

            async def close(self):
                pass


        @hookimpl
        def bourn_boot_methods():
            yield BootMethod(
                "alone",
                detect=lambda environ, config: "ALONE" in environ,
                open=lambda environ, config: Alone(),
            )
    """
    raise NotImplementedError
