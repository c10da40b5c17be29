"""Dependencies on another job: after, afterstart, afterany, afterok, afternotok, afterexcept (RFC 26).

The value is the id of the other job in any encoding. `after` and `afterstart` are satisfied when it has
started, `afterany` when it has ended, `afterok` and `afternotok` when it has ended well or not,
`afterexcept` when an exception ended it. When a dependency can't be satisfied any more, the job that has
it gets an exception of type `depend`. A job array has ended well if all its members have; `afterany`,
`afterok` and `afternotok` may wait for one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.errors import BournError
from bourn.hookspecs import hookimpl
from bourn.hookspecs.job_plugins import JobPlugin
from bourn.model.jobid import JobID
from bourn.model.states import Result, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bourn.hookspecs.job_plugins import Dependency, JobActions, JobHost, JobView
    from bourn.hookspecs.store import ArrayRow, Store

ON_START = ("after", "afterstart")
OF_ARRAYS = ("afterany", "afterok", "afternotok")
ON_END = ("afterany", "afterok", "afternotok", "afterexcept")


def satisfied(scheme: str, result: int, by_exception: bool) -> bool:
    """Say whether the end of the other job satisfies a dependency."""
    if scheme == "afterany":
        return True
    if scheme == "afterok":
        return result == Result.COMPLETED
    if scheme == "afternotok":
        return result != Result.COMPLETED
    return scheme == "afterexcept" and by_exception


class After(JobPlugin):
    """Keeps who waits for whom."""

    name = "dependency-after"
    default = True
    events = frozenset({"start"})

    def __init__(self) -> None:
        self.dependency_schemes = dict.fromkeys((*ON_START, *ON_END), self._depend)
        self._host: JobHost
        self._waiting: dict[int, dict[tuple[int, str], str]] = {}
        """Awaited job -> (waiting job, description) -> scheme."""
        self._awaits: dict[int, set[int]] = {}
        """Waiting job -> awaited jobs."""
        self._started: set[int] = set()
        """Running jobs that have started."""

    def load(self, host: JobHost) -> None:
        """Keep the host, to find other jobs."""
        self._host = host

    def create(self, job: JobView, act: JobActions) -> None:
        """Take note of jobs that ran before a restart."""
        if job.state is State.RUN:
            self._started.add(job.id)

    def event(self, job: JobView, name: str, context: Mapping[str, Any], act: JobActions) -> None:
        """A job has started: satisfy those that wait for that."""
        self._started.add(job.id)
        waiting = self._waiting.get(job.id, {})
        for (id, description), scheme in list(waiting.items()):
            if scheme in ON_START:
                del waiting[id, description]
                act.remove_dependency(id, description)

    def cleanup(self, job: JobView, act: JobActions) -> None:
        """A job that ends waits no more."""
        for other in self._awaits.pop(job.id, ()):
            waiting = self._waiting.get(other, {})
            for key in [key for key in waiting if key[0] == job.id]:
                del waiting[key]

    def inactive(self, job: JobView, act: JobActions) -> None:
        """A job has ended: let those go that waited for that, and end those that now wait in vain."""
        by_exception = job.exception is not None and job.exception[1] == 0
        self._ended(job.id, job.result or 0, by_exception, act)

    def array_inactive(self, id: int, counts: Mapping[str, int], act: JobActions) -> None:
        """An array has ended: likewise."""
        self._ended(id, _result(counts), False, act)

    def _ended(self, other: int, result: int, by_exception: bool, act: JobActions) -> None:
        for (id, description), scheme in self._waiting.pop(other, {}).items():
            if satisfied(scheme, result, by_exception):
                act.remove_dependency(id, description)
            else:
                act.raise_exception(id, "depend", 0, _in_vain(description))

    def destroy(self, job: JobView) -> None:
        """Forget a job."""
        self._started.discard(job.id)
        self._waiting.pop(job.id, None)
        self._awaits.pop(job.id, None)

    def query(self) -> dict[str, Any]:
        """Return who waits for whom."""
        return {
            JobID(other).f58: [
                {"id": JobID(id).f58, "description": description} for id, description in waiting
            ]
            for other, waiting in self._waiting.items()
            if waiting
        }

    def _depend(self, job: JobView, dependency: Dependency, act: JobActions) -> str | None:
        scheme, value = dependency["scheme"], dependency.get("value")
        try:
            other = int(JobID.parse(str(value)))
        except BournError as error:
            return f"dependency {scheme}:{value}: {error.message}"
        description = f"{scheme}={value}"
        if other == job.id:
            return f"dependency {description}: a job can't wait for itself"
        active = self._host.job(other)
        if active is None or active.state is State.INACTIVE:
            array = self._store.array(other) if active is None and self._store is not None else None
            if array is not None:
                return self._on_array(job, scheme, array, description, act)
            return self._on_ended(job, scheme, other, description, active)
        if job.userid != active.userid and not self._is_owner(job.userid):
            return f"dependency {description}: job {JobID(other)} belongs to another user"
        if scheme in ON_START and other in self._started:
            return None
        self._wait(job, other, description, scheme, act)
        return None

    def _wait(self, job: JobView, other: int, description: str, scheme: str, act: JobActions) -> None:
        self._waiting.setdefault(other, {})[job.id, description] = scheme
        self._awaits.setdefault(job.id, set()).add(other)
        act.add_dependency(job.id, description)

    @property
    def _store(self) -> Store | None:
        return self._host.ctx.provider("store").store if self._host.ctx is not None else None

    def _on_array(
        self, job: JobView, scheme: str, array: ArrayRow, description: str, act: JobActions
    ) -> str | None:
        if scheme not in OF_ARRAYS:
            return f"dependency {description}: a job array can be waited for by {', '.join(OF_ARRAYS)}"
        if job.userid != array.userid and not self._is_owner(job.userid):
            return f"dependency {description}: array {JobID(array.id)} belongs to another user"
        if not array.t_inactive:
            self._wait(job, array.id, description, scheme, act)
            return None
        assert self._store is not None
        results = self._store.array_results(array.id, array.last)
        well = set(results) <= {int(Result.COMPLETED)}
        if satisfied(scheme, Result.COMPLETED if well else Result.FAILED, False):
            return None
        return _in_vain(description)

    def _on_ended(
        self, job: JobView, scheme: str, other: int, description: str, ended: JobView | None
    ) -> str | None:
        """Decide about a job that is inactive already: None if that satisfies, else the reason why not."""
        if ended is not None:
            userid, result = ended.userid, int(ended.result or 0)
            ran = other in self._started
            by_exception = ended.exception is not None and ended.exception[1] == 0
        else:
            store = self._store
            row = store.inactive_job(other) if store is not None else None
            if row is None:
                return f"dependency {description}: no such job {JobID(other)}"
            userid, result, ran = row.userid, row.result, row.t_run > 0 and row.waitstatus is not None
            by_exception = row.exception_severity == 0
        if job.userid != userid and not self._is_owner(job.userid):
            return f"dependency {description}: job {JobID(other)} belongs to another user"
        if ran if scheme in ON_START else satisfied(scheme, result, by_exception):
            return None
        return _in_vain(description)

    def _is_owner(self, userid: int) -> bool:
        return self._host.ctx is None or userid == self._host.ctx.owner


def _result(counts: Mapping[str, int]) -> int:
    """Return how an array has ended."""
    well = not any(counts[name] for name in ("failed", "canceled", "timeout"))
    return Result.COMPLETED if well else Result.FAILED


def _in_vain(description: str) -> str:
    return f"dependency {description} can never be satisfied: the job has ended otherwise"


@hookimpl
def bourn_job_plugins() -> Iterable[JobPlugin]:
    """Register the plugin."""
    yield After()
