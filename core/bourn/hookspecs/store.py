"""Store backends: where rank 0 keeps everything that must outlive the broker.

A store takes `Batch`es: what one turn of the broker's loop decided, written atomically. Batches queued while
a commit runs share the next one (natural group commit). Nothing is acknowledged to a user, started or shown
in a journal before the batch that holds it is committed.

The rows are named tuples in the order of the tables' columns, so that a backend binds them as they are.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any, NamedTuple, Protocol

from attrs import Factory, define, frozen

from bourn.hookspecs import hookspec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from bourn.errors import BournError

EVENTLOG = "eventlog"
EXEC_EVENTLOG = "guest.exec.eventlog"
PARTS = "guest.exec.parts"
"""Of a job on several nodes: the starts and ends that each of them has told."""
OUTPUT = "guest.output"
INPUT = "guest.input"
RESOURCE_SET = "R"
SIGNED_JOBSPEC = "J"


class NewJob(NamedTuple):
    """A job that was accepted; also what `Store.job` and `Store.active_jobs` return."""

    id: int
    userid: int
    urgency: int
    flags: int
    t_submit: float
    spec_hash: bytes  # 16-32 bytes, a digest of spec_json and environment: they are stored once per digest
    spec_json: bytes  # the jobspec as JSON text
    overrides: str | None = None  # JSON object {dotted path: value} that is laid over the jobspec
    idem_key: str | None = None  # unique per user; a retry of the submission finds the job by it
    name: str | None = None
    queue: str | None = None
    cwd: str | None = None
    project: str | None = None
    bank: str | None = None
    ntasks: int | None = None
    duration: float = 0.0  # seconds, 0 = unlimited
    environment: tuple[bytes, bytes] | None = None
    """Digest and JSON text of `attributes.system.environment` where spec_json lacks it: it is stored
    once, as unlike jobs of a shell share it."""


class ArrayRow(NamedTuple):
    """A job array: members become jobs, with rows of their own, when their turn comes.

    A member's id is `bourn.model.jobid.member_id(id, number)`: greater than `id` and at most `last`.
    """

    id: int
    last: int  # the greatest id of a member
    userid: int
    urgency: int
    flags: int
    t_submit: float
    spec_hash: bytes
    spec_json: bytes
    members: str  # idset of their numbers
    idem_key: str | None = None
    name: str | None = None
    queue: str | None = None
    ntasks: int | None = None
    duration: float = 0.0
    signed: str | None = None  # J
    ending: str | None = None  # JSON: context of the exception that ends members that haven't begun
    t_inactive: float = 0.0  # when the last member ended; 0 while any is left
    environment: tuple[bytes, bytes] | None = None  # as in NewJob


class ArrayUpdate(NamedTuple):
    """Columns of an array that have changed: urgency, ending, t_inactive."""

    id: int
    columns: dict[str, Any]


class JobDone(NamedTuple):
    """The last word on a job; it leaves the active set. Times are seconds since 1970, 0 = never got there."""

    id: int
    result: int  # COMPLETED 1, FAILED 2, CANCELED 4, TIMEOUT 8
    t_inactive: float
    t_depend: float = 0.0
    t_run: float = 0.0
    t_cleanup: float = 0.0
    waitstatus: int | None = None
    urgency: int = 16
    priority: int = 0
    nnodes: int | None = None
    ncores: int | None = None
    ranks: str | None = None  # idset
    nodelist: str | None = None  # hostlist
    expiration: float = 0.0
    exception_type: str | None = None
    exception_severity: int | None = None
    exception_note: str | None = None
    annotations: str | None = None  # JSON object
    retries: int = 0  # how often it was run again


class JobUpdate(NamedTuple):
    """Columns of an active job that must follow an event: queue, name, duration, bank, urgency..."""

    id: int
    columns: dict[str, Any]


class JobRecord(NamedTuple):
    """An inactive job as lists and queries see it."""

    id: int
    userid: int
    flags: int
    t_submit: float
    name: str | None
    queue: str | None
    cwd: str | None
    project: str | None
    bank: str | None
    ntasks: int | None
    duration: float
    result: int
    t_inactive: float
    t_depend: float
    t_run: float
    t_cleanup: float
    waitstatus: int | None
    urgency: int
    priority: int
    nnodes: int | None
    ncores: int | None
    ranks: str | None
    nodelist: str | None
    expiration: float
    exception_type: str | None
    exception_severity: int | None
    exception_note: str | None
    annotations: str | None
    retries: int


class LogRow(NamedTuple):
    """A row of the journal: one or more newline-terminated JSON lines of one log of one job."""

    seq: int
    jobid: int
    name: str
    data: str


class JobCount(NamedTuple):
    """How many inactive jobs of a queue ended so."""

    queue: str | None
    result: int
    exception_type: str | None
    jobs: int


@frozen
class JobQuery:
    """Which inactive jobs are wanted, the latest `t_inactive` first. Empty fields don't narrow."""

    userid: int | None = None
    name: str | None = None
    queues: tuple[str, ...] = ()
    results: int = 0  # mask of result bits
    since: float = 0.0  # only jobs with t_inactive later than this
    min_id: int | None = None
    max_id: int | None = None
    members: bool = True  # False leaves members of arrays out
    limit: int = 0


