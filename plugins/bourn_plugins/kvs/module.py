"""The service `kvs`: requests in, transactions to the store, watchers told after the commit."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import trio
from attrs import define

from bourn.broker.module import ANYONE, LATER, Module, Request, method
from bourn.errors import BournError, RPCError
from bourn.hookspecs.store import Batch, KvsNamespace, KvsTxn

from .config import KvsTable
from .jobview import PRIMARY, TOP, JobView, is_job_key, job_of, node_of
from .tree import DIR, ROOT, SYMLINK, Node, normalize, resolve
from .watch import Watcher
from .wire import entry_out, ops_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from bourn.broker.module import ModuleContext
    from bourn.broker.request import Later
    from bourn.hookspecs.store import Store

GUEST = 1  # namespace flag: made by a guest, or for a guest's job


@define
class Fence:
    """A transaction that waits until all its participants have added their part."""

    nprocs: int
    parts: list[tuple[Request, list[tuple[Any, ...]]]]


class KvsModule(Module):
    """Keys, transactions, watches. Guests reach their own namespaces and their own jobs' keys only."""

    def __init__(self, ctx: ModuleContext) -> None:
        super().__init__(ctx)
        self._history = max(1, ctx.config.table("kvs", KvsTable).history)
        self._watchers: dict[str, dict[Watcher, None]] = {}
        self._waiters: dict[str, dict[Request, int]] = {}
        self._fences: dict[tuple[str, str], Fence] = {}
        self._held: dict[Request, tuple[str, int]] = {}
        self._collecting: set[str] = set()
        self._commits = self._gets = 0

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Make the primary namespace, then serve."""
        self._store: Store = self.ctx.provider("store").store
        await self._store.commit(Batch(kvs=[KvsTxn(PRIMARY, [("ensure", self.ctx.owner, 0)])]))
        await super().run(task_status=task_status)

    def stats(self) -> dict[str, object]:
        """Return counters, and each namespace's version."""
        return {
            "commits": self._commits,
            "lookups": self._gets,
            "watchers": sum(map(len, self._watchers.values())),
            "fences": len(self._fences),
            "namespaces": {ns.name: ns.version for ns in self._store.kvs_namespaces()},
        }

    # Who may do what.

    def _namespace(self, request: Request) -> str:
        name = request.get("namespace", str, PRIMARY)
        if not request.is_owner and name != PRIMARY:
            self._check_owner(request, name)
        return name

    def _check_owner(self, request: Request, name: str) -> None:
        namespace = self._store.kvs_namespace(name)
        if namespace is not None:
            owner: int | None = namespace.owner
        else:
            jobid = job_of(name)
            job = self._store.job(jobid) if jobid is not None else None
            owner = job.userid if job is not None else None
        if owner != request.userid:
            raise BournError(f"KVS namespace '{name}' is not yours", errno.EPERM)

    def _may_read(self, request: Request, namespace: str, key: str) -> None:
        if not request.is_owner and namespace == PRIMARY and not is_job_key(key):
            raise BournError(f"key {key}: guests read their own jobs' keys and namespaces only", errno.EPERM)

    def _view(self, request: Request) -> JobView:
        owner, userid = request.is_owner, request.userid
        return JobView(self._store, lambda user: owner or user == userid)

    # Reading.

    def _lookup(
        self, request: Request, namespace: str, key: str, version: int | None, follow: bool = True
    ) -> tuple[str, str, Node | None]:
        """Return where a key leads: namespace, key, entry."""
        store = self._store
        if not (namespace == PRIMARY and is_job_key(key)):
            # A live row implies that all above it are directories, so most keys take one look-up.
            entry = store.kvs_get(namespace, key, version)
            if entry is not None and (entry.kind != "symlink" or not follow):
                return namespace, key, node_of(entry)
        view = self._view(request)
        start = namespace

        def get(ns: str, directory: str, name: str) -> Node | None:
            path = f"{directory}.{name}" if directory else name
            if ns != start and not request.is_owner:
                self._check_owner(request, ns)
            if ns == PRIMARY and is_job_key(path):
                return view.get(path)
            self._may_read(request, ns, path)
            found = store.kvs_get(ns, path, version if ns == start else None)
            return node_of(found) if found is not None else None

        return resolve(get, namespace, key, follow_last=follow)

    def _found(self, request: Request, *, follow: bool = True) -> tuple[str, str, Node]:
        namespace = self._namespace(request)
        key = normalize(request.get("key", str))
        self._may_read(request, namespace, key)
        self._gets += 1
        at = self._lookup(request, namespace, key, request.get("version", int, None), follow)
        if at[2] is None:
            raise BournError(f"key {key} does not exist", errno.ENOENT)
        return at[0], at[1], at[2]

    @method(allow=ANYONE)
    def get(self, request: Request) -> dict[str, Any]:
        """Return {kind, value} of a key; not `follow`: of a symlink itself; `version`: of a snapshot."""
        return entry_out(self._found(request, follow=request.get("follow", bool, True))[2])

    @method(allow=ANYONE)
    def dir(self, request: Request) -> dict[str, Any]:
        """Return {entries: [{name, kind, value}]} of a directory."""
        namespace, key, node = self._found(request)
        if node.kind != DIR:
            raise BournError(f"key {key} is not a directory", errno.ENOTDIR)
        if namespace == PRIMARY and is_job_key(key):
            found = self._view(request).dir(key)
        else:
            version = request.get("version", int, None)
            found = [(e.name, node_of(e)) for e in self._store.kvs_dir(namespace, key, version)]
            if namespace == PRIMARY and key == ROOT and self._store.next_jobid(0) is not None:
                found = sorted([*found, (TOP, Node(DIR))])
        return {"key": key, "entries": [{"name": name, **entry_out(node)} for name, node in found]}

    @method(allow=ANYONE)
    def getroot(self, request: Request) -> dict[str, Any]:
        """Return {namespace, version, owner, flags, oldest}: a reference for snapshot reads."""
        return _describe(self._known(self._namespace(request)))

    @method(allow=ANYONE, streaming=True)
    def snapshot(self, request: Request) -> Later:
        """Respond with the root, and keep its version readable until the stream is cancelled."""
        root = self._known(self._namespace(request))
        self._held[request] = (root.name, root.version)

        def let_go() -> None:
            self._held.pop(request, None)

        request.on_cancel = let_go
        request.respond(_describe(root))
        return LATER

    def _known(self, name: str) -> KvsNamespace:
        namespace = self._store.kvs_namespace(name)
        if namespace is None:
            raise BournError(f"KVS namespace '{name}' does not exist", errno.ENOENT)
        return namespace

    # Writing.

    @method(allow=ANYONE)
    def commit(self, request: Request) -> Later:
        """Carry out {ops} atomically; respond {version} when they are stored."""
        txn = KvsTxn(self._namespace(request), ops_in(request.get("ops", list)))
        self._write(request, txn, [request])
        return LATER

    @method(allow=ANYONE)
    def fence(self, request: Request) -> Later:
        """Like commit, but one transaction of what `nprocs` participants give under one `name`."""
        namespace = self._namespace(request)
        key = (namespace, request.get("name", str))
        nprocs = request.get("nprocs", int)
        ops = ops_in(request.get("ops", list))
        self._check_writable(request, namespace, ops)
        fence = self._fences.setdefault(key, Fence(nprocs, []))
        if nprocs < 1 or fence.nprocs != nprocs:
            raise BournError(f"fence {key[1]}: nprocs is {nprocs}, others gave {fence.nprocs}")
        fence.parts.append((request, ops))

        def withdraw() -> None:
            fence.parts = [part for part in fence.parts if part[0] is not request]
            if not fence.parts:
                self._fences.pop(key, None)

        request.on_cancel = withdraw
        if len(fence.parts) == nprocs:
            del self._fences[key]
            every = [op for _, part in fence.parts for op in part]
            for part, _ in fence.parts:
                part.on_cancel = None
            self._write(request, KvsTxn(namespace, every), [part for part, _ in fence.parts])
        return LATER

    def _check_writable(self, request: Request, namespace: str, ops: list[tuple[Any, ...]]) -> None:
        if namespace == PRIMARY:
            if not request.is_owner:
                raise BournError("guests can't write to the primary KVS namespace", errno.EPERM)
            for op in ops:
                if is_job_key(op[1]):
                    raise BournError(
                        f"key {op[1]} is a view of the job store; write to the job's namespace", errno.EROFS
                    )
        elif (jobid := job_of(namespace)) is not None and self._store.inactive_job(jobid) is not None:
            raise BournError(f"KVS namespace '{namespace}' can't be written: its job has ended", errno.EROFS)

    def _write(self, request: Request, txn: KvsTxn, requests: list[Request]) -> None:
        self._check_writable(request, txn.namespace, txn.ops)
        batch = Batch(kvs=[txn])
        jobid = job_of(txn.namespace)
        if jobid is not None:
            # A job's namespace costs nothing until the job writes to it.
            job = self._store.job(jobid)
            if job is not None:
                batch.kvs.insert(0, KvsTxn(txn.namespace, [("ensure", job.userid, GUEST)]))

        def done(error: BournError | None) -> None:
            if error is not None:
                for each in requests:
                    each.error(error.errnum, error.message)
                return
            self._commits += 1
            for each in requests:
                each.respond({"version": txn.version})
            self._committed(txn)

        self._store.write(batch, done)

    def _committed(self, txn: KvsTxn) -> None:
        waiters = self._waiters.get(txn.namespace)
        if waiters:
            for request, version in list(waiters.items()):
                if version <= txn.version:
                    del waiters[request]
                    request.respond({"version": txn.version})
        if txn.changed:
            for watcher in list(self._watchers.get(txn.namespace, ())):
                if watcher.concerned(txn.changed):
                    self._tell(watcher, txn.version)
        if txn.version % 64 == 0:
            self._collect(txn.namespace, txn.version)

    def _collect(self, name: str, version: int) -> None:
        """Let versions go that are beyond the history and that nobody holds."""
        held = [v for ns, v in self._held.values() if ns == name]
        oldest = min([version - self._history, *held])
        if oldest <= 0 or name in self._collecting:
            return
        self._collecting.add(name)
        self._store.write(
            Batch(kvs=[KvsTxn(name, [("gc", oldest)])]), lambda error: self._collecting.discard(name)
        )

    # Waiting and watching.

    @method(allow=ANYONE)
    def wait(self, request: Request) -> Later | dict[str, int]:
        """Respond {version} once the namespace has come to `version`."""
        root = self._known(self._namespace(request))
        wanted = request.get("version", int)
        if root.version >= wanted:
            return {"version": root.version}
        waiters = self._waiters.setdefault(root.name, {})
        waiters[request] = wanted

        def withdraw() -> None:
            waiters.pop(request, None)

        request.on_cancel = withdraw
        return LATER

    @method(allow=ANYONE, streaming=True)
    async def watch(self, request: Request) -> None:
        """Respond with {kind, value, version} of a key now and after every commit that writes it.

        `uniq`: only when it differs. `append`: only what was added. `waitcreate`: wait for a key that isn't
        there yet. It ends with ENOENT when the key, or its namespace, is removed.
        """
        namespace = self._namespace(request)
        key = normalize(request.get("key", str))
        self._may_read(request, namespace, key)
        if namespace == PRIMARY and is_job_key(key):
            await self._watch_log(request, key)
            return
        watcher = Watcher(
            request, namespace, key, request.get("append", bool, False), request.get("uniq", bool, False)
        )
        root = self._store.kvs_namespace(namespace)
        if not request.get("waitcreate", bool, False):
            self._found(request)
        watchers = self._watchers.setdefault(namespace, {})
        watchers[watcher] = None
        try:
            self._tell(watcher, root.version if root is not None else 0)
            await trio.sleep_forever()
        finally:
            watchers.pop(watcher, None)

    def _tell(self, watcher: Watcher, version: int) -> None:
        request = watcher.request
        try:
            namespace, at, node = self._lookup(request, watcher.namespace, watcher.key, version)
        except BournError as e:
            if watcher.told or e.errnum != errno.ENOENT:
                self._end(watcher, e.errnum, e.message)
            return
        watcher.direct = namespace == watcher.namespace and at == watcher.key
        if node is not None and node.kind != SYMLINK:
            watcher.tell(node, version)
        elif watcher.told:
            self._end(watcher, errno.ENOENT, f"key {watcher.key} does not exist any more")

    def _end(self, watcher: Watcher, errnum: int, text: str) -> None:
        self._watchers[watcher.namespace].pop(watcher, None)
        watcher.request.error(errnum, text)
        if watcher.request.scope is not None:
            watcher.request.scope.cancel()

    async def _watch_log(self, request: Request, key: str) -> None:
        """Watch a log of a job by the service that feeds on the job manager's commits."""
        from .jobview import parse

        place = parse(key)
        if place is None or place.jobid is None or not self._view(request).get(key):
            raise BournError(f"key {key} does not exist", errno.ENOENT)
        body = {"id": place.jobid, "path": place.rest, "follow": True}
        whole = ""
        append = request.get("append", bool, False)
        try:
            async with self.ctx.stream("job-info.eventlog-watch", body) as lines:
                async for entry in lines:
                    text = entry["event"]
                    whole = text if append else whole + text
                    request.respond({"kind": "val", "value": whole, "version": 0})
        except RPCError as e:
            if e.errnum != errno.ENODATA:
                raise

    # Namespaces.

    @method(allow=ANYONE, name="namespace-list")
    def namespace_list(self, request: Request) -> dict[str, Any]:
        """Return {namespaces: [...]}; a guest sees its own."""
        return {
            "namespaces": [
                _describe(ns)
                for ns in self._store.kvs_namespaces()
                if request.is_owner or ns.owner == request.userid
            ]
        }

    @method(name="namespace-create")
    def namespace_create(self, request: Request) -> Later:
        """Make a namespace, `owner`'s if that is given."""
        name = request.get("namespace", str)
        if not name or not name.isprintable() or ":" in name or " " in name:
            raise BournError(f"'{name}' can't be the name of a KVS namespace")
        op = ("create", request.get("owner", int, request.userid), 0)
        self._simple(request, KvsTxn(name, [op]))
        return LATER

    @method(name="namespace-remove")
    def namespace_remove(self, request: Request) -> Later:
        """Remove a namespace; watches of it end with ENOENT."""
        name = request.get("namespace", str)
        if name == PRIMARY:
            raise BournError("the primary KVS namespace can't be removed", errno.EPERM)

        def gone() -> None:
            for watcher in list(self._watchers.get(name, ())):
                self._end(watcher, errno.ENOENT, f"KVS namespace '{name}' was removed")
            for request in self._waiters.pop(name, {}):
                request.error(errno.ENOENT, f"KVS namespace '{name}' was removed")

        self._simple(request, KvsTxn(name, [("remove",)]), gone)
        return LATER

    def _simple(self, request: Request, txn: KvsTxn, then: Callable[[], None] | None = None) -> None:
        def done(error: BournError | None) -> None:
            if error is not None:
                request.error(error.errnum, error.message)
                return
            request.respond({})
            if then is not None:
                then()

        self._store.write(Batch(kvs=[txn]), done)


def _describe(namespace: KvsNamespace) -> dict[str, Any]:
    return {
        "namespace": namespace.name,
        "version": namespace.version,
        "owner": namespace.owner,
        "flags": namespace.flags,
        "oldest": namespace.oldest,
    }
