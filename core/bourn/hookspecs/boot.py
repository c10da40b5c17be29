"""Boot methods: how the brokers of an instance learn their rank, their number and one another's address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from attrs import Factory, frozen

from bourn.hookspecs import hookspec

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from bourn.config import Config
    from bourn.errors import BournError

__all__ = ["LAUNCHER", "BootMethod", "BootSession", "GrowingSession", "bourn_boot_methods"]

LAUNCHER = "BOURN_BOOT"
"""Environment variable ``METHOD:TEXT``: by which method a broker has to start, whatever its configuration and
the rest of its environment say. The method finds the text in it; what the broker starts doesn't get it."""


@runtime_checkable
class BootSession(Protocol):
    """A broker's part in the start of its instance."""

    rank: int
    """This broker's rank."""
    size: int
    """How many brokers the instance has."""
    attributes: Mapping[str, str]
    """Broker attributes that the launcher knows, such as ``hostname``, ``hostlist``, ``parent-uri``; and
    what `bourn.broker.boot` wants to know of a session of several brokers. Read again after `exchange`."""

    async def exchange(
        self, card: Mapping[str, Any], wanted: Collection[int]
    ) -> Mapping[int, Mapping[str, Any]]:
        """Publish this rank's card (address, certificate, host name), wait for the others, and
        return the cards of the ranks in `wanted`.

        Raises `BournError` if a broker is missing after the method's own time limit. May be cancelled.
        """
        ...

    async def close(self, error: BournError | None = None) -> None:
        """Leave: tell the launcher that this broker knows all it needs, or that it can't start, and why."""
        ...


@runtime_checkable
class GrowingSession(BootSession, Protocol):
    """The session of a method that lets an instance have more brokers than it began with, of however few.

    Rank 0's is asked; the other brokers learn from rank 0 who belongs to the instance.
    """

    def grown(self, config: Config) -> GrowingSession | None:
        """Return the session that a new configuration stands for; None where it has no more brokers.

        Its attribute ``hostlist`` names all hosts. Raises `BournError` where brokers that there are would
        become others.
        """
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
    needs: tuple[str, ...] = ()
    """Environment variables that whoever starts brokers this way sets. A method that is named without them is
    refused; `open` finds them."""


@hookspec
def bourn_boot_methods() -> Iterable[BootMethod]:
    """Register ways for the brokers of an instance to find one another.

    Called: once, before the broker is made; not with ``--test-size``, which is a method of its own.
    Process: broker, every rank.
    Order: a method that is named (in the environment, see `LAUNCHER`; ``-S broker.boot-method``;
    ``[bootstrap] method``) is taken; else of those whose `BootMethod.detect` says yes the highest priority.
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

            async def exchange(self, card, wanted):
                return {}

            async def close(self, error=None):
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