@define
class KvsTxn:
    """An atomic transaction on one KVS namespace; the store fills in what came of it.

    `ops` are tuples (a value is str, or bytes that are not UTF-8):

    * ("put", key, value), ("append", key, value), ("unlink", key), ("mkdir", key),
      ("symlink", key, target, namespace or None)
    * alone: ("create", owner userid, flags); ("ensure", owner userid, flags), the same unless the namespace
      is there; ("remove",); ("gc", oldest version to keep)
    """

    namespace: str
    ops: list[tuple[Any, ...]]
    version: int = 0  # out: the namespace's version after the transaction
    changed: list[str] = Factory(list)  # out: the keys written, with symlinks resolved


@define
class Batch:
    """What one turn decided: lists that anyone may append to until it is written. Atomic as a whole."""

    jobs: list[NewJob] = Factory(list)
    logs: list[tuple[int, str, str]] = Factory(list)  # (jobid, log name, lines): THE journal
    done: list[JobDone] = Factory(list)
    updates: list[JobUpdate] = Factory(list)
    arrays: list[ArrayRow] = Factory(list)
    array_updates: list[ArrayUpdate] = Factory(list)
    purge: list[int] = Factory(list)  # inactive jobs to forget, with their logs
    kvs: list[KvsTxn] = Factory(list)
    resource: list[str] = Factory(list)  # lines of the resource eventlog
    meta: dict[str, Any] = Factory(dict)  # key -> JSON-able value; None deletes

    def __bool__(self) -> bool:
        return bool(
            self.logs or self.jobs or self.done or self.updates or self.purge
            or self.arrays or self.array_updates
            or self.kvs or self.resource or self.meta
        )  # fmt: skip


class KvsEntry(NamedTuple):
    """What stands under a key: a "val", a "dir", or a "symlink" to `value`, [namespace::]target."""

    name: str
    kind: str
    value: str | bytes | None
    version: int  # of the namespace when the entry was last written


class KvsNamespace(NamedTuple):
    """A namespace of the KVS."""

    name: str
    owner: int
    flags: int
    version: int
    oldest: int  # snapshots before this version have been collected


