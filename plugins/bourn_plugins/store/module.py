"""The module `store`: opens the configured backend for the other modules, and serves its upkeep."""

from __future__ import annotations

import base64
import errno
import os
import sys
import tempfile
from typing import IO, TYPE_CHECKING, Any

import trio

from bourn.broker.module import Module, Request, method
from bourn.config.tables import StoreTable
from bourn.errors import BournError, ConfigError, suggest
from bourn.hookspecs.store import StoreBackend, StoreOptions

if TYPE_CHECKING:
    from bourn.broker.module import ModuleContext
    from bourn.hookspecs.store import Store

SWITCH_INTERVAL = 0.0002  # s


class StoreModule(Module):
    """Other modules take the open store from `ctx.provider("store").store`."""

    store: Store

    def __init__(self, ctx: ModuleContext) -> None:
        super().__init__(ctx)
        self._uploads: dict[str, IO[bytes]] = {}

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Open the store; close it, with everything committed, when cancelled."""
        # The thread that waits for the disk needs the interpreter lock for an instant afterwards; at the
        # usual 5 ms a loop that never rests keeps it waiting for seconds.
        sys.setswitchinterval(SWITCH_INTERVAL)
        self.store = self._open()
        try:
            task_status.started()
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await self._save()
                await self.store.close()

    async def _save(self) -> None:
        """Dump the store to the file that the attribute `store.dump` names: the instance's last act."""
        target = self.ctx.attrs.get("store.dump")
        if not target:
            return
        part = f"{target}.part"
        try:
            with open(part, "wb") as file:  # noqa: ASYNC230  nothing else goes on any more
                async for piece in self.store.dump():
                    file.write(piece)
            os.replace(part, target)
        except (OSError, BournError) as error:
            self.ctx.log.error("-S store.dump=%s: %s", target, getattr(error, "strerror", None) or error)

    def _open(self) -> Store:
        table = self.ctx.config.table("store", StoreTable)
        backends: dict[str, StoreBackend] = {}
        for _, backend in self.ctx.plugins.collect("bourn_stores"):
            backends.setdefault(backend.name, backend)
        statedir = self.ctx.statedir
        name = table.backend or ("sqlite" if statedir is not None else "memory")
        if name not in backends:
            raise ConfigError(f"[store] backend: there is no store backend '{name}'{suggest(name, backends)}")
        backend = backends[name]
        self._durable = backend.durable
        directory = statedir if backend.durable and statedir is not None else self.ctx.rundir
        return backend.open(StoreOptions(directory, table.synchronous, table.options, self.ctx.soon))

    def keeps(self) -> str:
        """Refuse to forget everything."""
        return "" if self._durable else "it keeps all jobs in memory only; start with -S statedir=DIR"

    def stats(self) -> dict[str, object]:
        """Return sizes and counters."""
        return self.store.stats()

    @method()
    async def checkpoint(self, request: Request) -> dict[str, Any]:
        """Fold the write-ahead log in and give free space back to the file system."""
        await self.store.checkpoint()
        return self.store.stats()

    @method()
    async def check(self, request: Request) -> dict[str, Any]:
        """Look through the whole store."""
        return {"problems": await self.store.check()}

    @method(streaming=True)
    async def dump(self, request: Request) -> None:
        """Send a dump as base64 pieces."""
        async for chunk in self.store.dump():
            request.respond({"data": base64.b64encode(chunk).decode()})
            await request.drained()

    @method()
    async def restore(self, request: Request) -> dict[str, Any]:
        """Take one piece of a dump; the empty one ends it, and is answered when all of it is stored."""
        try:
            piece = base64.b64decode(request.get("data", str), validate=True)
        except ValueError as e:
            raise BournError(f"store.restore: 'data' is not base64: {e}", errno.EPROTO) from e
        if piece:
            if request.client not in self._uploads:
                file = tempfile.TemporaryFile(dir=self.ctx.rundir)  # noqa: SIM115 (closed in disconnect)
                self._uploads[request.client] = file
            self._uploads[request.client].write(piece)
            return {}
        if request.client not in self._uploads:
            raise BournError("store.restore: nothing was sent to restore")
        with self._uploads.pop(request.client) as upload:
            upload.seek(0)
            rows = await self.store.restore(upload)
        self.ctx.publish("store.restored", {"max-jobid": self.store.max_jobid()})
        return {"rows": rows}

    def disconnect(self, client: str) -> None:
        """Drop what a client has sent of a dump."""
        if client in self._uploads:
            self._uploads.pop(client).close()
