"""What a module may use of its broker."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from bourn.broker.calls import Call, Stream
from bourn.broker.message import NODE_ANY, NORESPONSE, STREAMING
from bourn.broker.request import Nowhere, Request
from bourn.broker.roles import OWNER_HERE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    import trio

    from bourn.broker.attributes import Attributes
    from bourn.broker.broker import Broker
    from bourn.broker.events import Event
    from bourn.broker.members import Members
    from bourn.broker.request import Origin
    from bourn.config import Config
    from bourn.plugins import PluginManager


class ModuleContext:
    """A module's view of its broker, valid until the module is stopped.

    Payloads that travel inside the broker are passed by reference: never change one that was sent or
    received. `log` goes to the broker's ring buffer (`bourn dmesg`). Tasks started in `nursery` end with
    the module.
    """

    nursery: trio.Nursery
    """Where the module's own tasks live; set before `Module.run`, not yet in `Module.__init__`."""

    def __init__(self, broker: Broker, name: str) -> None:
        self._broker = broker
        self._client = f"module:{name}"
        self._subscriptions: dict[tuple[str, Callable[[str, Any], None]], Callable[[Event], None]] = {}
        self.name = name
        self.log = logging.getLogger(f"bourn.{name}")
        self.soon: Callable[[Callable[[], None]], None] = broker.turn.soon
        """Run a callback once at the end of this turn of the loop, however often it is asked for."""
        self._nowhere = Nowhere(self.log.warning)

    def now(self) -> float:
        """Return the time in seconds since the epoch; in a simulation, virtual time."""
        return self._broker.clock()

    @property
    def rank(self) -> int:
        """This broker's rank."""
        return self._broker.rank

    @property
    def size(self) -> int:
        """How many brokers the instance has."""
        return self._broker.size

    @property
    def members(self) -> Members:
        """Who belongs to the instance, as far as this broker knows."""
        return self._broker.members

    @property
    def alone(self) -> bool:
        """Whether this broker has no overlay, as one has none that was started as an instance by itself."""
        return self._broker.overlay is None

    @property
    def owner(self) -> int:
        """The user id of the instance's owner."""
        return self._broker.owner

    @property
    def attrs(self) -> Attributes:
        """The broker's attributes."""
        return self._broker.attrs

    @property
    def config(self) -> Config:
        """The configuration; a new object after a reload."""
        return self._broker.config

    @property
    def plugins(self) -> PluginManager:
        """The plugins of this process."""
        return self._broker.plugins

    @property
    def rundir(self) -> Path:
        """A private directory that goes with the instance."""
        return self._broker.rundir

    @property
    def statedir(self) -> Path | None:
        """The directory of what outlives the instance, if the user named one."""
        return self._broker.statedir

    def _request(self, topic: str, payload: object, origin: Origin, flags: int, nodeid: int) -> Request:
        return Request(
            topic,
            payload,
            origin,
            userid=self._broker.owner,
            rolemask=OWNER_HERE,
            flags=flags,
            nodeid=nodeid,
            client=self._client,
        )

    async def rpc(self, topic: str, payload: object = None, nodeid: int = NODE_ANY) -> Any:
        """Call a service and return the payload of its response; raises RPCError."""
        call = Call()
        request = self._request(topic, payload, call, 0, nodeid)
        self._broker.send(request)
        return await call.result(request)

    def post(self, topic: str, payload: object = None, nodeid: int = NODE_ANY) -> None:
        """Call a service without waiting; a local one has run its plain method on return. Errors are
        logged.
        """
        self._broker.send(self._request(topic, payload, self._nowhere, NORESPONSE, nodeid))

    @asynccontextmanager
    async def stream(
        self, topic: str, payload: object = None, nodeid: int = NODE_ANY
    ) -> AsyncIterator[Stream]:
        """Call a streaming method; yields an async iterator of payloads. Leaving the block cancels the
        stream.
        """
        stream = Stream()
        request = self._request(topic, payload, stream, STREAMING, nodeid)
        self._broker.send(request)
        try:
            yield stream
        finally:
            request.cancel()

    def publish(self, topic: str, payload: object = None, *, private: bool = False) -> None:
        """Publish an event to the instance; a private one reaches the owner's clients only."""
        body = {"topic": topic, "payload": payload, "private": private}
        self.post("event.publish", body, nodeid=0)

    def subscribe(self, prefix: str, callback: Callable[[str, Any], None]) -> None:
        """Call `callback(topic, payload)` for each event whose topic starts with `prefix`, until unloaded."""

        def listener(event: Event) -> None:
            try:
                callback(event.topic, event.payload)
            except Exception:
                self.log.exception("module '%s' failed on event %s", self.name, event.topic)

        self.unsubscribe(prefix, callback)
        self._broker.events.subscribe(prefix, listener)
        self._subscriptions[prefix, callback] = listener

    def unsubscribe(self, prefix: str, callback: Callable[[str, Any], None]) -> None:
        """Undo `subscribe`."""
        listener = self._subscriptions.pop((prefix, callback), None)
        if listener is not None:
            self._broker.events.unsubscribe(prefix, listener)

    def wanted(self, topic: str) -> bool:
        """Say whether an event would reach anybody, as far as this rank knows: if not, it needn't be made."""
        return self._broker.size > 1 or self._broker.events.wanted(topic)

    def provider(self, service: str) -> Any:
        """Return the live local module that provides `service`, or None: for direct calls on a hot path."""
        return self._broker.host.provider(service)

    def close(self) -> None:
        """Undo what is left of the module's subscriptions; the host calls it."""
        for prefix, callback in list(self._subscriptions):
            self.unsubscribe(prefix, callback)