class Store(Protocol):
    """The durable state of an instance. All calls are made on the broker's loop."""

    def write(self, batch: Batch, done: Callable[[BournError | None], None] | None = None) -> None:
        """Queue a batch; `done` is called on the loop after the commit, in the order of the calls.

        `done` gets the error when the batch was not stored: ENOSPC "No space left on ...", EIO, or what a
        KVS transaction was refused for. A batch that failed left no trace; those before and after it stand.
        """

    async def commit(self, batch: Batch) -> None:
        """Write, and wait for the commit; raise the error if there is one."""

    def meta(self, key: str) -> Any | None:
        """Return a value of the instance's small table of facts."""

    def max_jobid(self) -> int:
        """Return the greatest job id ever stored (purged ones included), 0 for none."""

    def next_jobid(self, at_least: int) -> int | None:
        """Return the smallest job id from `at_least` on, active or not."""

    def active_jobs(self) -> Iterator[NewJob]:
        """Yield the jobs that are not inactive, by id."""

    def job(self, jobid: int) -> NewJob | None:
        """Return a job, active or not."""

    def jobspec(self, jobid: int) -> dict[str, Any] | None:
        """Return a job's jobspec with its overrides laid over it, freshly decoded."""

    def job_by_key(self, userid: int, idem_key: str) -> int | None:
        """Return the id of the job or array that a user submitted under an idempotency key."""

    def arrays(self, *, active: bool | None = None) -> list[ArrayRow]:
        """Return the arrays there are, by id: those with members that have not ended, the others, or all."""

    def array(self, id: int) -> ArrayRow | None:
        """Return the array of an id, whether it has ended or not."""

    def array_jobs(self, array: int, last: int) -> list[int]:
        """Return the ids of an array's members that have become jobs, in order."""

    def array_results(self, array: int, last: int) -> dict[int, int]:
        """Count an array's inactive members by result."""

    def events(self, jobid: int, log: str = EVENTLOG, skip: int = 0) -> Iterator[str]:
        """Yield the rows of one log of a job, from row `skip` on; joined, they are the log. Read in pieces: a
        log may be larger than memory."""

    def log_rows(self, jobid: int, log: str) -> int:
        """Return how many rows a log has."""

    def log_text(self, jobid: int, log: str) -> str | None:
        """Return a whole log; None if it has no row."""

    def log_last(self, jobid: int, log: str) -> str | None:
        """Return the last row of a log: what R is, which is written anew as a whole when it changes."""

    def log_names(self, jobid: int) -> list[str]:
        """Return the names of the logs that a job has."""

    def active_events(self, log: str = EVENTLOG) -> Iterator[tuple[int, str]]:
        """Yield (jobid, row) of a log for all active jobs, each job's rows in order: replay at start."""

    def journal(self, since_seq: int = 0, limit: int = 0) -> Iterator[LogRow]:
        """Yield the journal's rows with seq > since_seq in the order of commit."""

    def query_jobs(self, query: JobQuery) -> Iterator[JobRecord]:
        """Yield inactive jobs, reading a chunk at a time; no read transaction stays open between chunks."""

    def inactive_job(self, jobid: int) -> JobRecord | None:
        """Return one inactive job."""

    def job_stats(self) -> list[JobCount]:
        """Count the inactive jobs."""

    def purgeable(
        self, *, before: float | None = None, keep: int | None = None, limit: int = 1000
    ) -> list[int]:
        """Return inactive jobs, oldest first: those inactive before a time, or beyond the newest `keep`."""

    def resource_events(self) -> Iterator[str]:
        """Yield the rows of the resource eventlog."""

    def kvs_namespaces(self) -> list[KvsNamespace]:
        """Return the namespaces there are, by name."""

    def kvs_namespace(self, name: str) -> KvsNamespace | None:
        """Return a namespace."""

    def kvs_get(self, namespace: str, key: str, version: int | None = None) -> KvsEntry | None:
        """Return the entry under a key at a version, or now; no symlink is followed; "." is the root."""

    def kvs_dir(self, namespace: str, key: str, version: int | None = None) -> list[KvsEntry]:
        """Return the entries directly inside a directory, by name."""

    def stats(self) -> dict[str, Any]:
        """Return counters and sizes."""

    async def check(self) -> list[str]:
        """Look through the whole store; return what is wrong with it, nothing if all is well."""

    async def checkpoint(self) -> None:
        """Fold the write-ahead log into the database and give free space back."""

    def dump(self) -> AsyncIterator[bytes]:
        """Yield a consistent copy of everything, in chunks (the format stands in docs/store.md)."""

    async def restore(self, file: IO[bytes]) -> dict[str, int]:
        """Load a dump into this store, which must hold no jobs and no keys (else EEXIST); all or nothing.

        Returns the number of rows of each table.
        """

    async def close(self) -> None:
        """Commit what is queued, checkpoint and let go."""


@frozen
class StoreOptions:
    """What a backend is opened with."""

    directory: Path  # of the state; for a store that is not durable, a place for temporary files
    synchronous: str = "normal"  # "normal" survives kill -9, "full" survives loss of power, "off" neither
    options: Mapping[str, Any] = Factory(dict)  # the table `[store.options]`, for backends of your own
    soon: Callable[[Callable[[], None]], None] | None = None  # `ctx.soon` of the broker


@frozen
class StoreBackend:
    """A kind of store that `[store] backend = NAME` can choose.

    `open` is called within a running trio loop, before any other module. It raises BournError when the
    directory's state is corrupt, foreign, newer than this version or in use, and then leaves it untouched.
    """

    name: str
    open: Callable[[StoreOptions], Store]
    durable: bool
    description: str = ""


@hookspec
def bourn_stores() -> Iterable[StoreBackend]:
    """Register store backends, of which `[store] backend = "NAME"` chooses one.

    Called: once, when the `store` module starts.
    Process: broker, rank 0.
    Order: none; the configuration chooses by name.
    Errors: an exception leaves this plugin's backends out. A BournError from `StoreBackend.open` ends the
    start with its message.
    Since: 0.1

    Example::

        from collections.abc import Iterator

        from bourn.hookspecs import hookimpl
        from bourn.hookspecs.store import Store, StoreBackend, StoreOptions

        def open_it(options: StoreOptions) -> Store:
            from my_site.postgres import PostgresStore

            return PostgresStore(options.directory)

        @hookimpl
        def bourn_stores() -> Iterator[StoreBackend]:
            yield StoreBackend("postgres", open_it, durable=True, description="the site's database")

    A backend is held to `bourn.testing.store.check_store`.
    """
    return ()
