"""Requests about queues: list, enable, disable, start, stop, drain, idle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.broker.module import ANYONE, LATER, Request, Role, method
from bourn_plugins.job_manager.base import EngineModule
from bourn_plugins.job_manager.queues import META

if TYPE_CHECKING:
    from bourn.broker.request import Later

_OPERATORS = Role.OWNER | Role.ADMIN


class QueueMethods(EngineModule):
    """The part of the service that looks after queues."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._draining: list[Request] = []
        self._idling: list[Request] = []

    @method(allow=ANYONE)
    def queue_list(self, request: Request) -> dict[str, Any]:
        """Return {queues: [{name, enable, start, reasons, requires, limits, defaults}]}."""
        queues = self.engine.queues
        return {"queues": [queues.describe(queue) for queue in queues]}

    @method(allow=ANYONE)
    def queue_status(self, request: Request) -> dict[str, Any]:
        """Return what a queue does: {name?} -> {name, enable, start, disable_reason, stop_reason ...}."""
        queues = self.engine.queues
        return queues.describe(queues.get(request.get("name", str, None)))

    @method(allow=_OPERATORS)
    def queue_enable(self, request: Request) -> Later:
        """Allow submission: {name?, all?}; without a name to every queue."""
        for queue in self.engine.queues.select(request.get("name", str, None)):
            queue.enabled, queue.disable_reason = True, ""
        return self._changed(request)

    @method(allow=_OPERATORS)
    def queue_disable(self, request: Request) -> Later:
        """Refuse submission: {name?, reason}."""
        reason = request.get("reason", str, "")
        for queue in self.engine.queues.select(request.get("name", str, None)):
            queue.enabled, queue.disable_reason = False, reason
        return self._changed(request)

    @method(allow=_OPERATORS)
    def queue_start(self, request: Request) -> Later:
        """Schedule jobs: {name?, nocheckpoint?}."""
        for queue in self.engine.queues.select(request.get("name", str, None)):
            queue.started, queue.stop_reason = True, ""
        return self._changed(request)

    @method(allow=_OPERATORS)
    def queue_stop(self, request: Request) -> Later:
        """Leave jobs pending: {name?, reason?, nocheckpoint?}."""
        reason = request.get("reason", str, "")
        for queue in self.engine.queues.select(request.get("name", str, None)):
            queue.started, queue.stop_reason = False, reason
        return self._changed(request)

    def _changed(self, request: Request) -> Later:
        if not request.get("nocheckpoint", bool, False):
            self.engine.write_meta(META, self.engine.queues.state())
        self.engine.sched.queues_changed()
        return self.answer_when_durable(request)

    @method(allow=_OPERATORS)
    def drain(self, request: Request) -> Later:
        """Respond when no active job is left."""
        return self._wait(request, self._draining)

    @method(allow=_OPERATORS)
    def idle(self, request: Request) -> Later:
        """Respond when no job runs or is being cleaned up; pending ones may be left."""
        return self._wait(request, self._idling)

    def _wait(self, request: Request, waiters: list[Request]) -> Later:
        waiters.append(request)
        request.on_cancel = lambda: waiters.remove(request) if request in waiters else None
        self.engine.when_quiet(self.check_empty)
        return LATER

    def check_empty(self) -> None:
        """Answer those who wait for the end of jobs, if there are none any more."""
        engine = self.engine
        if self._draining and len(engine.jobs) <= len(engine.standing) and not engine.arrays:
            waiters, self._draining[:] = list(self._draining), []
            for request in waiters:
                request.respond()
        if self._idling and engine.running <= sum(1 for id in engine.standing if engine.jobs[id].t_run):
            waiters, self._idling[:] = list(self._idling), []
            for request in waiters:
                request.respond()
