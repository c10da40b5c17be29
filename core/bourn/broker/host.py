"""The module host: starts, watches, stops and reloads the modules of one broker."""

from __future__ import annotations

import errno
import logging
from typing import TYPE_CHECKING, Any

import trio

from bourn.broker.context import ModuleContext
from bourn.broker.module import MethodInfo, methods_of
from bourn.broker.order import start_order
from bourn.broker.roles import ANYONE
from bourn.broker.services import Endpoint
from bourn.errors import BournError, PluginError, suggest
from bourn.model.duration import format_duration

if TYPE_CHECKING:
    from collections.abc import Callable

    from bourn.broker.broker import Broker
    from bourn.broker.module import Module
    from bourn.broker.request import Request
    from bourn.hookspecs.modules import ModuleSpec

log = logging.getLogger("bourn.broker")


class LiveModule:
    """One module that was started: its state is `starting`, `running`, `failed` or `stopped`."""

    def __init__(
        self, spec: ModuleSpec, ctx: ModuleContext, no_method: Callable[[Request], None], *, builtin: bool
    ) -> None:
        self.spec = spec
        self.ctx = ctx
        self.builtin = builtin
        self.name = spec.name
        self.module: Module | None = None
        self.state = "starting"
        self.error: BaseException | None = None
        self.messages = 0
        self.seconds = 0.0
        self.since = trio.current_time()
        self.pending: set[Request] = set()
        self.scope = trio.CancelScope()
        self.finished = trio.Event()
        self._no_method = no_method

    @property
    def nursery(self) -> trio.Nursery:
        """Where the module's tasks live."""
        return self.ctx.nursery

    @property
    def reason(self) -> str:
        """Why it failed, in one line."""
        if self.error is None:
            return ""
        if isinstance(self.error, BournError):
            return self.error.message
        return f"{type(self.error).__name__}: {self.error}"

    def handle(self, request: Request) -> None:
        """Answer a request to its service for which it has no method, or any when it has failed."""
        if self.state == "failed":
            hint = f"`bourn module reload {self.name}` starts it anew"
            request.error(errno.EIO, f"module '{self.name}' has failed: {self.reason}; {hint}")
        else:
            self._no_method(request)

    def ping(self, request: Request) -> dict[str, Any]:
        """Answer `SERVICE.ping`: what was sent, and who received it from whom."""
        payload = request.payload if isinstance(request.payload, dict) else {}
        rank = self.ctx.rank
        return {**payload, "rank": rank, "userid": request.userid, "rolemask": request.rolemask}

    def stats(self, request: Request | None = None) -> dict[str, Any]:
        """Answer `SERVICE.stats`: counts that the host keeps, and the module's own."""
        own: dict[str, Any] = {}
        if self.module is not None and self.state == "running":
            try:
                own = self.module.stats()
            except Exception as error:
                text = f"module '{self.name}' failed in stats: {type(error).__name__}: {error}"
                raise PluginError(text, errno.EIO) from error
        return {
            "messages": self.messages,
            "seconds": round(self.seconds, 6),
            "pending": len(self.pending),
            "uptime": round(trio.current_time() - self.since, 3),
            **own,
        }

    def stats_row(self) -> dict[str, Any]:
        """Return what `bourn module list` shows."""
        return {
            "name": self.name,
            "state": self.state,
            "services": [*self.spec.provides],
            "requires": [*self.spec.requires],
            "error": self.reason,
            "messages": self.messages,
            "seconds": round(self.seconds, 6),
            "pending": len(self.pending),
            "uptime": round(trio.current_time() - self.since, 3),
        }


_PING = MethodInfo("ping", None, int(ANYONE), False, False)
_STATS = MethodInfo("stats", None, int(ANYONE), False, False)


