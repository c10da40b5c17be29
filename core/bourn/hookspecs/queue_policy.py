"""Queue policies: which pending jobs a scheduling pass tries, and which get a reservation."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from attrs import frozen

from bourn.hookspecs import hookspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from bourn.hookspecs.sched import AllocRequest

__all__ = ["Ask", "Outcome", "QueuePass", "QueuePolicy", "QueuePolicySpec", "bourn_queue_policies"]


class Ask(Enum):
    """What to try for a job."""

    ALLOCATE = "allocate"
    """Resources now, or nothing."""
    RESERVE = "reserve"
    """Resources now, or else kept for this job, during this pass, from the time they will be free."""
    SKIP = "skip"
    """Nothing; go on with the next job."""
    STOP = "stop"
    """Nothing; the pass is over."""


class Outcome(Enum):
    """What came of it."""

    ALLOCATED = "allocated"
    RESERVED = "reserved"
    BUSY = "busy"
    """Not now; nothing is kept for it."""
    UNSATISFIABLE = "unsatisfiable"
    """Never; the job is denied."""


class QueuePass(Protocol):
    """One pass over a queue; it may keep count."""

    def ask(self, job: AllocRequest) -> Ask:
        """Say what to try for the next job."""
        ...

    def told(self, job: AllocRequest, outcome: Outcome) -> None:
        """Learn what came of it, before the next `ask`."""
        ...


@runtime_checkable
class QueuePolicy(Protocol):
    """A policy with its options. Pure: no clock, no I/O."""

    def begin(self) -> QueuePass:
        """Start a pass; reservations of the pass before are gone."""
        ...

    def order(self, job: AllocRequest) -> Any:
        """Return the key that sorts the queue, smallest first: usually ``(-priority, t_submit, id)``."""
        ...


@frozen
class QueuePolicySpec:
    """A kind of queue policy."""

    name: str
    """What ``[scheduler] queue-policy`` or ``[queues.NAME] queue-policy`` names."""
    factory: Callable[[Mapping[str, Any]], QueuePolicy]
    """Builds one from its options, as ``queue-depth`` and ``reservation-depth``; `ConfigError` if wrong."""
    summary: str = ""


@hookspec
def bourn_queue_policies() -> Iterable[QueuePolicySpec]:
    """Register ways to go through a queue.

    Called: once, when the scheduler starts. The policy is then asked once per job that a pass looks at.
    Process: broker, rank 0; and the simulator.
    Order: picked by name, per instance and per queue.
    Errors: an exception leaves this plugin's policies out; if the chosen one is missing the scheduler refuses
    to start and lists those there are. A policy that raises or returns nonsense is logged once and the queue
    goes on as ``easy``. With ``[scheduler] policy-fault = "refuse"`` the job is refused instead.
    Since: 0.1

    Example::

        from bourn.hookspecs import hookimpl
        from bourn.hookspecs.queue_policy import Ask, Outcome, QueuePolicySpec


        class FirstFit:
            '''Whatever fits now starts; the first that doesn't gets a reservation, so that none starves.'''

            def begin(self):
                return FirstFitPass()

            def order(self, job):
                return (-job.priority, job.t_submit, job.id)


        class FirstFitPass:
            reserved = False

            def ask(self, job):
                return Ask.ALLOCATE if self.reserved else Ask.RESERVE

            def told(self, job, outcome):
                self.reserved = self.reserved or outcome is Outcome.RESERVED


        @hookimpl
        def bourn_queue_policies():
            yield QueuePolicySpec("first-fit", lambda options: FirstFit())
    """
    raise NotImplementedError
