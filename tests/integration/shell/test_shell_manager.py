"""Shell-manager and job-exec with real shell hosts, between a pretended job manager and a pretended store."""

import os
import signal
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio

from bourn.broker.module import Module
from bourn.hookspecs.exec_method import StartRequest
from bourn.hookspecs.modules import ModuleSpec
from bourn.model.jobid import JobID
from bourn.plugins import PluginManager
from bourn.testing import memory_broker
from bourn.testing.distributions import fake_distribution
from bourn.testing.samples import interned, jobspec, resource_set
from bourn_plugins import job_exec
from bourn_plugins.job_exec.module import JobExec
from bourn_plugins.shell_manager.module import ShellManager


class State:
    """What outlives a broker: the store, as far as it matters here."""

    def __init__(self):
        self.metas, self.logs, self.events = {}, {}, []

    def meta(self, key):
        return self.metas.get(key)

    def piece(self, id, log="eventlog"):
        return self.logs.get((id, log), "")

    def text(self, id):
        import json

        lines = map(json.loads, self.piece(id, "guest.output").splitlines())
        return "".join(line["context"].get("data", "") for line in lines)

    def of(self, id):
        return [name for i, name, _ in self.events if i == id]

    def context(self, id, name):
        return next(context for i, n, context in self.events if (i, n) == (id, name))

    async def until(self, condition):
        with trio.fail_after(20):
            while not condition():  # noqa: ASYNC110
                await trio.sleep(0.005)


@asynccontextmanager
async def instance(state, running=(), statedir=None, config=None):
    class Store(Module):
        store = state

    # The store's `events` is a method; the name is the list's here.
    state_events = state.events
    reader = type("Reader", (), {})()
    reader.meta = state.meta
    reader.events = lambda id, log="eventlog": iter(filter(None, [state.piece(id, log)]))
    Store.store = reader

    class Manager(Module):
        def exec_attach(self, executor):
            executor.exec_hello(self, running)

        def exec_detach(self):
            pass

        def exec_report(self, events, logs, committed=None, meta=None):
            state_events.extend((e.id, e.name, e.context) for e in events)
            for id, name, text in logs:
                state.logs[id, name] = state.logs.get((id, name), "") + text
            state.metas.update(meta or {})
            if committed:
                committed()

    plugins = PluginManager()
    plugins.register(job_exec)
    async with memory_broker(
        ModuleSpec("store", Store),
        ModuleSpec("job-manager", Manager),
        ModuleSpec("shell-manager", ShellManager, requires=("store",)),
        ModuleSpec("job-exec", JobExec, requires=("job-manager", "shell-manager", "store")),
        config={"exec": config or {}},
        plugins=plugins,
        statedir=statedir,
        attrs={"local-uri": "local:///there"},
    ) as broker:
        yield broker


def request(id, *command, options=None, cores="0", **shape):
    system = {"shell.options": options} if options else {}
    obj = jobspec(*command, system={"cwd": "/tmp", **system}, **shape)
    R = {"execution": {"R_lite": [{"rank": "0", "children": {"core": cores}}]}}
    return StartRequest(id, os.getuid(), interned(obj), None, R)


def host_pid(broker):
    (host,) = broker.provider("shell-manager").stats()["hosts"]
    return host["pid"]


def gone(pid):
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] == b"Z"
    except OSError:
        return True


def test_jobs_run_and_nothing_is_left():
    async def main():
        state = State()
        async with instance(state) as broker:
            broker.provider("job-exec").start(
                [request(id, "sh", "-c", "echo $BOURN_JOB_ID $BOURN_URI; exit 2") for id in range(100, 150)]
            )
            await state.until(lambda: sum(name == "release" for _, name, _ in state.events) == 50)
            for id in range(100, 150):
                assert state.of(id) == ["start", "finish", "release"]
                assert state.context(id, "finish") == {"status": 2 << 8}
                assert state.text(id) == f"{JobID(id).f58} local:///there\n"
                assert state.piece(id, "guest.output").count('"header"') == 1
            pid, rundir = host_pid(broker), broker.ctx.rundir
            assert os.stat(f"{rundir}/shell-0-{os.getuid()}.sock").st_mode & 0o777 == 0o600
        assert gone(pid)
        # No deputy of the host is left either, and no file of it.
        assert not rundir.exists()
        assert not broker.log

    trio.run(main)


def test_jobs_that_are_alive_at_the_end_go_with_the_instance():
    async def main():
        state = State()
        async with instance(state) as broker:
            broker.provider("job-exec").start(
                [request(1, "sh", "-c", "trap '' TERM; echo $$; sleep 1000 & wait")]
            )
            await state.until(lambda: state.text(1))
        assert gone(int(state.text(1)))

    trio.run(main)


