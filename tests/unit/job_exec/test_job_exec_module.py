"""The module job-exec between a pretended job manager and pretended methods."""

import signal
import time

import pytest
import trio
import trio.lowlevel

from bourn.broker.module import Module
from bourn.errors import BournError, RPCError
from bourn.hookspecs import hookimpl
from bourn.hookspecs.exec_method import ExecMethodSpec, StartRequest
from bourn.hookspecs.modules import ModuleSpec
from bourn.plugins import PluginManager
from bourn.testing import memory_broker
from bourn.testing.samples import interned, jobspec, resource_set
from bourn_plugins.job_exec.module import JobExec


class Recorder:
    """An exec method that does what a test tells it."""

    def __init__(self, port):
        self.port = port
        self.calls = []
        self.taken = []

    def start(self, jobs):
        self.calls.append(("start", [job.id for job in jobs]))
        if any(job.id == 666 for job in jobs):
            raise RuntimeError("no such luck")
        self.port.started([(job.id, time.time()) for job in jobs])

    def reattach(self, jobs):
        self.calls.append(("reattach", [(job.id, started) for job, started in jobs]))

    def kill(self, jobs):
        self.calls.append(("kill", *jobs))

    def expiration(self, id, t):
        self.calls.append(("expiration", id, t))

    def stdin(self, id, ranks, data, eof, taken):
        self.calls.append(("stdin", id, ranks, data, eof))
        self.taken.append(taken)

    def close(self):
        self.calls.append(("close",))


class Manager(Module):
    """A job manager that keeps what it is told."""

    running = ()

    def __init__(self, ctx):
        super().__init__(ctx)
        self.events, self.logs, self.meta, self.committed = [], {}, {}, []

    def exec_attach(self, executor):
        self.executor = executor
        executor.exec_hello(self, self.running)

    def exec_detach(self):
        self.executor = None

    def exec_report(self, events, logs, committed=None, meta=None):
        self.events += [(e.id, e.name, e.context) for e in events]
        for id, name, text in logs:
            self.logs[id, name] = self.logs.get((id, name), "") + text
        self.meta.update(meta or {})
        if committed:
            self.committed.append(committed)

    def of(self, id):
        return [(name, context) for i, name, context in self.events if i == id]


class Rig:
    """The module at work."""

    def __init__(self, broker, methods):
        self.broker = broker
        self.manager = broker.provider("job-manager")
        self.exec = broker.provider("job-exec")
        self.methods = methods

    async def turns(self):
        await self.broker.turns(8)


def rig(test, *, config=None, running=()):
    """Run `test(rig)` with the methods `shell` (the default) and `other`, both recorders."""

    async def run():
        methods = {}
        plugins = PluginManager()

        class Plugin:
            @hookimpl
            def bourn_exec_methods(self):
                for name in ("shell", "other"):
                    yield ExecMethodSpec(
                        name, lambda port, name=name: methods.setdefault(name, Recorder(port))
                    )
                yield ExecMethodSpec("broken", lambda port: 1 / 0)

        plugins.register(Plugin(), "methods")
        manager = type("Manager", (Manager,), {"running": running})
        async with memory_broker(
            ModuleSpec("job-manager", manager),
            ModuleSpec("job-exec", JobExec, requires=("job-manager",)),
            config={"exec": config or {}},
            plugins=plugins,
        ) as broker:
            await test(Rig(broker, methods))

    trio.run(run, clock=trio.testing.MockClock(autojump_threshold=0))


def request(id, *, duration=0, system=None, **rest):
    system = {"duration": duration, **(system or {})}
    return StartRequest(
        id, 1000, interned(jobspec(system=system)), rest.pop("overrides", None), resource_set(1, 1), **rest
    )


