"""Queues (RFC 33): where jobs may be submitted, and which jobs are scheduled. Pure.

Without a `[queues]` table there is one queue without a name. Submission (enabled) and scheduling (started)
are separate, and outlive a restart.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from attrs import define

from bourn.config.tables import PolicyTable, QueueTable
from bourn.errors import BournError, suggest
from bourn.model.duration import parse_duration
from bourn.model.jobspec_check import SYSTEM_KEYS, check_system_value
from bourn_plugins.job_manager.admission import Admission

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bourn.config import Config

__all__ = ["META", "Queue", "Queues"]

META = "job-manager.queues"
"""The store's key for what was enabled, disabled, started and stopped."""


@define(eq=False)
class Queue:
    """One queue: its configuration and whether it takes and schedules jobs."""

    name: str
    """Empty for the only queue of an instance without named ones."""
    table: QueueTable
    """Properties that its nodes have, and its own defaults and limits."""
    enabled: bool = True
    started: bool = True
    disable_reason: str = ""
    stop_reason: str = ""

    @property
    def title(self) -> str:
        """As in messages."""
        return f"queue '{self.name}'" if self.name else "the queue"

    def state(self) -> dict[str, Any]:
        """Return what a restart must know of it."""
        return {
            "enable": self.enabled,
            "disable_reason": self.disable_reason,
            "start": self.started,
            "stop_reason": self.stop_reason,
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take what `state` returned."""
        self.enabled = bool(saved.get("enable", True))
        self.disable_reason = str(saved.get("disable_reason") or "")
        self.started = bool(saved.get("start", True))
        self.stop_reason = str(saved.get("stop_reason") or "")


class Queues:
    """The queues of an instance, made from its configuration (`[queues]`, `[policy]`)."""

    def __init__(self, config: Config) -> None:
        self._queues: dict[str, Queue] = {}
        self.reconfigure(config)

    def __iter__(self) -> Iterator[Queue]:
        return iter(self._queues.values())

    @property
    def named(self) -> bool:
        """Whether queues have names."""
        return "" not in self._queues

    def reconfigure(self, config: Config) -> None:
        """Take a new configuration; queues that stay keep what they are doing. ConfigError leaves all as
        it was."""
        tables = config.table("queues", dict[str, QueueTable])
        policy = config.table("policy", PolicyTable)
        default = policy.jobspec.defaults.system.get("queue")
        if default is not None and default not in tables:
            path = ("policy", "jobspec", "defaults", "system", "queue")
            raise config.error(path, f"'{default}' is no queue{suggest(str(default), tables)}")
        _check_defaults(config, ("policy",), policy)
        for name, table in tables.items():
            _check_defaults(config, ("queues", name, "policy"), table.policy)
        admitted = {name: Admission(config, name, table) for name, table in tables.items()}
        queues = {name: Queue(name, table, started=table.started) for name, table in tables.items()}
        for name, queue in (queues or {"": Queue("", QueueTable())}).items():
            queues[name] = queue
            old = self._queues.get(name)
            if old is not None:
                queue.restore(old.state())
        self._queues = queues
        self._policy = policy
        self._admitted = {name: found for name, found in admitted.items() if found}

    def get(self, name: str | None) -> Queue:
        """Return a queue; ENOENT names the nearest one there is."""
        queue = self._queues.get(name or "")
        if queue is not None:
            return queue
        if not self.named:
            raise BournError(f"no such queue '{name}': this instance has no named queues", errno.ENOENT)
        if not name:
            raise BournError(f"name a queue; there are: {', '.join(sorted(self._queues))}", errno.EINVAL)
        raise BournError(f"no such queue '{name}'{suggest(name, self._queues)}", errno.ENOENT)

    def select(self, name: str | None) -> list[Queue]:
        """Return the queue of a name, or, without one, all."""
        return [self.get(name)] if name else list(self._queues.values())

    def refuse(self, name: str | None, userid: int) -> str | None:
        """Say why a user can't submit jobs to a queue now; None if that is fine."""
        try:
            queue = self.get(name)
        except BournError as error:
            return error.message
        if not queue.enabled:
            reason = f": {queue.disable_reason}" if queue.disable_reason else ""
            return f"job submission to {queue.title} is disabled{reason}"
        admission = self._admitted.get(queue.name)
        return None if admission is None else admission.refuse(userid)

    def started(self, name: str | None) -> bool:
        """Say whether jobs of a queue are scheduled; those of a queue that is gone are not."""
        queue = self._queues.get(name or "")
        return queue is not None and queue.started

    def describe(self, queue: Queue) -> dict[str, Any]:
        """Return what `bourn queue list` shows, with the limits and defaults that hold for the queue."""
        own, common = queue.table.policy, self._policy
        sizes = {
            end: {
                kind: _first(
                    getattr(getattr(own.limits.job_size, end), kind),
                    getattr(getattr(common.limits.job_size, end), kind),
                )
                for kind in ("nnodes", "ncores", "ngpus")
            }
            for end in ("min", "max")
        }
        limits = {"duration": _first(own.limits.duration, common.limits.duration), "job-size": sizes}
        return {
            "name": queue.name or None,
            **queue.state(),
            "requires": list(queue.table.requires),
            "limits": limits,
            "defaults": {**common.jobspec.defaults.system, **own.jobspec.defaults.system},
        }

    def state(self) -> dict[str, Any]:
        """Return what a restart must know."""
        return {queue.name: queue.state() for queue in self}

    def restore(self, state: Any) -> None:
        """Take what `state` returned before the restart; queues that are gone are left out."""
        for name, saved in (state or {}).items():
            queue = self._queues.get(name)
            if queue is not None:
                queue.restore(saved)


def _check_defaults(config: Config, path: tuple[str, ...], policy: PolicyTable) -> None:
    """Refuse a default for an attribute that doesn't exist, or of a wrong value."""
    for key, value in policy.jobspec.defaults.system.items():
        where = (*path, "jobspec", "defaults", "system", key)
        if key not in SYSTEM_KEYS:
            raise config.error(where, f"jobs have no such attribute{suggest(key, SYSTEM_KEYS)}")
        try:
            if key == "duration" and isinstance(value, str | float):
                parse_duration(value)  # it is converted when a job takes it
            else:
                check_system_value(key, value)
        except BournError as error:
            raise config.error(where, getattr(error, "reason", error.message)) from None


def _first(own: Any, common: Any) -> Any:
    return common if own is None else own
