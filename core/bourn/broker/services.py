"""The services of this rank: from a topic to the function that answers it."""

from __future__ import annotations

import errno
import logging
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

import trio

from bourn.broker.message import STREAMING
from bourn.broker.request import LATER
from bourn.errors import BournError, suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bourn.broker.module import MethodInfo
    from bourn.broker.request import Request

log = logging.getLogger("bourn.broker")


class Owner(Protocol):
    """What an endpoint needs of the module it belongs to."""

    name: str
    messages: int
    seconds: float
    pending: set[Request]

    @property
    def nursery(self) -> trio.Nursery:
        """Where an asynchronous method's task runs."""
        ...


class Provider(Protocol):
    """Takes the requests to a service for which there is no endpoint of that topic."""

    def handle(self, request: Request) -> None:
        """Answer, forward or refuse."""


class Endpoint:
    """One method of one module."""

    __slots__ = ("allow", "function", "is_async", "owner", "streaming", "topic")

    def __init__(
        self, topic: str, info: MethodInfo, function: Callable[[Request], Any], owner: Owner
    ) -> None:
        self.topic = topic
        self.function = function
        self.owner = owner
        self.allow = info.allow
        self.streaming = STREAMING if info.streaming else 0
        self.is_async = info.is_async

    def __call__(self, request: Request) -> None:
        """Answer a request, now or by a task."""
        if not request.rolemask & self.allow:
            request.error(errno.EPERM, f"{self.topic}: not allowed for user {request.userid}")
            return
        if request.flags & STREAMING != self.streaming:
            what = "needs" if self.streaming else "doesn't take"
            request.error(errno.EPROTO, f"{self.topic} {what} the streaming flag")
            return
        owner = self.owner
        owner.messages += 1
        began = perf_counter()
        try:
            if self.is_async:
                request.keep(owner.pending)
                owner.nursery.start_soon(self._task, request, name=self.topic)
            else:
                self._finish(request, self.function(request))
        except (Exception, SystemExit) as error:
            self._fail(request, error)
        owner.seconds += perf_counter() - began

    async def _task(self, request: Request) -> None:
        with trio.CancelScope() as request.scope:
            try:
                self._finish(request, await self.function(request))
            except (Exception, SystemExit) as error:
                self._fail(request, error)

    def _finish(self, request: Request, result: object) -> None:
        if result is LATER:
            if not request.done and request._holder is None:
                request.keep(self.owner.pending)
        elif self.streaming:
            request.end()
        else:
            request.respond(result)

    def _fail(self, request: Request, error: BaseException) -> None:
        if isinstance(error, BournError):
            request.error(error.errnum, error.message)
            return
        log.error("module '%s' failed in %s", self.owner.name, self.topic, exc_info=error)
        text = f"module '{self.owner.name}' failed in {self.topic}: {type(error).__name__}: {error}"
        request.error(errno.EIO, text)


class ServiceTable:
    """Endpoints by topic, providers by service."""

    def __init__(self) -> None:
        self.endpoints: dict[str, Endpoint] = {}
        self.providers: dict[str, Provider] = {}

    def __contains__(self, topic: object) -> bool:
        return topic in self.endpoints or str(topic).partition(".")[0] in self.providers

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self.providers))

    def add(self, service: str, provider: Provider) -> None:
        """Register a service; EEXIST where it has a provider."""
        if service in self.providers:
            raise BournError(f"service '{service}' is there already", errno.EEXIST)
        self.providers[service] = provider

    def remove(self, service: str) -> None:
        """Remove a service with its endpoints."""
        self.providers.pop(service, None)
        prefix = service + "."
        for topic in [topic for topic in self.endpoints if topic.startswith(prefix)]:
            del self.endpoints[topic]

    def call(self, request: Request) -> None:
        """Hand a request to who answers it; ENOSYS, with what is meant perhaps, if nobody does."""
        endpoint = self.endpoints.get(request.topic)
        if endpoint is not None:
            endpoint(request)
            return
        service, _, name = request.topic.partition(".")
        provider = self.providers.get(service)
        if not name:
            request.error(errno.EPROTO, f"'{request.topic}' is no topic; one has the form SERVICE.METHOD")
        elif provider is not None:
            provider.handle(request)
        else:
            request.error(errno.ENOSYS, f"no service '{service}'{suggest(service, self.providers)}")

    def no_method(self, request: Request) -> None:
        """Refuse a request to a service that has no such method."""
        service, _, name = request.topic.partition(".")
        known = [topic[len(service) + 1 :] for topic in self.endpoints if topic.startswith(service + ".")]
        request.error(errno.ENOSYS, f"service '{service}' has no method '{name}'{suggest(name, known)}")
