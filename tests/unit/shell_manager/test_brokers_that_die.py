"""What becomes of a rank's jobs, and of what is sent to them, in the instant in which its broker dies."""

from __future__ import annotations

import signal
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import trio

from bourn.hookspecs.exec_method import StartRequest
from bourn.hookspecs.modules import ModuleSpec
from bourn.shell.wire import FromHost, ToHost, to_host
from bourn.testing import FakeExecPort
from bourn.testing.overlay import MemoryInstance, memory_instance
from bourn.testing.samples import interned, jobspec, resource_set
from bourn_plugins.job_exec.shell_method import ShellMethod
from bourn_plugins.shell_manager import module
from bourn_plugins.shell_manager.module import ShellManager
from bourn_plugins.shell_manager.process import HostProcess

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import pytest

ME = 1000
NOW = 1_000_000.0


class Tasks:
    """A shell host of a rank, and the connection of whoever is its broker. Its jobs never end."""

    def __init__(self) -> None:
        self.jobs: Counter[int] = Counter()
        """How often each has been started."""
        self.kills: list[tuple[int, int]] = []
        self.sizes: list[tuple[int, str, int, int]] = []
        self.fenced: list[tuple[int, str, dict[str, str]]] = []
        self.limits: list[float] = []
        self.clock: Callable[[], float] = lambda: NOW
        self.unread: list[ToHost] = []
        self.reads = True
        """Whether it reads what it is sent; what it hasn't read goes with the broker that sent it."""
        self.talks = True
        """Whether what it says is heard."""
        self.serials: set[int] = set()
        self.gone = False
        self.seq = 0
        self.hung = self.closed = False

    def connected(self) -> Tasks:
        """A broker has come."""
        self.greeted = self.closed = False
        self._received: Callable[[FromHost], None] = lambda _: None
        self._end = trio.Event()
        self.unread.clear()
        return self

    def send(self, batch: ToHost | dict[str, Any]) -> None:
        whole = to_host.decode(msgspec.json.encode(batch))
        if not self.reads:
            self.unread.append(whole)
            return
        if not self.greeted:
            self.greeted = True
            self._say(FromHost(jobs=[*self.jobs], host="h", pid=7, confirms=True))
        if whole.serial not in self.serials:
            started = [(start.id, self.clock()) for start in whole.start]
            self.limits += [start.expiration for start in whole.start] + [t for _, t in whole.expire]
            self.jobs.update(start.id for start in whole.start)
            self.kills += [(id, signum) for id, signum in whole.kill if id in self.jobs]
            self.sizes += whole.resize
            self.fenced += whole.fenced
            if started:
                self.seq += 1
                self._say(FromHost(seq=self.seq, started=started))
        if whole.serial:
            self.serials.add(whole.serial)
            self._say(FromHost(taken=[whole.serial]))
        if whole.end:
            self.close()

    def _say(self, report: FromHost) -> None:
        if self.talks:
            self._received(report)

    async def run(self, received: Callable[[FromHost], None]) -> None:
        self._received = received
        await self._end.wait()

    def close(self) -> None:
        self.closed = True
        self._end.set()


class Machine:
    """What a rank's brokers, one after the other, find there: in place of `LocalHosts`."""

    machines: dict[int, Machine]
    outlive = True
    timeout = 60.0
    uri = "local:///x"

    def __new__(cls, ctx: Any) -> Machine:
        found = cls.machines.get(ctx.rank)
        if found is None:
            found = cls.machines[ctx.rank] = super().__new__(cls)
            found.tasks = []
        return found

    tasks: list[Tasks]

    def users(self) -> list[int]:
        return [ME] if self.tasks and self.outlive else []

    def start(self, userid: int) -> tuple[HostProcess, Tasks]:
        self.tasks.append(Tasks())
        return HostProcess(1, ""), self.tasks[-1].connected()

    def find(self, userid: int) -> Tasks | None:
        return None if self.tasks[-1].gone else self.tasks[-1].connected()

    def recorded(self, userid: int) -> HostProcess | None:
        return HostProcess(1, "")

    def note(self, userid: int, process: HostProcess) -> None:
        pass

    def kill(self, userid: int, process: HostProcess | None, jobs: object = ()) -> int:
        return 0

    def sweep(self, jobs: object) -> int:
        return 0

    async def bury(self, userid: int, process: HostProcess, *, grace: float = 0.0) -> None:
        pass

    def obituary(self, userid: int, pid: int, *, hung: bool) -> str:
        return "the host died"

    def take_note(self) -> bool:
        return False


class Case:
    """An instance of two ranks, and one job's exec method on rank 0."""

    def __init__(self, instance: MemoryInstance) -> None:
        self.instance = instance
        self.manager: ShellManager = instance[0].provider("shell-manager")
        self.port = FakeExecPort(instance[0].ctx)
        self.shell = ShellMethod(self.port)

    @property
    def tasks(self) -> Tasks:
        """The host of rank 1."""
        return Machine.machines[1].tasks[-1]

    def submit(self, id: int, expiration: float = 0.0) -> None:
        R = resource_set(2, 1)
        R["execution"]["R_lite"][0]["rank"] = "1"
        self.shell.start([StartRequest(id, ME, interned(jobspec("true")), None, R, expiration)])

    async def begun(self, id: int) -> None:
        await self.instance.until(lambda: id in self.port.begun)

    async def unread(self) -> None:
        await self.instance.until(lambda: bool(self.tasks.unread))

    async def another_broker(self) -> None:
        await self.instance.kill(1)
        await self.instance.start(1)


