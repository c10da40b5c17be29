"""Dependency `singleton`: of a user's jobs of one name that ask for it, one at a time is let go, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.hookspecs import hookimpl
from bourn.hookspecs.job_plugins import JobPlugin

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bourn.hookspecs.job_plugins import Dependency, JobActions, JobView

DESCRIPTION = "singleton"


class Singleton(JobPlugin):
    """Keeps, for each user and name, the jobs that take turns."""

    name = "dependency-singleton"
    default = True

    def __init__(self) -> None:
        self.dependency_schemes = {"singleton": self._depend}
        self._turns: dict[tuple[int, str], list[int]] = {}
        self._keys: dict[int, tuple[int, str]] = {}
        self._held: set[int] = set()

    def inactive(self, job: JobView, act: JobActions) -> None:
        """A job has ended: the next one of its name may go."""
        following = self._leave(job.id)
        if following is not None and following in self._held:
            self._held.discard(following)
            act.remove_dependency(following, DESCRIPTION)

    def destroy(self, job: JobView) -> None:
        """Forget a job that was never accepted."""
        self._leave(job.id)

    def query(self) -> dict[str, Any]:
        """Return whose turn it is, by user and name."""
        return {f"{userid} {name}": jobs for (userid, name), jobs in self._turns.items()}

    def _depend(self, job: JobView, dependency: Dependency, act: JobActions) -> str | None:
        if job.attr("attributes.system.job.name") is None:
            return "dependency singleton: the job needs a name (--job-name)"
        key = (job.userid, job.name)
        turns = self._turns.setdefault(key, [])
        self._keys[job.id] = key
        if turns:
            self._held.add(job.id)
            act.add_dependency(job.id, DESCRIPTION)
        turns.append(job.id)
        return None

    def _leave(self, id: int) -> int | None:
        """Take a job out; return the one that is first now, if this one was."""
        self._held.discard(id)
        key = self._keys.pop(id, None)
        if key is None:
            return None
        turns = self._turns[key]
        first = turns[0] == id
        turns.remove(id)
        if not turns:
            del self._turns[key]
            return None
        return turns[0] if first else None


@hookimpl
def bourn_job_plugins() -> Iterable[JobPlugin]:
    """Register the plugin."""
    yield Singleton()
