"""A broker among those that were started with it: its boot method, its overlay, whom a signal concerns."""

from __future__ import annotations

import errno
import sys
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

import trio

from bourn.broker.failure import leaves
from bourn.errors import BournError, ConfigError, suggest
from bourn.hookspecs.boot import LAUNCHER, GrowingSession

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from bourn.broker.broker import Broker
    from bourn.broker.nesting import Parent
    from bourn.broker.signals import Signals
    from bourn.config import Config
    from bourn.hookspecs.boot import BootMethod, BootSession
    from bourn.plugins import PluginManager

GOODBYE_SECONDS = 1.0
"""How long a launcher may take to hear that a broker gives up."""


def open_session(
    wanted: str, environ: Mapping[str, str], config: Config, plugins: PluginManager
) -> BootSession | None:
    """Return the session of the boot method that a launcher named in the environment, or else of `wanted`, by
    default of that which this process was started by.

    None for an instance of one broker that stays alone. Raises BournError.
    """
    methods = {method.name: method for _, method in plugins.collect("bourn_boot_methods")}
    told, _, text = environ.get(LAUNCHER, "").partition(":")
    if told:
        if told not in methods:
            raise ConfigError(f"{LAUNCHER}: there is no boot method '{told}'{suggest(told, methods)}")
        wanted, environ = told, {**environ, LAUNCHER: text}
    if wanted and wanted not in methods:
        raise ConfigError(f"there is no boot method '{wanted}'{suggest(wanted, methods)}")
    chosen = methods[wanted] if wanted else _detected(list(methods.values()), environ, config)
    if chosen is not None:
        missing = [name for name in chosen.needs if name not in environ]
        if missing:
            raise ConfigError(
                f"boot method '{chosen.name}': {', '.join(missing)} isn't set; whoever starts brokers "
                "this way sets it, so this one was started another way"
            )
    session = chosen.open(environ, config) if chosen is not None else None
    alone = session is None or (session.size == 1 and not isinstance(session, GrowingSession))
    return None if alone else session


def _detected(methods: list[BootMethod], environ: Mapping[str, str], config: Config) -> BootMethod | None:
    found = [method for method in methods if method.detect(environ, config)]
    return max(found, key=lambda method: method.priority, default=None)


class Told(BournError):
    """An error that was printed already."""


@asynccontextmanager
async def linked(
    broker: Broker, session: BootSession | None, parent: Parent | None
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Give a broker of many its overlay, rank 0 what the parent instance has for it; watch over whom it was
    started with.

    Yields a function to be called when the broker is up. Until then whatever goes wrong is the launcher's
    affair as well: the other brokers would wait for this one.
    """
    closed = session is None
    broker.session = session

    async def up() -> None:
        nonlocal closed
        if session is not None:
            closed = True
            await session.close()

    try:
        if session is not None and session.size > 1:
            await _link(broker, session, parent)
        if parent is not None and broker.rank == 0:
            parent.keep(broker)
        async with _watched(broker, session):
            yield up
    except* BournError as group:
        error = next(error for error in leaves(group) if isinstance(error, BournError))
        if session is None or closed or error.errnum == errno.EINTR:
            raise error from None  # nobody waits for us, or the launcher ends us already
        raise await _give_up(session, error) from None
    finally:
        if broker.overlay is not None:
            broker.overlay.network.close()


async def _link(broker: Broker, session: BootSession, parent: Parent | None) -> None:
    from bourn.broker.boot import build_overlay
    from bourn.broker.nesting import NODE

    more = {} if parent is None else {NODE: parent.node}
    broker.overlay = await build_overlay(broker, session, more)


@asynccontextmanager
async def _watched(broker: Broker, session: BootSession | None) -> AsyncIterator[None]:
    watch = getattr(session, "watch", None)
    if watch is None:
        yield
        return
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch, broker)
        yield
        nursery.cancel_scope.cancel()


async def _give_up(session: BootSession, error: BournError) -> BournError:
    """Tell the launcher that this broker can't start; return what is left to be said."""
    from bourn.broker.boot import TOGETHER

    if TOGETHER in session.attributes:
        # The launcher, once told, may end us before we get to say why.
        print(f"bourn-start: error: {error.message}", file=sys.stderr, flush=True)
    with trio.move_on_after(GOODBYE_SECONDS, shield=True), suppress(BournError):
        await session.close(error)
    return Told(error.message, error.errnum) if TOGETHER in session.attributes else error


async def serve(broker: Broker, session: BootSession, signals: Signals) -> int:
    """Be a rank other than 0 until the instance ends; return the exit status.

    Whoever started all brokers as one signals all of them. The instance has to end in order, by rank 0: a
    broker that left by itself would take its tasks with it.
    """
    from bourn.broker.boot import TOGETHER

    if TOGETHER in session.attributes:
        signals.forward(lambda signum: None)
        signals.connect(trio.lowlevel.current_trio_token(), partial(_tell_root, broker))
    await broker.stopping.wait()
    return 0 if signals.received is None else 128 + signals.received


def _tell_root(broker: Broker, reason: str) -> None:
    from bourn.broker.message import NORESPONSE
    from bourn.broker.request import Nowhere, Request
    from bourn.broker.roles import OWNER_HERE

    broker.send(
        Request(
            "broker.shutdown",
            {"reason": f"rank {broker.rank} {reason}"},
            Nowhere(),
            userid=broker.owner,
            rolemask=OWNER_HERE,
            flags=NORESPONSE,
            nodeid=0,
        )
    )
