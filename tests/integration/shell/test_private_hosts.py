"""Jobs in shell hosts of their own: `-o isolate`, `-o initrc=FILE.py`, `-o userrc=FILE.py`."""

import os
import signal
import time
from pathlib import Path

import pytest

from bourn.shell.wire import Start
from tests.integration.shell.host_client import HostClient, jobspec

GREETING = """
from bourn.errors import BournError
from bourn.hookspecs.shell import ShellPlugin


class Greeting(ShellPlugin):
    name = "greeting"
    options = ("greeting",)

    def init(self, job):
        job.env["GREETING"] = job.spec.option("greeting")

    def finish(self, job):
        job.log("guest.exec.eventlog", '{"timestamp":1.0,"name":"shell.bye","context":{}}\\n')
"""


@pytest.fixture(scope="module")
def host():
    with HostClient() as client:
        yield client


def run(host, command, options, cwd="/tmp", wait=True, **place):
    id = max([*host.status, *host.started], default=0) + 1
    host.send(specs=[(id, jobspec(command, options, cwd=str(cwd)))], start=[Start(id, id, **place)])
    if wait:
        host.wait(id)
    return id


def test_a_plugin_of_the_user_s(host, tmp_path):
    (tmp_path / "rc.py").write_text(GREETING)
    options = {"initrc": "rc.py", "greeting": "hello"}
    id = run(host, ["sh", "-c", "echo $GREETING $BOURN_JOB_ID; exit 3"], options, tmp_path)
    assert host.status[id] == 3 << 8
    assert host.text(id).startswith("hello ƒ")
    assert "shell.bye" in [event["name"] for event in host.output[id]]
    # Other jobs don't have it.
    id = run(host, ["true"], {"greeting": "hello"})
    assert host.failures[id][0].startswith("-o greeting: there is no such shell option")


def test_by_the_hook_and_two_files(host, tmp_path):
    (tmp_path / "a.py").write_text(GREETING)
    hook = "\n\ndef bourn_shell_plugins():\n    yield Other()\n"
    (tmp_path / "b.py").write_text(
        GREETING.replace("Greeting", "Other").replace('"greeting"', '"other"').replace("GREETING", "O") + hook
    )
    options = {"initrc": "a.py", "userrc": str(tmp_path / "b.py"), "greeting": "one", "other": "two"}
    id = run(host, ["sh", "-c", "echo $GREETING $O"], options, tmp_path)
    assert host.text(id) == "one two\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "rc.py: No such file or directory"),
        ("x = 1\n(", "rc.py: line 2: SyntaxError: '(' was never closed"),
        ("\n\n1 / 0\n", "rc.py: line 3: ZeroDivisionError: division by zero"),
        (
            "x = 1\n",
            "rc.py: it has neither a class derived from ShellPlugin nor the hook bourn_shell_plugins",
        ),
        (
            GREETING + "\n    def task_init(self, job, task):\n        raise ValueError('no')\n",
            "shell plugin 'greeting': ValueError: no",
        ),
        (GREETING.replace("job.env", "job.nothing"), "shell plugin 'greeting': AttributeError: "),
    ],
)
def test_a_broken_file_fails_its_job_with_the_place(host, tmp_path, text, message):
    if text is not None:
        (tmp_path / "rc.py").write_text(text)
    id = run(
        host,
        ["true"],
        {"initrc": "rc.py", "greeting": "x"} if text and "ShellPlugin" in text else {"initrc": "rc.py"},
        tmp_path,
    )
    assert host.status[id] == 126 << 8
    assert message in host.failures[id][0]


@pytest.mark.parametrize("options", [{"initrc": 1}, {"isolate": "perhaps"}])
def test_wrong_options(host, options):
    id = run(host, ["true"], options)
    assert host.status[id] == 126 << 8
    assert "right is" in host.failures[id][0]