class ModuleHost:
    """The modules of a broker, in the order of their start."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.live: dict[str, LiveModule] = {}
        self.available: dict[str, ModuleSpec] = {}
        self._files: dict[str, Callable[[], ModuleSpec]] = {}
        self._nursery: trio.Nursery

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Be the parent of all modules until cancelled."""
        async with trio.open_nursery() as self._nursery:
            task_status.started()
            await trio.sleep_forever()

    def provider(self, service: str) -> Module | None:
        """Return the running module that provides `service`."""
        found = self.broker.services.providers.get(service)
        return found.module if isinstance(found, LiveModule) and found.state == "running" else None

    def running_services(self) -> set[str]:
        """Return the services that running modules provide."""
        return {s for live in self.live.values() if live.state == "running" for s in live.spec.provides}

    async def start(self, spec: ModuleSpec, *, builtin: bool = False) -> LiveModule:
        """Start one module and wait until it serves; raises its BournError, or PluginError if it crashes."""
        present = self.live.get(spec.name)
        if present is not None and present.state != "failed":
            raise BournError(f"module '{spec.name}' is loaded already", errno.EEXIST)
        if present is not None:
            self._withdraw(present)
        for service in spec.provides:
            if service in self.broker.services.providers:
                raise BournError(
                    f"module '{spec.name}': service '{service}' is provided by "
                    f"{self._provider_name(service)}; remove that first",
                    errno.EEXIST,
                )
        start_order([spec], self.running_services())
        ctx = ModuleContext(self.broker, spec.name)
        live = LiveModule(spec, ctx, self.broker.services.no_method, builtin=builtin)
        self.live[spec.name] = live
        await self._nursery.start(self._life, live)
        if live.state == "failed":
            if isinstance(live.error, BournError):
                self._withdraw(live)
                raise BournError(f"module '{spec.name}': {live.error.message}", live.error.errnum) from None
            raise PluginError(f"module '{spec.name}' failed to start: {live.reason}")
        return live

    async def load(self, name: str) -> LiveModule:
        """Start a module that is known by name, because a plugin registered it."""
        spec = self.available.get(name)
        if spec is None:
            raise BournError(f"no module '{name}'{suggest(name, self.available)}", errno.ENOENT)
        return await self.start(spec)

    async def load_file(self, make: Callable[[], ModuleSpec]) -> LiveModule:
        """Start a module from a file; `make` reads it, again at each reload."""
        live = await self.start(make())
        self._files[live.name] = make
        return live

    async def remove(self, name: str) -> None:
        """Stop a module; EBUSY while another one requires its service."""
        live = self._find(name)
        needed_by = [other.name for other in self._dependents(live)]
        if needed_by:
            names = ", ".join(f"'{other}'" for other in needed_by)
            raise BournError(f"module '{name}' is required by {names}", errno.EBUSY)
        _refuse_to_lose([live])
        await self._stop(live)
        self._files.pop(name, None)

    async def reload(self, name: str) -> None:
        """Stop a module and the ones that require it, and start them again."""
        live = self._find(name)
        stopping = [live]
        for other in stopping:
            stopping += [more for more in self._dependents(other) if more not in stopping]
        _refuse_to_lose(stopping)
        make = self._files.get(name)
        # Read before anything is stopped: a file that is broken now leaves the old module running.
        spec = make() if make is not None else live.spec
        order = [other.spec for other in self.live.values() if other in stopping]
        for other in reversed([self.live[s.name] for s in order]):
            await self._stop(other)
        for again in order:
            await self.start(spec if again.name == name else again)

    async def cleanup(self, limit: float, *, keep: bool = False) -> None:
        """Let modules wind up what users have running, in the order of their start, in `limit` seconds; with
        `keep`, hand it over to the next broker.

        What a module winds up may need those that started after it: a job that is cancelled needs whoever
        runs it.
        """
        with trio.move_on_after(limit) as scope:
            for live in list(self.live.values()):
                if live.state == "running" and live.module is not None:
                    try:
                        await (live.module.handover() if keep else live.module.cleanup())
                    except Exception as error:
                        log.error("module '%s' failed to clean up", live.name, exc_info=error)
        if scope.cancelled_caught:
            log.error("module '%s' was still cleaning up after %s", live.name, format_duration(limit))

    async def stop_all(self, *, builtins: bool = False) -> None:
        """Stop all modules, the last one started first."""
        for live in reversed(list(self.live.values())):
            if live.builtin == builtins:
                await self._stop(live)

    def disconnect(self, client: str) -> None:
        """Tell the modules that a client has gone."""
        self._tell("a disconnect", lambda module: module.disconnect(client))

    def reconfigure(self) -> None:
        """Tell the modules of new configuration; raises the first refusal."""
        for live in list(self.live.values()):
            if live.module is not None and live.state == "running":
                live.module.reconfigure(self.broker.config)

    def _tell(self, what: str, call: Callable[[Module], None]) -> None:
        for live in list(self.live.values()):
            if live.module is not None and live.state == "running":
                try:
                    call(live.module)
                except Exception as error:
                    log.error("module '%s' failed on %s", live.name, what, exc_info=error)

    def _find(self, name: str) -> LiveModule:
        live = self.live.get(name)
        if live is None:
            raise BournError(f"no module '{name}' is loaded{suggest(name, self.live)}", errno.ENOENT)
        if live.builtin:
            raise BournError(f"module '{name}' is part of the broker", errno.EPERM)
        return live

    def _dependents(self, live: LiveModule) -> list[LiveModule]:
        provides = set(live.spec.provides)
        running = [other for other in self.live.values() if other.state == "running"]
        return [other for other in running if other is not live and provides & set(other.spec.requires)]

    def _provider_name(self, service: str) -> str:
        found = self.broker.services.providers[service]
        return f"module '{found.name}'" if isinstance(found, LiveModule) else "a client"

    async def _life(self, live: LiveModule, *, task_status: trio.TaskStatus[None]) -> None:
        """One module from construction to its end, however it ends."""
        serving = False
        try:
            with live.scope:
                async with trio.open_nursery() as live.ctx.nursery:
                    live.module = live.spec.factory(live.ctx)
                    await live.ctx.nursery.start(live.module.run)
                    self._register(live)
                    serving = True
                    task_status.started()
                    await trio.sleep_forever()
        except (Exception, SystemExit, BaseExceptionGroup) as error:
            cause = _cause(error)
            if cause is None:
                raise
            live.error = cause
        finally:
            live.ctx.close()
            live.finished.set()
            self._end(live, serving)
        if not serving:
            task_status.started()

    def _register(self, live: LiveModule) -> None:
        assert live.module is not None
        services, provides = self.broker.services, live.spec.provides
        for service in provides:
            services.add(service, live)
        common = [
            (info._replace(service=service), function)
            for service in provides
            for info, function in ((_PING, live.ping), (_STATS, live.stats))
        ]
        methods: list[tuple[MethodInfo, Callable[[Request], Any]]] = [*common, *methods_of(live.module)]
        for info, function in methods:
            service = info.service or (provides[0] if provides else live.name)
            if service in provides:
                topic = f"{service}.{info.name}"
                services.endpoints[topic] = Endpoint(topic, info, function, live)
        live.state = "running"

    def _end(self, live: LiveModule, serving: bool) -> None:
        for service in live.spec.provides:
            if self.broker.services.providers.get(service) is live:
                self.broker.services.remove(service)
        if live.error is None:
            live.state = "stopped"
            text = f"module '{live.name}' was removed"
        else:
            live.state = "failed"
            text = f"module '{live.name}' has failed: {live.reason}"
            if serving:
                log.error("module '%s' has failed", live.name, exc_info=live.error)
            if serving or not isinstance(live.error, BournError):
                for service in live.spec.provides:
                    self.broker.services.add(service, live)
        for request in list(live.pending):
            request.error(errno.EIO if live.error else errno.ENOSYS, text)

    async def _stop(self, live: LiveModule) -> None:
        self._withdraw(live)
        live.scope.cancel()
        await live.finished.wait()

    def _withdraw(self, live: LiveModule) -> None:
        self.live.pop(live.name, None)
        for service in live.spec.provides:
            if self.broker.services.providers.get(service) is live:
                self.broker.services.remove(service)


def _refuse_to_lose(stopping: list[LiveModule]) -> None:
    """Raise BournError if a module that is to be stopped holds what nobody else has."""
    for live in stopping:
        kept = live.module.keeps() if live.module is not None and live.state == "running" else ""
        if kept:
            raise BournError(
                f"module '{live.name}' can't be stopped while the instance runs: {kept}", errno.EBUSY
            )


def _cause(error: BaseException) -> BaseException | None:
    """Return the one error that ended a module, or None where it is the broker's own end."""
    cause: BaseException | None = error
    if isinstance(error, BaseExceptionGroup):
        cause = error.split((trio.Cancelled, KeyboardInterrupt))[1]
    while isinstance(cause, BaseExceptionGroup):
        cause = cause.exceptions[0]
    return cause