@pytest.mark.parametrize("options", [None, {"isolate": 1}])
def test_signals_meant_for_programs_end_no_host(options):
    async def main():
        state = State()
        async with instance(state) as broker:
            jobs = broker.provider("job-exec")
            pid = host_pid(broker)
            os.kill(pid, signal.SIGUSR1)
            jobs.start([request(1, "sh", "-c", "kill -USR1 $$; echo deaf", options=options)])
            await state.until(lambda: state.of(1)[-1:] == ["release"])
            os.kill(pid, signal.SIGUSR2)
            jobs.start([request(2, "sh", "-c", "kill -USR2 $PPID; echo fine", options=options)])
            await state.until(lambda: state.of(2)[-1:] == ["release"])
            assert state.context(1, "finish") == {"status": signal.SIGUSR1}
            assert state.context(2, "finish") == {"status": 0}
            assert (state.text(1), state.text(2), host_pid(broker)) == ("", "fine\n", pid)

    trio.run(main)


def test_cancel_kills_what_ignores_it():
    async def main():
        state = State()
        async with instance(state, config={"kill-timeout": 0.1}) as broker:
            jobs = broker.provider("job-exec")
            jobs.start(
                [request(1, "sh", "-c", "trap 'echo caught' TERM; echo up; while :; do sleep 0.01; done")]
            )
            await state.until(lambda: "up" in state.text(1))
            jobs.cancel([1])
            await state.until(lambda: state.of(1)[-1] == "release")
            assert state.context(1, "finish") == {"status": signal.SIGKILL}
            assert "caught" in state.text(1)

    trio.run(main)


def test_a_time_limit():
    async def main():
        state = State()
        async with instance(state) as broker:
            obj = jobspec("sleep", "1000", system={"cwd": "/tmp", "duration": 0.1})
            broker.provider("job-exec").start(
                [StartRequest(1, os.getuid(), interned(obj), None, resource_set(1, 1))]
            )
            await state.until(lambda: state.of(1)[-1:] == ["release"])
            assert state.of(1) == ["start", "exception", "finish", "release"]
            assert state.context(1, "exception")["type"] == "timelimit"
            assert state.context(1, "finish") == {"status": signal.SIGALRM}

    trio.run(main)


def test_a_host_that_is_killed_fails_its_jobs_and_the_next_job_gets_a_new_one():
    async def main():
        state = State()
        async with instance(state) as broker:
            jobs = broker.provider("job-exec")
            jobs.start([request(1, "sh", "-c", "echo $$; sleep 1000 & echo $!; wait")])
            await state.until(lambda: state.text(1).count("\n") == 2)
            first = host_pid(broker)
            os.kill(first, signal.SIGKILL)
            await state.until(lambda: state.of(1)[-1] == "release")
            assert state.of(1) == ["start", "exception", "finish", "release"]
            assert (
                f"the shell host of user {os.getuid()} (process {first}) died"
                in state.context(1, "exception")["note"]
            )
            await state.until(lambda: all(gone(pid) for pid in state.text(1).split()))
            jobs.start([request(2, "true")])
            await state.until(lambda: state.of(2)[-1:] == ["release"])
            assert state.context(2, "finish") == {"status": 0}
            assert host_pid(broker) != first

    trio.run(main)


def test_jobs_outlive_a_broker_that_dies(tmp_path):
    script = "echo one; until [ -e go ]; do sleep 0.01; done; echo two; touch done; exit 7"
    living = request(1, "sh", "-c", f"cd {tmp_path}; {script}")
    lost, unstarted = request(2, "true"), request(3, "echo", "late")

    async def before(state):
        async with instance(state, statedir=tmp_path) as broker:
            broker.provider("job-exec").start([living])
            await state.until(lambda: "one" in state.text(1))
            pid = host_pid(broker)
            # Such is the end of a broker that has no time to clean up.
            broker.ctx._broker.attrs.set("broker.cleanup", "keep")
        assert not gone(pid)
        return pid

    async def after(state, pid):
        running = [(living, True), (lost, True), (unstarted, False)]
        async with instance(state, running, statedir=tmp_path) as broker:
            assert host_pid(broker) == pid
            await state.until(lambda: sum(name == "release" for _, name, _ in state.events) == 3)
        assert gone(pid)

    async def main():
        state = State()
        pid = await before(state)
        (tmp_path / "go").touch()
        await state.until((tmp_path / "done").exists)
        await after(state, pid)
        assert state.of(1) == ["start", "finish", "release"]
        assert state.context(1, "finish") == {"status": 7 << 8}
        assert state.text(1) == "one\ntwo\n"
        output = state.piece(1, "guest.output")
        assert (output.count('"header"'), output.count('"eof":true')) == (1, 1)
        assert '"reattach"' in state.piece(1, "guest.exec.eventlog")
        assert state.of(2) == ["exception", "finish", "release"]
        assert "the job was lost" in state.context(2, "exception")["note"]
        assert state.of(3) == ["start", "finish", "release"], state.context(3, "exception")
        assert state.text(3) == "late\n"
        assert not list(tmp_path.glob("*.sock"))

    trio.run(main)