@pytest.mark.parametrize(("callback", "fatal"), [("init", True), ("task_exit", True), ("init", False)])
def test_a_plugin_that_raises_ends_its_job_or_is_only_noted(host, tmp_path, callback, fatal):
    (tmp_path / "rc.py").write_text(
        f"""
from bourn.hookspecs.shell import ShellPlugin

class Fails(ShellPlugin):
    name = "fails"
    fatal = {fatal}

    def {callback}(self, job, *task):
        raise ValueError("for a test")
"""
    )
    id = run(host, ["sh", "-c", "echo ran"], {"initrc": "rc.py"}, tmp_path)
    assert host.failures[id] == ["shell plugin 'fails': ValueError: for a test"]
    assert host.severities[id] == [0 if fatal else 3]
    assert host.text(id) == ("" if callback == "init" and fatal else "ran\n")


def test_isolation_is_another_process_and_everything_goes_through_it(host):
    script = "echo $PPID; read line; echo got $line; trap 'echo term; exit 4' TERM; echo ready; "
    script += "while :; do sleep 0.01; done"
    options = {"isolate": 1, "input": {"stdin": {"type": "service"}}}
    id = run(host, ["sh", "-c", script], options, wait=False)
    host.until(lambda: "\n" in host.text(id))
    assert int(host.text(id).split()[0]) != host.process.pid
    serial = host.feed(id, b"words\n")
    host.until(lambda: serial in host.taken and "ready" in host.text(id))
    assert "got words\n" in host.text(id)
    host.send(kill=[(id, signal.SIGTERM)])
    assert host.wait(id) == [4 << 8]
    assert host.text(id).endswith("term\n")


def test_much_output_is_held_back_and_all_arrives(host):
    id = run(host, ["sh", "-c", "yes 0123456789abcdef | head -c 8000000"], {"isolate": 1})
    assert len(host.text(id)) == 8_000_000


def test_a_plugin_that_kills_its_host_fails_its_job_only(host, tmp_path):
    (tmp_path / "rc.py").write_text(
        GREETING + "\n    def start(self, job):\n        import os; os.kill(os.getpid(), 9)\n"
    )
    other = run(host, ["sleep", "0.5"], {}, wait=False)
    host.until(lambda: other in host.started)
    id = other + 1
    text = jobspec(["sleep", "1000"], {"initrc": str(tmp_path / "rc.py"), "greeting": "x"})
    host.send(specs=[(id, text)], start=[Start(id, id)])
    assert host.wait(id, other) == [signal.SIGKILL, 0]
    assert host.failures[id] == ["the job's own shell host ended by signal SIGKILL"]


def test_a_plugin_that_hangs_is_killed_with_its_tasks(host, tmp_path):
    pid_file = tmp_path / "pid"
    (tmp_path / "rc.py").write_text(
        GREETING + "\n    def start(self, job):\n        import time; time.sleep(1000)\n"
    )
    script = f"echo $$ > {pid_file}.new; mv {pid_file}.new {pid_file}; exec sleep 1000"
    options = {"initrc": str(tmp_path / "rc.py"), "greeting": "x"}
    id = run(host, ["sh", "-c", script], options, wait=False)
    while not pid_file.exists():
        time.sleep(0.01)
    host.send(kill=[(id, signal.SIGKILL)])
    assert host.wait(id) == [signal.SIGKILL]
    pid = int(pid_file.read_text())
    while Path(f"/proc/{pid}").exists():
        time.sleep(0.005)


def test_nothing_is_left_of_a_host_that_ends():
    with HostClient() as host:
        id = run(host, ["sh", "-c", "echo $$ $PPID; exec sleep 1000"], {"isolate": 1}, wait=False)
        host.until(lambda: "\n" in host.text(id))
        pids = host.text(id).split()
        host.send(end=True)
        host.process.wait()
        while any(Path(f"/proc/{pid}").exists() for pid in pids):
            time.sleep(0.005)
        assert os.listdir(host.folder) == ["host.sock"]


def test_it_goes_on_while_its_broker_is_away():
    with HostClient(grace=60) as host:
        id = run(
            host,
            ["sh", "-c", "echo a; read x; echo b"],
            {"isolate": 1, "input": {"stdin": {"type": "service"}}},
            wait=False,
        )
        host.until(lambda: host.text(id) == "a\n")
        host.resume = (host.name, host.seq)
        host.disconnect()
        host.connect()
        host.until(lambda: host.greeting is not None and id in host.greeting)
        host.feed(id, b"\n")
        assert host.wait(id) == [0]
        assert host.text(id) == "a\nb\n"
