"""The broker of one rank: its parts, and its way from load to exit."""

from __future__ import annotations

import errno
import gc
import logging
import os
from contextlib import asynccontextmanager
from time import time
from typing import TYPE_CHECKING, Any

import trio

from bourn.broker.attributes import Attributes
from bourn.broker.calls import Call
from bourn.broker.configsync import fetch
from bourn.broker.connector import Connector
from bourn.broker.events import EventBus
from bourn.broker.host import ModuleHost
from bourn.broker.members import Members
from bourn.broker.message import NODE_ANY, NORESPONSE
from bourn.broker.order import choose, only_records, start_order
from bourn.broker.request import Nowhere, Request
from bourn.broker.roles import OWNER_HERE
from bourn.broker.router import Router
from bourn.broker.services import ServiceTable
from bourn.broker.session import ClientService
from bourn.broker.settings import ConnectorTable
from bourn.broker.states import BrokerState, StateMachine
from bourn.broker.turn import Turn
from bourn.config.tables import AccessTable
from bourn.errors import BournError
from bourn.model.duration import parse_duration
from bourn.model.idset import mask_text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping
    from pathlib import Path

    from bourn.broker.logring import LogRing
    from bourn.broker.overlay.overlay import Overlay
    from bourn.broker.session import Session
    from bourn.config import Config
    from bourn.hookspecs.boot import BootSession
    from bourn.hookspecs.modules import ModuleSpec
    from bourn.plugins import PluginManager

log = logging.getLogger("bourn.broker")

GC_THRESHOLDS = 20_000, 10, 10
"""A broker holds many objects for long, and makes few cycles: with the usual 700, looking through all of them
costs a third of the CPU time of submitting unlike jobs."""

QUORUM_WARNING = 60.0
"""After how long a broker that waits for others says so."""
CLEANUP_SECONDS = 300.0
"""How long modules may take to end what runs, where `broker.cleanup-timeout` doesn't say."""
GOODBYE_SECONDS = 1.0
"""How long a broker that ends waits for clients to take their last responses."""


