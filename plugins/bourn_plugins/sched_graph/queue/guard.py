"""A queue policy that can't stop the scheduler: what fails is told, and a plain one goes on in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.hookspecs.queue_policy import Ask, Outcome
from bourn_plugins.sched_graph.engine.policy import PolicyFault

if TYPE_CHECKING:
    from collections.abc import Callable

    from bourn.hookspecs.queue_policy import QueuePass, QueuePolicy
    from bourn.hookspecs.sched import AllocRequest

_DEPTH = 32


class Plain:
    """What goes on for a policy that has failed: as ``easy``."""

    def begin(self) -> PlainPass:
        """Start a pass."""
        return PlainPass()

    def order(self, job: AllocRequest) -> Any:
        """Priority, then submission, then arrival."""
        return (-job.priority, job.t_submit, job.id)


class PlainPass:
    """The first job that doesn't fit gets a reservation; few others are looked at."""

    def __init__(self) -> None:
        self._waiting = 0

    def ask(self, job: AllocRequest) -> Ask:
        """Reserve once, then only allocate, until enough couldn't start."""
        if self._waiting >= _DEPTH:
            return Ask.STOP
        return Ask.ALLOCATE if self._waiting else Ask.RESERVE

    def told(self, job: AllocRequest, outcome: Outcome) -> None:
        """Count those that couldn't start."""
        self._waiting += outcome is not Outcome.ALLOCATED


class GuardedPolicy:
    """Asks a policy, and once it has failed, a plain one. PolicyFault says that it just has: keys of jobs are
    new ones then, and a pass must begin anew.
    """

    def __init__(
        self,
        policy: QueuePolicy,
        fault: Callable[[str], None],
        *,
        strict: bool = False,
    ) -> None:
        """With `strict` the policy stays in charge: the job at which it failed is to be refused."""
        self.strict = strict
        self._policy = policy
        self._fallback = Plain()
        self._fault = fault
        self.failed = False

    def distrust(self, error: Exception, method: str) -> PolicyFault:
        """Go on with the other policy; return what to raise."""
        if isinstance(error, PolicyFault):
            what = f"{method}(): {error}"
        else:
            what = f"{method}() raised {type(error).__name__}: {error}"
        if not self.failed:
            self._fault(what)
            if not self.strict:
                self._policy, self.failed = self._fallback, True
        return PolicyFault(what)

    def order(self, job: AllocRequest) -> Any:
        """Return the key of a job in the queue."""
        try:
            return self._policy.order(job)
        except Exception as error:
            fault = self.distrust(error, "order")
            if self.strict:
                raise fault from error
            return self._policy.order(job)

    def begin(self) -> QueuePass:
        """Start a pass."""
        try:
            turn = self._policy.begin()
        except Exception as error:
            self.distrust(error, "begin")
            return self._fallback.begin()
        return turn if self._policy is self._fallback else _GuardedPass(turn, self)


class _GuardedPass:
    """One pass of a policy that may fail."""

    def __init__(self, turn: QueuePass, policy: GuardedPolicy) -> None:
        self._turn = turn
        self._policy = policy

    def ask(self, job: AllocRequest) -> Ask:
        try:
            found = self._turn.ask(job)
        except Exception as error:
            raise self._policy.distrust(error, "ask") from error
        if not isinstance(found, Ask):
            raise self._policy.distrust(PolicyFault(f"returned {found!r}, no Ask"), "ask")
        return found

    def told(self, job: AllocRequest, outcome: Outcome) -> None:
        try:
            self._turn.told(job, outcome)
        except Exception as error:
            raise self._policy.distrust(error, "told") from error
