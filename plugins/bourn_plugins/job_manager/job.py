"""A job as the job manager holds it: small, because thousands live at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field

from bourn.model.states import Result, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bourn.model.interned import InternedJobspec

# Submission flags (RFC 18 gives the names; the bits are those of the client's `flags`).
DEBUG = 2
WAITABLE = 4
NOVALIDATE = 8
IMMUTABLE = 16
ALLOC_BYPASS = 32
FLAGS = {
    "debug": DEBUG,
    "waitable": WAITABLE,
    "novalidate": NOVALIDATE,
    "immutable": IMMUTABLE,
    "alloc-bypass": ALLOC_BYPASS,
}

# What the eventlog says beyond the state: `Job.facts`, the same after a replay.
ALLOCATED = 1
STARTED = 2
FINISHED = 4
RELEASED = 8
GIVEN_UP = 16
"""It is not to be run again: it was cancelled, or something else came after its end."""

# What has been asked of others and not been answered: `Job.asked`, gone with the broker.
ASKED_PRIORITY = 1
ASKED_ALLOC = 2
ASKED_ALLOC_CANCEL = 4
ASKED_START = 8
ASKED_EXEC_CANCEL = 16

_EMPTY: Mapping[str, Any] = {}


@define(eq=False)
class Job:
    """An active job; read-only for everyone but `machine` and the engine. It is a `JobView` for plugins.

    Times are seconds since the epoch, 0 where the job never got there.
    """

    id: int
    userid: int
    urgency: int
    flags: int
    t_submit: float
    spec: InternedJobspec
    overrides: dict[str, Any] | None = None
    name: str = ""
    queue: str | None = None
    state: State = State.NEW
    priority: int = -1
    facts: int = 0
    asked: int = 0
    events: int = 0
    """How many events its eventlog has."""
    retries: int = 0
    """How often it has been run again."""
    result: Result | None = None
    exception: tuple[str, int, str] | None = None
    waitstatus: int | None = None
    t_depend: float = 0.0
    t_run: float = 0.0
    t_cleanup: float = 0.0
    t_inactive: float = 0.0
    expiration: float = 0.0
    R: dict[str, Any] | None = None
    deps: dict[str, bool] | None = None
    """Description -> whether it is satisfied."""
    prologs: list[str] | None = None
    """Prologs that run now."""
    epilogs: list[str] | None = None
    notes: dict[str, Any] | None = None
    """Annotations."""
    memo: dict[str, Any] | None = None
    queued: list[tuple[str, dict[str, Any] | None]] | None = field(default=None, repr=False)
    """Events posted while one is being handled; None when none is."""
    text: str = field(default="", repr=False)
    """Lines of the eventlog that are in no batch yet."""

    @property
    def jobspec(self) -> Mapping[str, Any]:
        """The jobspec as ingested, shared by all equal jobs."""
        return self.spec.obj

    @property
    def dependencies(self) -> Iterable[str]:
        """Descriptions of the dependencies that hold it."""
        return [name for name, satisfied in self.deps.items() if not satisfied] if self.deps else ()

    @property
    def annotations(self) -> Mapping[str, Any]:
        """What the scheduler and plugins say about it."""
        return self.notes or _EMPTY

    @property
    def handed_down(self) -> bool:
        """Whether a child of this instance has it: what it holds is the child's, and so is its running."""
        return self.notes is not None and "child" in self.notes.get("exec", _EMPTY)

    def attr(self, key: str, default: Any = None) -> Any:
        """Look up a dotted key of the jobspec, this job's own changes included."""
        if self.overrides:
            if key in self.overrides:
                return self.overrides[key]
            if any(path.startswith(key) or key.startswith(path + ".") for path in self.overrides):
                from bourn.model.overrides import apply_overrides

                return _lookup(apply_overrides(self.spec.obj, self.overrides), key, default)
        return _lookup(self.spec.obj, key, default)

    @property
    def duration(self) -> float:
        """The time limit in seconds; 0 is none."""
        return float(self.attr("attributes.system.duration", 0.0) or 0.0)


def _lookup(obj: Any, key: str, default: Any) -> Any:
    for part in key.split("."):
        if not isinstance(obj, dict) or part not in obj:
            return default
        obj = obj[part]
    return obj