def test_a_job_s_way():
    async def test(rig):
        rig.exec.start([request(1), request(2)])
        await rig.turns()
        assert rig.methods["shell"].calls == [("start", [1, 2])]
        port = rig.exec
        port.log([(1, "guest.output", "{}\n")])
        port.mark({"mark": 7})
        port.when_committed(lambda: None)
        port.finished([(1, 101.5, 256)])
        port.flush()
        assert rig.manager.of(1) == [
            ("start", {}),
            ("finish", {"status": 256}),
            ("release", {"ranks": "0", "final": True}),
        ]
        assert rig.manager.of(2) == [("start", {})]
        lines = rig.manager.logs[1, "guest.exec.eventlog"].splitlines()
        assert [line.split('"name":"')[1].split('"')[0] for line in lines] == [
            "init", "starting", "shell.init", "shell.start", "complete", "done",
        ]  # fmt: skip
        assert rig.manager.logs[1, "guest.output"] == "{}\n"
        assert rig.manager.meta == {"mark": 7}
        assert len(rig.manager.committed) == 1
        # What comes after the end of a job falls through.
        port.finished([(1, 102.0, 0)])
        rig.exec.kill([(1, 15)])
        rig.exec.cancel([1])
        await rig.turns()
        assert len(rig.manager.of(1)) == 3

    rig(test)


def test_cancel_escalates_and_gives_up_in_the_end():
    async def test(rig):
        rig.exec.start([request(1)])
        rig.exec.cancel([1])
        rig.exec.cancel([1])
        await trio.sleep(100)
        kills = [call[1] for call in rig.methods["shell"].calls if call[0] == "kill"]
        assert kills == [(1, signal.SIGUSR1), (1, signal.SIGKILL), (1, signal.SIGKILL)]
        names = [name for name, _ in rig.manager.of(1)]
        assert names == ["start", "exception", "finish", "release"]
        assert "can't be killed (tried 2 times); ranks 0 are drained" in rig.manager.of(1)[1][1]["note"]

    rig(test, config={"term-signal": "SIGUSR1", "kill-timeout": 2.0, "max-kill-count": 2})


def test_a_time_limit_raises_timelimit_and_ends_the_job():
    async def test(rig):
        rig.exec.start([request(1, duration=50), request(2)])
        await trio.lowlevel.checkpoint()
        rig.exec._limit(rig.exec._jobs[1], __import__("time").time())
        await trio.sleep(45)
        assert len(rig.methods["shell"].calls) == 1
        await trio.sleep(10)
        assert rig.methods["shell"].calls[1:] == [
            ("kill", (1, signal.SIGALRM)),
            ("kill", (1, signal.SIGKILL)),
        ]
        (exception,) = [context for name, context in rig.manager.of(1) if name == "exception"]
        assert (exception["type"], exception["severity"]) == ("timelimit", 0)
        # The exception makes the job manager cancel the job, which is being ended already.
        rig.exec.cancel([1])
        assert len(rig.methods["shell"].calls) == 3
        rig.exec.finished([(1, 1.0, 9)])
        await trio.sleep(1000)
        assert len(rig.methods["shell"].calls) == 3

    rig(test)


def test_a_time_limit_can_move_and_be_lifted():
    async def test(rig):
        now = time.time()
        rig.exec.start(
            [request(1, t_expiration=now + 10), request(2, overrides={"attributes.system.duration": 10})]
        )
        rig.exec.expiration(1, now + 500)
        rig.exec.expiration(2, 0)
        await trio.sleep(400)
        assert not [c for c in rig.methods["shell"].calls if c[0] == "kill"]
        await trio.sleep(200)
        assert [c[1][0] for c in rig.methods["shell"].calls if c[0] == "kill"] == [1, 1]
        assert [c[1] for c in rig.methods["shell"].calls if c[0] == "expiration"] == [1, 2]

    rig(test, config={"kill-timeout": 60.0})


