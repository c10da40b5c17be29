"""Conformance check for exec methods, and the port that they report to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

from bourn.hookspecs.exec_method import StartRequest
from bourn.testing.broker import memory_broker
from bourn.testing.ensure import ensure, ensure_name
from bourn.testing.samples import interned, jobspec, resource_set

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from bourn.broker.module import ModuleContext
    from bourn.hookspecs.exec_method import ExecMethodSpec, Usage
    from bourn.hookspecs.modules import ModuleSpec

__all__ = ["FakeExecPort", "check_exec_method"]


class FakeExecPort:
    """What an exec method reports to; it keeps the reports and holds them to the order that they must
    have."""

    def __init__(self, ctx: ModuleContext) -> None:
        self.ctx = ctx
        self.begun: list[int] = []
        self.ended: dict[int, int] = {}
        self.failures: dict[int, str] = {}
        self.logs: dict[tuple[int, str], str] = {}
        self.marks: dict[str, object] = {}
        self._changed = trio.Event()

    def started(self, jobs: Iterable[tuple[int, float]]) -> None:
        """Take note."""
        for id, _ in jobs:
            ensure(id not in self.begun, f"exec method: job {id} was started twice")
            ensure(id not in self.ended, f"exec method: job {id} was started after its end")
            self.begun.append(id)

    def finished(
        self, jobs: Iterable[tuple[int, float, int]], usage: Mapping[int, Usage] | None = None
    ) -> None:
        """Take note."""
        for id, _, status in jobs:
            ensure(id not in self.ended, f"exec method: job {id} was finished twice")
            ensure(
                id in self.begun or id in self.failures,
                f"exec method: job {id} was finished without having been started or failed",
            )
            self.ended[id] = status
        self._tell()

    def failed(self, jobs: Iterable[tuple[int, float, str, int, str]]) -> None:
        """Take note."""
        for id, _, _, severity, note in jobs:
            ensure(0 <= severity <= 7, f"exec method: the severity is 0..7, not {severity}")
            self.failures[id] = note

    def log(self, jobs: Iterable[tuple[int, str, str]]) -> None:
        """Take note."""
        for id, name, lines in jobs:
            ensure(id not in self.ended, f"exec method: a log of job {id} after its end")
            ensure(lines.endswith("\n"), f"exec method: log lines end with a newline, unlike {lines!r}")
            self.logs[id, name] = self.logs.get((id, name), "") + lines

    def mark(self, meta: Mapping[str, object]) -> None:
        """Take note of named values for the store."""
        self.marks.update(meta)

    def flush(self) -> None:
        """Nothing is kept back."""

    def when_committed(self, callback: Callable[[], None]) -> None:
        """All is durable at once."""
        callback()

    async def until_ended(self, *ids: int) -> None:
        """Wait for jobs to be finished."""
        while not set(ids) <= self.ended.keys():
            await self._changed.wait()

    def _tell(self) -> None:
        changed, self._changed = self._changed, trio.Event()
        changed.set()


def check_exec_method(
    spec: ExecMethodSpec,
    *,
    config: Mapping[str, Any] | None = None,
    company: tuple[ModuleSpec, ...] = (),
    runs_commands: bool = False,
) -> None:
    """Run jobs by an exec method, one alone and three at once; then kill what isn't there, and close it.

    Each job must be started once and finished once, in this order. With `runs_commands`, ``true`` must end
    with status 0, ``false`` with another, and a program that doesn't exist with an exception.
    """
    what = ensure_name(spec, "exec method")
    trio.run(_run, spec, what, config, company, runs_commands)


async def _run(
    spec: ExecMethodSpec,
    what: str,
    config: Mapping[str, Any] | None,
    company: tuple[ModuleSpec, ...],
    runs_commands: bool,
) -> None:
    def request(id: int, *command: str) -> StartRequest:
        return StartRequest(id, 1000, interned(jobspec(*command)), None, resource_set(1, 1))

    with trio.fail_after(30):
        async with memory_broker(*company, config=config) as broker, trio.open_nursery() as nursery:
            broker.ctx.nursery = nursery
            port = FakeExecPort(broker.ctx)
            method = spec.open(port)
            method.start([request(1)])
            await port.until_ended(1)
            method.start([request(2), request(3), request(4)])
            await port.until_ended(2, 3, 4)
            ensure(port.ended[1] == 0, f"{what}: a job of `true` ended with status {port.ended[1]}")
            if runs_commands:
                method.start([request(5, "false"), request(6, "/no/such/program")])
                await port.until_ended(5, 6)
                ensure(port.ended[5] != 0, f"{what}: a job of `false` ended with status 0")
                ensure(6 in port.failures, f"{what}: a program that doesn't exist raised no exception")
            method.kill([(4, 15), (12345, 9)])
            method.expiration(12345, 0.0)
            method.close()
            nursery.cancel_scope.cancel()
