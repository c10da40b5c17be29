"""A job as its shell hosts have it: on which nodes, what each of them has told, what is still awaited."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from bourn.hookspecs.exec_method import Usage
from bourn.model.idset import IdSet
from bourn.shell.waitstatus import worse
from bourn.shell.wire import Start
from bourn_plugins.job_exec.layout import block_map

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from bourn.hookspecs.exec_method import StartRequest
    from bourn.shell.fences import Gathering
    from bourn_plugins.job_exec.deadlines import Due
    from bourn_plugins.job_exec.layout import NodeShare


class Placed:
    """A job of this method: where it runs and which nodes haven't reported yet."""

    __slots__ = (
        "absent",
        "barrier",
        "critical",
        "fallen",
        "gathering",
        "header",
        "notes",
        "request",
        "shares",
        "started",
        "starting",
        "status",
        "unknown",
        "unready",
        "usage",
        "waiting",
        "working",
    )

    def __init__(self, request: StartRequest, shares: list[NodeShare]) -> None:
        self.request = request
        self.shares = shares
        self.unready = {share.rank for share in shares} if len(shares) > 1 else None
        """Ranks that aren't ready for the start, which all make together."""
        self.barrier: Due | None = None
        """When they must be, once the first is."""
        self.critical: Collection[int] | None = None
        """The ranks without which it can't go on, where it has said which: an instance can lose others."""
        self.starting = len(shares)
        self.started = False
        """Whether any of its nodes has started it, as far as was known at a restart."""
        self.working = {share.rank for share in shares}
        self.unknown: set[int] = set()
        """After a restart: ranks of which isn't known yet whether they still have it."""
        self.absent: dict[int, tuple[str, bool]] = {}
        """Ranks that don't have it, while others are unknown: what is known of the reason, and whether the
        node was lost."""
        self.fallen: list[tuple[int, int]] = []
        """Ranks that had ended their tasks before a restart, and how (wait status)."""
        self.waiting = True
        """Whether all ranks that have it hold it back, while others are unknown."""
        self.status = 0
        self.header = False
        """Whether the header of its output is in the log."""
        self.notes: set[str] = set()
        """What its nodes have said about failures, if there are several."""
        self.usage: Usage | None = None
        """Of the nodes that have reported their end."""
        self.gathering: Gathering | None = None
        """Exchanges among its nodes."""

    def hosts(self) -> dict[int, str]:
        """Return the names of its nodes by rank."""
        from bourn.model.hostlist import Hostlist

        names = Hostlist(",".join(self.request.R["execution"].get("nodelist") or ()))
        return dict(zip(sorted(share.rank for share in self.shares), names, strict=False))

    def starts(self) -> Iterator[tuple[int, Start]]:
        """Yield the rank and the part of each node."""
        request = self.request
        size = self.shares[-1].first + self.shares[-1].ntasks
        nnodes = len(self.shares)
        taskmap, hosts = "", ""
        if nnodes > 1:
            # Tasks are dealt out block by block here; a shell plugin may place them otherwise.
            taskmap = block_map(self.shares)
            hosts = ",".join(request.R["execution"]["nodelist"])
        for nodeid, share in enumerate(self.shares):
            start = Start(
                request.id, 0, request.overrides, share.ntasks, share.first, size, nodeid, nnodes,
                share.cores, share.gpus, _expiration(request), taskmap, hosts, nnodes > 1, share.groups,
            )  # fmt: skip
            yield share.rank, start

    def recall(self, log: str) -> None:
        """Take up what its nodes told before a restart: lines of `part_entry`."""
        for line in log.splitlines():
            entry = json.loads(line)
            context = entry["context"]
            self.started = True
            if entry["name"] == "critical":
                self.critical = IdSet(context["ranks"])
                continue
            if entry["name"] == "start":
                self.starting -= self.starting > 0
                continue
            self.status = worse(self.status, context["status"])
            self.working.discard(context["rank"])
            if entry["name"] == "end":
                self.fallen.append((context["rank"], context["status"]))
            assert self.unready is not None
            self.unready.discard(context["rank"])
            if context["usage"]:
                self._sum_usage(Usage(*context["usage"]))

    def add_usage(self, usage: dict[int, Usage]) -> None:
        """Add one node's usage to that of the others; `usage`, by job, holds the sum afterwards."""
        id = self.request.id
        if id in usage:
            self._sum_usage(usage[id])
        if self.usage is not None:
            usage[id] = self.usage

    def _sum_usage(self, one: Usage) -> None:
        other = self.usage
        if other is not None:
            one = Usage(
                max(one.wall, other.wall),
                one.user + other.user,
                one.system + other.system,
                max(one.maxrss, other.maxrss),
            )
        self.usage = one


def part_entry(name: str, rank: int, t: float, status: int = 0, usage: Usage | None = None) -> str:
    """Return a line of the log that a job on several nodes has of what each of them has told."""
    context = {"rank": rank, "status": status, "usage": list(usage) if usage else None}
    return json.dumps({"timestamp": t, "name": name, "context": context}) + "\n"


def critical_entry(ranks: Collection[int], t: float) -> str:
    """Return the line that says which nodes a job can't lose."""
    return json.dumps({"timestamp": t, "name": "critical", "context": {"ranks": str(IdSet(ranks))}}) + "\n"


def _expiration(request: StartRequest) -> float:
    if request.t_expiration:
        return request.t_expiration
    duration = request.jobspec.counts.duration
    return time.time() + duration if duration else 0.0