def test_the_method_of_a_job():
    async def test(rig):
        rig.exec.start(
            [
                request(1),
                request(2, system={"exec.method": "other"}),
                request(3, system={"exec.method": "othre"}),
                request(4, system={"exec.method": "broken"}),
            ]
        )
        await rig.turns()
        assert rig.methods["shell"].calls == [("start", [1])]
        assert rig.methods["other"].calls == [("start", [2])]
        assert [name for name, _ in rig.manager.of(3)] == ["exception", "release"]
        assert rig.manager.of(3)[0][1]["note"] == "there is no exec method 'othre'; did you mean 'other'?"
        assert "ZeroDivisionError" in rig.manager.of(4)[0][1]["note"]

    rig(test)


def test_a_method_that_raises_loses_its_jobs_only():
    async def test(rig):
        rig.exec.start([request(666), request(2, system={"exec.method": "other"})])
        await rig.turns()
        assert [name for name, _ in rig.manager.of(666)] == ["exception", "release"]
        assert "exec method 'shell': RuntimeError: no such luck" in rig.manager.of(666)[0][1]["note"]
        assert rig.manager.of(2) == [("start", {})]
        rig.exec.start([request(3)])
        await rig.turns()
        assert rig.manager.of(3) == [("start", {})]

    rig(test)


def test_jobs_of_before_a_restart_are_taken_up():
    async def test(rig):
        assert rig.methods["shell"].calls == [("reattach", [(1, True), (2, False)])]
        rig.exec.started([(1, 1.0), (2, 1.0)])
        rig.exec.finished([(1, 1.0, 0)])
        await rig.turns()
        # The start of job 1 is in its eventlog already.
        assert [name for name, _ in rig.manager.of(1)] == ["finish", "release"]
        assert [name for name, _ in rig.manager.of(2)] == ["start"]

    rig(test, running=[(request(1), True), (request(2), False)])


def test_input_is_answered_when_it_is_taken_or_the_job_is_over():
    async def test(rig):
        rig.exec.start([request(1)])
        answers = []

        async def send(name, **payload):
            await rig.broker.rpc("job-exec.stdin", payload)
            answers.append(name)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: send("a", id=1, data="text"))
            await rig.turns()
            nursery.start_soon(lambda: send("b", id=1, ranks="0", data="/w==", encoding="base64", eof=True))
            await rig.turns()
            assert answers == []
            rig.methods["shell"].taken[0]()
            await rig.turns()
            assert answers == ["a"]
            rig.exec.finished([(1, 1.0, 0)])
            await rig.turns()
            assert answers == ["a", "b"]
        assert rig.methods["shell"].calls[1:] == [
            ("stdin", 1, "all", b"text", False),
            ("stdin", 1, "0", b"\xff", True),
        ]
        with pytest.raises(RPCError, match="job 1 isn't running"):
            await rig.broker.rpc("job-exec.stdin", {"id": 1, "data": "x"})
        rig.exec.start([request(2)])
        async with rig.broker.client(userid=4321, rolemask=2) as guest:
            with pytest.raises(RPCError, match="job 2 is another user's"):
                await guest.rpc("job-exec.stdin", {"id": 2, "data": "x"})

    rig(test)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"method": "shel"}, r"\[exec\] method: no exec method is named 'shel'; did you mean 'shell'\?"),
        (
            {"term-signal": "SIGTREM"},
            r"\[exec\] term-signal = 'SIGTREM': there is no such signal; did you mean 'SIGTERM'",
        ),
    ],
)  # fmt: skip
def test_a_wrong_configuration_refuses_the_start(config, message):
    async def test(rig):
        pass

    with pytest.raises(BournError, match=message):
        rig(test, config=config)


def test_stats():
    async def test(rig):
        rig.exec.start([request(1), request(2)])
        rig.exec.finished([(1, 1.0, 0)])
        assert rig.exec.stats() == {
            "running": 1, "methods": ["shell"], "started": 2, "finished": 1, "failed": 0,
        }  # fmt: skip

    rig(test)
