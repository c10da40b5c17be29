"""Schedulers in another process: the protocol of `bourn.hookspecs.sched` as RPCs (RFC 27, in batches).

A client that provides the service `sched` sends `job-manager.sched-hello`, then `job-manager.sched-ready`.
It gets `sched.alloc` {jobs: [...]}, `sched.free`, `sched.cancel` {ids}, `sched.prioritize` {jobs: [[id,
priority]]} and `sched.expiration`, none of which wants a response, and answers by
`job-manager.sched-reply` {success: [[id, R, annotations]], deny: [[id, note]], cancelled: [id], annotate:
[[id, annotations]]}.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from bourn.broker.module import Request, Role, method
from bourn.errors import BournError
from bourn_plugins.job_manager.base import EngineModule

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bourn.hookspecs.sched import AllocRequest, FreeRequest


class RemoteScheduler:
    """`Scheduler` by messages. Feasibility and expiration can't be asked without waiting: both are agreed
    to."""

    def __init__(self, client: str, post: Callable[[str, object], None]) -> None:
        self.client = client
        self._post = post

    def alloc(self, jobs: Sequence[AllocRequest]) -> None:
        """Send new requests; each distinct jobspec once."""
        jobspecs: dict[str, Any] = {}
        items = []
        for job in jobs:
            key = job.jobspec.hash.hex()
            jobspecs[key] = job.jobspec.obj
            items.append(
                {
                    "id": job.id,
                    "priority": job.priority,
                    "userid": job.userid,
                    "t_submit": job.t_submit,
                    "jobspec": key,
                    "overrides": job.overrides,
                    "queue": job.queue,
                }
            )
        self._post("sched.alloc", {"jobs": items, "jobspecs": jobspecs})

    def free(self, jobs: Sequence[FreeRequest]) -> None:
        """Send what is given back."""
        self._post("sched.free", {"jobs": [{"id": job.id, "R": job.R, "final": job.final} for job in jobs]})

    def cancel(self, ids: Sequence[int]) -> None:
        """Send what is to be forgotten."""
        self._post("sched.cancel", {"ids": list(ids)})

    def prioritize(self, jobs: Sequence[tuple[int, int]]) -> None:
        """Send new priorities."""
        self._post("sched.prioritize", {"jobs": [list(job) for job in jobs]})

    def expiration(self, id: int, t: float) -> str | None:
        """Send a job's new end."""
        self._post("sched.expiration", {"id": id, "expiration": t})
        return None

    def feasibility(self, jobspec: dict[str, Any]) -> str | None:
        """Agree."""
        return None


class SchedMethods(EngineModule):
    """The part of the service that schedulers in other processes use."""

    _remote: RemoteScheduler | None = None

    @method(allow=Role.OWNER, name="sched-hello")
    def remote_hello(self, request: Request) -> dict[str, Any]:
        """Attach the sender as scheduler; return {jobs: [those that hold resources]}."""
        self._remote = RemoteScheduler(request.client, self.ctx.post)
        return {
            "jobs": [
                {
                    "id": job.id,
                    "R": job.R,
                    "priority": job.priority,
                    "userid": job.userid,
                    "t_alloc": job.t_alloc,
                    "jobspec": job.jobspec.obj,
                }
                for job in self.engine.sched.sched_hello(self._remote)
            ]
        }

    @method(allow=Role.OWNER, name="sched-ready")
    def remote_ready(self, request: Request) -> None:
        """Say that requests may come."""
        self.engine.sched.sched_ready(self._attached(request))

    @method(allow=Role.OWNER)
    def sched_reply(self, request: Request) -> None:
        """Take replies; {success?, deny?, cancelled?, annotate?} as above."""
        self._attached(request)
        link = self.engine.sched
        try:
            link.alloc_success([(id, R, notes) for id, R, notes in request.get("success", list, [])])
            link.alloc_deny([(id, str(note)) for id, note in request.get("deny", list, [])])
            link.alloc_cancelled(request.get("cancelled", list, []))
            link.annotate([(id, notes) for id, notes in request.get("annotate", list, [])])
        except (TypeError, ValueError, KeyError) as error:
            raise BournError(f"sched-reply: malformed: {error}", errno.EPROTO) from None

    def _attached(self, request: Request) -> RemoteScheduler:
        remote = self._remote
        if remote is None or remote.client != request.client or self.engine.sched.scheduler is not remote:
            raise BournError("send sched-hello first: you aren't the scheduler in use", errno.EPROTO)
        return remote

    def disconnect(self, client: str) -> None:
        """A scheduler that goes away leaves its jobs to the next one."""
        if self._remote is not None and self._remote.client == client:
            self.engine.sched.detach(self._remote)
            self._remote = None
