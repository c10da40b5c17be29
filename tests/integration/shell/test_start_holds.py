"""Plugins that keep a job's tasks from starting until something is done."""

import signal

import pytest

from bourn.shell.wire import Start
from tests.integration.shell.host_client import HostClient, jobspec

HOLDS = """
import os
from bourn.hookspecs.shell import ShellPlugin


class Holds(ShellPlugin):
    name = "holds"
    options = ("holds",)

    def init(self, job):
        what = job.spec.option("holds")
        first, second = job.hold(), job.hold()
        job.env["STARTED"] = "too early"
        if what == "at-once":
            first()
            second()
        elif what != "forever":
            job.later(0.01, first)
            job.later(0.02, lambda: self.done(job, second, what))

    def done(self, job, release, what):
        job.env["STARTED"] = "prepared"
        release("" if what == "later" else what)
"""


@pytest.fixture(scope="module")
def host():
    with HostClient() as client:
        yield client


@pytest.fixture
def start(host, tmp_path):
    def start(what, command, **place):
        (tmp_path / "rc.py").write_text(HOLDS)
        id = max([0, *host.status, *host.started]) + 1
        options = {"initrc": str(tmp_path / "rc.py"), "holds": what, "input": {"stdin": {"type": "service"}}}
        host.send(specs=[(id, jobspec(command, options))], start=[Start(id, id, **place)])
        return id

    return start


def test_tasks_start_when_the_last_hold_is_released(host, start):
    id = start("later", ["sh", "-c", "echo $STARTED"])
    assert host.wait(id) == [0]
    assert host.text(id) == "prepared\n"


def test_a_hold_may_be_released_at_once(host, start):
    id = start("at-once", ["sh", "-c", "echo $STARTED"])
    assert host.wait(id) == [0]
    assert host.text(id) == "too early\n"


def test_a_reason_refuses_the_job(host, start):
    id = start("the archive isn't there", ["touch", "/nowhere/file"])
    assert host.wait(id) == [126 << 8]
    assert host.failures[id] == ["the archive isn't there"]


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_a_job_that_is_held_can_be_killed(host, start, signum):
    id = start("forever", ["true"])
    host.send(kill=[(id, signal.SIGCONT), (id, signum)])
    assert host.wait(id) == [signum]


def test_input_that_comes_early_waits_for_the_tasks(host, start):
    id = start("later", ["cat"])
    host.feed(id, b"early\n", eof=True)
    assert host.wait(id) == [0]
    assert host.text(id) == "early\n"


@pytest.mark.parametrize(
    ("command", "system", "note", "code"),
    [
        (["true"], {"cwd": "/no/such"}, "working directory /no/such: No such file or directory", 126),
        (["no-such-program"], {}, "no-such-program: command not found", 127),
    ],
)
def test_a_node_whose_tasks_can_t_start_is_never_ready(host, command, system, note, code):
    id = max([0, *host.status, *host.started]) + 1
    place = Start(id, id, nnodes=2, size=2, hold=True, taskmap="[[0,2,1,1]]")
    host.send(specs=[(id, jobspec(command, **system))], start=[place])
    assert host.wait(id) == [code << 8]
    assert host.failures[id] == [note]
    assert id not in host.ready


def test_a_job_on_several_nodes_is_ready_when_it_is_prepared_and_waits_for_the_others(host, start):
    id = start("later", ["sh", "-c", "echo $STARTED"], nnodes=2, size=2, hold=True, taskmap="[[0,2,1,1]]")
    host.until(lambda: id in host.ready)
    assert id not in host.started
    host.send(go=[id])
    assert host.wait(id) == [0]
    assert host.text(id) == "prepared\n"
