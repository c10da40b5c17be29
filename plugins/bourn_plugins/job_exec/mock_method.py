"""Jobs that don't run: they end after a given time, in a given way. For tests, simulation and measuring the
rest.

Per job by ``attributes.system.exec.test``: ``run_duration`` (seconds or text as 1.5s), ``wait_status``,
``mock_exception`` (init, run); otherwise by the table ``[exec.mock]``.
"""

from __future__ import annotations

import signal
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import trio

from bourn.config.tables import ExecTable
from bourn.errors import BournError
from bourn.model.duration import parse_duration
from bourn_plugins.job_exec.deadlines import Deadlines

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bourn.hookspecs.exec_method import ExecPort, StartRequest
    from bourn_plugins.job_exec.deadlines import Due

_HARMLESS = {
    0,
    signal.SIGCONT,
    signal.SIGSTOP,
    signal.SIGTSTP,
    signal.SIGCHLD,
    signal.SIGWINCH,
    signal.SIGURG,
}


class MockMethod:
    """The exec method `mock`."""

    def __init__(self, port: ExecPort) -> None:
        self._port = port
        self._table = port.ctx.config.table("exec", ExecTable).mock
        self._ends = Deadlines()
        self._running: dict[int, Due] = {}
        self._scope = trio.CancelScope()
        port.ctx.nursery.start_soon(self._run)

    def start(self, jobs: Sequence[StartRequest]) -> None:
        """Start jobs; those of no duration are over at once."""
        now = time.time()
        started: list[tuple[int, float]] = []
        over: list[tuple[int, float, int]] = []
        for job in jobs:
            exec_attributes = job.jobspec.system.get("exec")
            test: Mapping[str, Any] = exec_attributes.get("test") or {} if exec_attributes else {}
            if self._table.start_fails or test.get("mock_exception") == "init":
                note = self._table.start_fails or "mock exec exception before the start"
                self._port.failed([(job.id, now, "exec", 0, note)])
                over.append((job.id, now, 1 << 8))
                continue
            started.append((job.id, now))
            if test.get("mock_exception") == "run":
                self._port.failed([(job.id, now, "exec", 0, "mock exec exception")])
            duration = test.get("run_duration", self._table.run_duration)
            status = int(test.get("wait_status", self._table.wait_status))
            seconds = duration if type(duration) is float else parse_duration(duration)
            if seconds > 0:
                self._later(job.id, seconds, status)
            else:
                over.append((job.id, now, status))
        self._port.started(started)
        self._port.finished(over)

    def reattach(self, jobs: Sequence[tuple[StartRequest, bool]]) -> None:
        """Run them anew: nothing of them was outside the broker."""
        self.start([job for job, _ in jobs])

    def kill(self, jobs: Sequence[tuple[int, int]]) -> None:
        """End running jobs as the signal would."""
        now = time.time()
        for id, signum in jobs:
            if signum in _HARMLESS:
                continue
            due = self._running.pop(id, None)
            if due is not None:
                self._ends.cancel(due)
                self._port.finished([(id, now, signum)])

    def expiration(self, id: int, t: float) -> None:
        """Nothing to tell."""

    def stdin(self, id: int, ranks: str, data: bytes, eof: bool, taken: Callable[[], None]) -> None:
        """Refuse it."""
        raise BournError(f"job {id} is mocked and has no standard input")

    def close(self) -> None:
        """Stop the clock."""
        self._scope.cancel()

    async def _run(self) -> None:
        with self._scope:
            await self._ends.run()

    def _later(self, id: int, seconds: float, status: int) -> None:
        self._running[id] = self._ends.add(seconds, partial(self._over, id, status))

    def _over(self, id: int, status: int) -> None:
        self._running.pop(id, None)
        self._port.finished([(id, time.time(), status)])