class Broker:
    """One broker. `running()` brings it up and, at the block's end, down."""

    def __init__(
        self,
        *,
        config: Config,
        plugins: PluginManager,
        rundir: Path,
        statedir: Path | None = None,
        attrs: Attributes | None = None,
        logring: LogRing | None = None,
        rank: int = 0,
        size: int = 1,
        owner: int | None = None,
        reload: Callable[[], Config] | None = None,
        tables: Mapping[str, Any] | None = None,
    ) -> None:
        self.rank = rank
        self.owner = os.getuid() if owner is None else owner
        self.config = config
        self.plugins = plugins
        self.rundir = rundir
        self.statedir = statedir
        self.attrs = attrs if attrs is not None else Attributes()
        self.members = Members.flat(size, self.attrs.get("hostname"))
        """Who belongs to the instance, as far as this broker knows; see `become`."""
        self.logring = logring
        self._reload = reload
        self.clock: Callable[[], float] = time
        """What modules take for the time."""
        self._tables = tables
        self.turn = Turn()
        self.events = EventBus(rank)
        self.services = ServiceTable()
        self.router = Router(rank, self.members)
        self.host = ModuleHost(self)
        self.sessions: dict[str, Session] = {}
        self.states = StateMachine(time())
        self.connector = self._make_connector()
        self.overlay: Overlay | None = None
        """The tree of brokers; None in an instance of one. Set before `running`."""
        self.cards: Mapping[int, Mapping[str, Any]] = {}
        """What the brokers said of themselves at boot, by rank, as far as this one was told."""
        self.watchers: list[Callable[[], None]] = []
        """Called, once a turn, when it has changed who is there."""
        self._core: trio.Nursery | None = None
        self.session: BootSession | None = None
        """How this broker was started with others, or in a list to which others may be added."""
        self.stopping = trio.Event()
        self._coming_up = trio.CancelScope()
        self.stop_reason = ""

    # Messages.

    def send(self, request: Request) -> None:
        """Hand a request to this rank's service or to the next rank on its way. Never blocks."""
        if request.nodeid == NODE_ANY and request.topic in self.services.endpoints:
            self.services.call(request)
            return
        try:
            hop = self.router.next_hop(request.nodeid, has_service=request.topic in self.services)
        except BournError as error:
            request.error(error.errnum, error.message)
            return
        if hop == self.rank:
            self.services.call(request)
        elif self.overlay is None:
            request.error(errno.EHOSTUNREACH, f"rank {hop} can't be reached")
        else:
            self.overlay.forward(request, hop)

    async def rpc(self, topic: str, payload: object = None, nodeid: int = NODE_ANY) -> Any:
        """Call a service in the broker's own name."""
        call = Call()
        request = Request(topic, payload, call, userid=self.owner, rolemask=OWNER_HERE, nodeid=nodeid)
        self.send(request)
        return await call.result(request)

    def disconnected(self, session: Session) -> None:
        """A client has gone: tell all who may keep something for it."""
        self.sessions.pop(session.name, None)
        self.client_gone(session.name, session.userid, session.rolemask)
        if self.overlay is not None:
            self.overlay.client_gone(session.name)

    def client_gone(self, client: str, userid: int = -1, rolemask: int = 0) -> None:
        """A client, of this rank or another, has gone: tell the services here."""
        self.host.disconnect(client)
        for service, provider in list(self.services.providers.items()):
            if isinstance(provider, ClientService):
                topic = f"{service}.disconnect"
                body = {"client": client}
                request = Request(topic, body, Nowhere(), userid=userid, rolemask=rolemask, flags=NORESPONSE)
                provider.disconnected(client, request)

    def stop(self, reason: str) -> None:
        """Ask whoever runs the broker to bring it down."""
        if not self.stopping.is_set():
            self.stop_reason = reason
            log.info("stopping: %s", reason)
            self.stopping.set()
            self._coming_up.cancel()

    # Life.

    @asynccontextmanager
    async def running(self, specs: Iterable[ModuleSpec] = (), *, listen: bool = True) -> AsyncIterator[None]:
        """Bring the broker up to the state `run`, and down again after the block.

        Args:
            specs: the modules that there are; those to run are chosen from them.
            listen: whether to accept clients at `rundir/local`.
        Raises BournError where the instance can't come up; what was up is brought down first.
        """
        failure: BaseException | None = None
        async with trio.open_nursery() as core:
            self._core = core
            await core.start(self.turn.run)
            await core.start(self.host.run)
            await core.start(self.connector.run)
            try:
                await self._come_up(list(specs), core, listen)
                if not gc.isenabled():  # `bourn start` does without while all that is made is there to stay
                    gc.freeze()
                    gc.set_threshold(*GC_THRESHOLDS)
                    gc.enable()
                yield
            except BaseException as error:
                failure = error
                self._fail(error)
            with trio.CancelScope(shield=True):
                await self._down()
            core.cancel_scope.cancel()
        if failure is not None:
            raise failure

    async def _come_up(self, specs: list[ModuleSpec], core: trio.Nursery, listen: bool) -> None:
        """Come up, or not, whatever a module waits for at its start, when the broker is told to end."""

        with self._coming_up as scope:
            await self._up(specs, core, listen)
        if scope.cancelled_caught:
            who = "all brokers were" if self.size > 1 else "it was"
            raise BournError(f"stopped before {who} up: {self.stop_reason}")

    async def _up(self, specs: list[ModuleSpec], core: trio.Nursery, listen: bool) -> None:
        from bourn.broker.builtins import builtin_specs

        for spec in builtin_specs(self):
            await self.host.start(spec, builtin=True)
        if listen:
            await core.start(self.connector.listen, self.rundir / "local")
        self._advance()  # join
        if self.overlay is not None:
            await core.start(self.overlay.run)
            if self.rank == 0:  # what their machines have is known before any module asks
                await self._quorum(self.overlay, lambda: self.linked)
        self._advance()  # config-sync: each broker has read the configuration, and gets that of rank 0
        if self.rank and self.overlay is not None:
            await fetch(self)
        self._advance()  # init
        self.host.available = {spec.name: spec for spec in specs}
        chosen = choose(specs, self._choices(), self.rank)
        if self.attrs.get("broker.recovery"):
            chosen = only_records(chosen)
        for spec in start_order(chosen, self.host.running_services()):
            await self._start(spec, chosen)
        self._advance()  # quorum: all ranks of an instance of one are here
        if self.overlay is not None:
            self.overlay.online()
            if self.rank == 0:
                await self._quorum(self.overlay, lambda: self.online)
        self._advance()  # run

    async def _quorum(self, overlay: Overlay, there: Callable[[], int]) -> None:
        """Wait until as many brokers are there as the attribute `broker.quorum` says, all by default."""
        text = self.attrs.get("broker.quorum") or str(self.size)
        if not text.isdigit() or not 1 <= int(text) <= self.size:
            raise BournError(f"broker.quorum={text}: must be a number of brokers, 1 to {self.size}")

        def settled() -> bool:
            return there().bit_count() >= int(text)

        with trio.move_on_after(QUORUM_WARNING) as limit:
            await overlay.wait_for(settled)
        if limit.cancelled_caught:
            missing = mask_text(self.members.mask & ~there())
            log.warning("waiting for rank %s to come online", missing)
            await overlay.wait_for(settled)

    @property
    def linked(self) -> int:
        """This rank and those that are reached through it, as a bit mask."""
        return 1 << self.rank if self.overlay is None else self.overlay.census.linked

    @property
    def online(self) -> int:
        """The ranks that are up, of this one and those below, as a bit mask."""
        return 1 << self.rank if self.overlay is None else self.overlay.census.group("broker.online")

    async def _start(self, spec: ModuleSpec, chosen: list[ModuleSpec]) -> None:
        """Start one module; one that crashes and isn't required by any other leaves the instance without
        it.
        """
        try:
            await self.host.start(spec)
        except BournError as error:
            live = self.host.live.get(spec.name)
            needed = [other.name for other in chosen if set(spec.provides) & set(other.requires)]
            if live is None or needed:
                raise
            log.error("%s", error.message)

    def _choices(self) -> Mapping[str, object]:
        choices = self.config.raw.get("modules", {})
        return choices if isinstance(choices, dict) else {}

    async def _down(self) -> None:
        if self.overlay is not None and self.rank:
            self.overlay.offline()
        if self.states.state is BrokerState.RUN:
            self._advance()  # cleanup
        if self.states.state is BrokerState.CLEANUP:
            limit = self.attrs.get("broker.cleanup-timeout")
            await self.host.cleanup(
                parse_duration(limit) if limit else CLEANUP_SECONDS,
                keep=self.attrs.get("broker.cleanup") == "keep",
            )
            self._advance()  # shutdown
        if self.overlay is not None:
            await self.overlay.shut_down()
        self.connector.stop_listening()
        self._advance()  # finalize
        await self.host.stop_all()
        self.turn.flush()
        self._advance()  # goodbye
        with trio.move_on_after(GOODBYE_SECONDS):
            for session in list(self.sessions.values()):
                await session.emptied()
        if self.overlay is not None:
            await self.overlay.goodbye()
        await self.host.stop_all(builtins=True)
        self._advance()  # exit

    def _advance(self) -> None:
        state = self.states.advance(time())
        log.debug("state %s", state.value)

    def _fail(self, error: BaseException) -> None:
        if self.states.state is BrokerState.RUN:
            return  # the block's own error; the way down is the same
        self.states.fail(str(error), time())

    def read_config(self) -> Config:
        """Read the configuration's files anew."""
        if self._reload is None:
            raise BournError("this instance has no configuration files", errno.ENOENT)
        return self._reload()

    def adopt(self, config: Config) -> None:
        """Take a configuration; where a module objects, or it is wrong, the old one stays."""
        if self._tables is not None:
            config.check(self._tables)
        before, self.config = self.config, config
        try:
            self.host.reconfigure()
        except BournError:
            self.config = before
            self.host.reconfigure()
            raise

    async def join(self, overlay: Overlay) -> None:
        """Have an overlay, of which this broker is the root, though the instance started without."""
        assert self._core is not None
        self.overlay = overlay
        await self._core.start(overlay.run)
        overlay.online()

    @property
    def size(self) -> int:
        """How many brokers belong to the instance."""
        return self.members.size

    def become(self, members: Members) -> None:
        """Take note of who belongs to the instance from now on."""
        self.members = self.router.members = members
        self.attrs.renew("size", members.size)
        if members.hosts:
            self.attrs.renew("hostlist", members.hostlist)

    def _make_connector(self) -> Connector:
        access = self.config.table("access", AccessTable)
        bounds = self.config.table("connector", ConnectorTable)
        return Connector(
            self,
            guests=access.allow_guest_user,
            root_is_owner=access.allow_root_owner,
            admins=access.admins,
            max_frame=bounds.max_frame,
            max_queue=bounds.max_queue,
            max_queues=bounds.max_queues,
        )
