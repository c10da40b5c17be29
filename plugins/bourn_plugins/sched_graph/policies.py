"""Which policies an instance's configuration chooses, for all and for each queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.config.tables import QueueTable, SchedulerTable
from bourn.errors import BournError, ConfigError
from bourn_plugins.sched_graph.engine.policy import Chooser
from bourn_plugins.sched_graph.queue.guard import GuardedPolicy
from bourn_plugins.sched_graph.resources import stock

if TYPE_CHECKING:
    from bourn.broker.module import ModuleContext
    from bourn.hookspecs.match_policy import MatchPolicySpec
    from bourn.hookspecs.queue_policy import QueuePolicy

_INSTEAD = {"match": "by ids", "queue": "as easy"}
_MOST_FAULTS = 100


class Policies:
    """The policies of queues; "" stands for jobs without one. ConfigError names what is wrong."""

    def __init__(self, ctx: ModuleContext) -> None:
        self._ctx = ctx
        self.table = ctx.config.table("scheduler", SchedulerTable)
        self.strict = self.table.policy_fault == "refuse"
        """Whether a job whose policy fails is refused."""
        self.match = {queue: self._match(queue) for queue in ("", *self._queues())}
        """The match policy of each queue."""
        self._queue_policies: dict[str, QueuePolicy] = {}
        for queue in self.match:
            self.queue_policy(queue)
        self._faults: set[str] = set()

    def _queues(self) -> dict[str, QueueTable]:
        return self._ctx.config.table("queues", dict[str, QueueTable])

    def _match(self, queue: str) -> MatchPolicySpec:
        own = self._queues().get(queue)
        name = (own.match_policy if own is not None else "") or self.table.match_policy
        try:
            spec = stock.match_policy(name, self._ctx.plugins)
            spec.factory(self._match_options(spec))
        except BournError as error:
            where = f"[queues.{queue}]" if own is not None and own.match_policy else "[scheduler]"
            raise ConfigError(f"{where} match-policy: {error.message}") from None
        return spec

    def _match_options(self, spec: MatchPolicySpec) -> dict[str, Any]:
        """Return the options of a policy: those of ``[scheduler]`` are for the policy that it names."""
        return self.table.match_options if spec.name == self.table.match_policy else {}

    def spec(self, queue: str | None) -> MatchPolicySpec:
        """Return the match policy of a queue."""
        return self.match.get(queue or "") or self.match[""]

    def choosers(self) -> dict[str, Chooser]:
        """Return all match policies that are in use, by name; that of the instance is the first."""
        return {
            spec.name: Chooser(spec.factory(self._match_options(spec)), spec.node_exclusive, spec.name)
            for spec in self.match.values()
        }

    def queue_policy(self, queue: str) -> QueuePolicy:
        """Return the queue policy of a queue, with the depths of its table."""
        policy = self._queue_policies.get(queue)
        if policy is None:
            policy = self._queue_policies[queue] = self._queue_policy(queue)
        return policy

    def _queue_policy(self, queue: str) -> QueuePolicy:
        table, own = self.table, self._queues().get(queue)
        name = (own.queue_policy if own is not None else "") or table.queue_policy
        options = dict(table.queue_options) if name == table.queue_policy else {}
        for key, field in (("queue-depth", "queue_depth"), ("reservation-depth", "reservation_depth")):
            value = getattr(own, field, None)
            value = getattr(table, field) if value is None else value
            if value is not None:
                options[key] = value
        try:
            made = stock.queue_policy(name, self._ctx.plugins).factory(options)
        except BournError as error:
            where = f"[queues.{queue}]" if own is not None and own.queue_policy else "[scheduler]"
            raise ConfigError(f"{where} queue-policy: {error.message}") from None
        return GuardedPolicy(made, lambda text: self.failed("queue", name, text), strict=self.strict)

    def failed(self, kind: str, name: str, text: str) -> None:
        """Say once what a policy (of kind ``match`` or ``queue``) did, and what comes of it."""
        then = "its job is refused" if self.strict else f"going on {_INSTEAD[kind]}"
        line = f"{kind} policy {name} failed; {then}: {text}"
        if line not in self._faults and len(self._faults) < _MOST_FAULTS:
            self._faults.add(line)
            self._ctx.log.error("%s", line)