@asynccontextmanager
async def case(monkeypatch: pytest.MonkeyPatch, *, outlive: bool = True) -> AsyncIterator[Case]:
    monkeypatch.setattr(Machine, "machines", {}, raising=False)
    monkeypatch.setattr(Machine, "outlive", outlive)
    monkeypatch.setattr(module, "LocalHosts", Machine)
    monkeypatch.setattr(module.os, "getuid", lambda: ME)
    async with memory_instance(2, ModuleSpec("shell-manager", ShellManager)) as instance:
        yield Case(instance)


async def test_a_signal_that_the_host_has_not_read_arrives_by_the_next_broker(monkeypatch):
    async with case(monkeypatch) as it:
        it.submit(1)
        await it.begun(1)
        it.tasks.reads = False
        it.shell.kill([(1, signal.SIGUSR1)])
        it.shell.resize(1, "all", 5, 60)
        it.manager.fenced(1, ME, 1, "pmi.1", {"a": "b"})
        await it.unread()
        it.tasks.reads = True
        await it.another_broker()
        await it.instance.until(lambda: bool(it.tasks.kills))
        assert it.tasks.kills == [(1, signal.SIGUSR1)]
        assert it.tasks.sizes == [(1, "all", 5, 60)]
        assert it.tasks.fenced == [(1, "pmi.1", {"a": "b"})]
        assert (it.tasks.jobs, it.port.failures) == ({1: 1}, {})


async def test_a_signal_whose_receipt_was_lost_arrives_once(monkeypatch):
    async with case(monkeypatch) as it:
        it.submit(1)
        await it.begun(1)
        it.tasks.talks = False
        it.shell.kill([(1, signal.SIGUSR1)])
        await it.instance.until(lambda: bool(it.tasks.kills))
        it.tasks.talks = True
        await it.another_broker()
        it.shell.kill([(1, signal.SIGUSR2)])
        await it.instance.until(lambda: len(it.tasks.kills) > 1)
        assert it.tasks.kills == [(1, signal.SIGUSR1), (1, signal.SIGUSR2)]
        await it.instance.until(lambda: not it.manager._hosts[1, ME].orders)


async def test_a_job_that_the_host_has_not_read_is_handed_to_it_again_and_its_signal_after_it(monkeypatch):
    async with case(monkeypatch) as it:
        it.submit(1)
        await it.begun(1)
        it.tasks.reads = False
        it.submit(2)
        it.shell.kill([(2, signal.SIGUSR1)])
        await it.unread()
        it.tasks.reads = True
        await it.another_broker()
        await it.begun(2)
        await it.instance.until(lambda: bool(it.tasks.kills))
        assert it.tasks.jobs == {1: 1, 2: 1}
        assert it.tasks.kills == [(2, signal.SIGUSR1)]
        assert it.port.failures == {}


async def test_a_job_that_was_sent_to_a_broker_that_is_no_more_starts_with_the_next(monkeypatch):
    async with case(monkeypatch, outlive=False) as it:
        it.submit(1)
        await it.begun(1)
        await it.instance.kill(1)
        it.submit(2)
        it.shell.kill([(2, signal.SIGUSR1)])
        await it.instance.start(1)
        await it.begun(2)
        await it.instance.until(lambda: bool(it.tasks.kills))
        assert it.tasks.jobs == {2: 1}
        assert it.tasks.kills == [(2, signal.SIGUSR1)]
        assert it.port.failures == {1: "rank 1 was lost"}


async def test_a_host_that_just_ends_when_it_is_found_loses_no_job(monkeypatch):
    async with case(monkeypatch) as it:
        Machine.machines[1].tasks.append(ending := Ending())
        it.submit(1)
        await it.begun(1)
        assert ending.gone
        assert it.port.failures == {}


async def test_times_of_a_rank_whose_clock_differs_are_set_right(monkeypatch):
    async with case(monkeypatch) as it:
        times: list[tuple[int, float]] = []
        monkeypatch.setattr(it.port, "started", times.extend)
        it.instance[0].broker.clock = lambda: NOW + 3600
        it.instance[1].broker.clock = lambda: NOW
        it.submit(1, expiration=NOW + 3700)
        await it.instance.until(lambda: bool(times))
        it.shell.expiration(1, NOW + 3800)
        await it.instance.until(lambda: len(it.tasks.limits) == 2)
        assert times == [(1, NOW + 3600)]
        assert it.tasks.limits == [NOW + 100, NOW + 200]
        told = "the clock of rank 1 is 3600 s behind that of rank 0: what it tells is set right"
        assert [line for line in it.instance.log if "clock" in line] == [told]


async def test_a_slow_answer_is_no_other_clock(monkeypatch):
    async with case(monkeypatch) as it:
        times: list[tuple[int, float]] = []
        monkeypatch.setattr(it.port, "started", times.extend)
        asked = iter([NOW - 50.0])
        it.instance[0].broker.clock = lambda: next(asked, NOW + 1)
        it.instance[1].broker.clock = lambda: NOW
        it.submit(1)
        await it.instance.until(lambda: bool(times))
        assert times == [(1, NOW)]


class Ending(Tasks):
    """A host that hangs up as soon as it is found."""

    def connected(self) -> Tasks:
        super().connected()
        self.gone = True
        self.close()
        return self