def test_a_socket_that_nobody_serves_is_swept_away(tmp_path):
    import socket

    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(tmp_path / f"shell-0-{os.getuid()}.sock"))
    stale.close()

    async def main():
        state = State()
        async with instance(state, statedir=tmp_path) as broker:
            broker.provider("job-exec").start([request(1, "true")])
            await state.until(lambda: state.of(1)[-1:] == ["release"])

    trio.run(main)


def test_a_host_that_ends_just_when_it_is_found_keeps_nobody_waiting(tmp_path):
    async def main():
        listener = trio.socket.socket(trio.socket.AF_UNIX)
        await listener.bind(str(tmp_path / f"shell-0-{os.getuid()}.sock"))
        listener.listen(1)

        async def end():
            with listener:
                peer, _ = await listener.accept()
                peer.close()

        state = State()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(end)
            with trio.fail_after(30):
                async with instance(state, statedir=tmp_path, config={"host-timeout": 3600}) as broker:
                    broker.provider("job-exec").start([request(1, "true")])
                    await state.until(lambda: state.of(1)[-1:] == ["release"])

    trio.run(main)


def test_another_user_s_jobs_and_other_ranks_are_refused():
    async def main():
        state = State()
        async with instance(state) as broker:
            far = request(2, "true")
            far.R = {"execution": {"R_lite": [{"rank": "3", "children": {"core": "0"}}]}}
            foreign = request(1, "true")
            foreign.userid = os.getuid() + 1
            broker.provider("job-exec").start([foreign, far, request(3, "true")])
            await state.until(lambda: state.of(3)[-1:] == ["release"])
            assert state.of(1) == state.of(2) == ["exception", "release"]
            assert (
                f"this instance runs those of user {os.getuid()} only"
                in state.context(1, "exception")["note"]
            )
            assert state.context(2, "exception")["note"] == "no rank 3; the instance has rank 0 only"

    trio.run(main)


PLUGIN = """
from bourn.hookspecs import hookimpl
from bourn.hookspecs.shell import ShellPlugin

class Faulty(ShellPlugin):
    name = "faulty"
    options = ("faulty",)
    def __getattr__(self, name):
        raise AttributeError(name)
    def fail(self, job, where):
        if job.spec.option("faulty") == where:
            raise RuntimeError(f"no {where}")
    def validate(self, spec):
        if spec.option("faulty") == "validate":
            raise RuntimeError("no validate")
    def init(self, job):
        self.fail(job, "init")
    def task_init(self, job, task):
        self.fail(job, "task_init")
    def task_fork(self, job, task):
        self.fail(job, "task_fork")
    def start(self, job):
        self.fail(job, "start")
    def task_exit(self, job, task):
        self.fail(job, "task_exit")
    def finish(self, job):
        self.fail(job, "finish")
    def exit(self, job):
        self.fail(job, "exit")

@hookimpl
def bourn_shell_plugins():
    yield Faulty()
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A distribution with a faulty plugin and a broken one, as shell hosts find it."""
    folder = tmp_path / "site"
    fake_distribution(
        folder,
        "faulty",
        "2.5",
        plugins={"bourn.shell_plugins": {"faulty": "faulty_plugin", "broken": "broken_plugin"}},
        modules={"faulty_plugin": PLUGIN, "broken_plugin": "import no_such_module"},
    )
    monkeypatch.setenv("PYTHONPATH", str(folder))


def test_a_plugin_that_raises_fails_its_job_by_name_and_no_other(installed):
    places = ["validate", "init", "task_init", "task_fork", "start", "task_exit", "finish", "exit"]

    async def main():
        state = State()
        async with instance(state) as broker:
            jobs = [
                request(id, "sh", "-c", "sleep 0.05", options={"faulty": where})
                for id, where in enumerate(places, 1)
            ]
            broker.provider("job-exec").start([*jobs, request(99, "echo", "fine")])
            released = partial(lambda ids: all(state.of(id)[-1:] == ["release"] for id in ids))
            await state.until(lambda: released([*range(1, len(places) + 1), 99]))
            for id, where in enumerate(places, 1):
                note = state.context(id, "exception")["note"]
                assert note == f"shell plugin 'faulty': RuntimeError: no {where}"
            assert state.of(99) == ["start", "finish", "release"]
            assert state.text(99) == "fine\n"
            await state.until(lambda: any("broken" in line for line in broker.log))
            (line,) = [line for line in broker.log if "broken" in line]
            assert "faulty 2.5" in line
            assert "no_such_module" in line

    trio.run(main)
