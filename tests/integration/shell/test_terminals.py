"""Jobs in a pseudo-terminal: what a person at a keyboard, played by a script, sees."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
from pathlib import Path

import pytest

from bourn.cli.terminal import LocalTerminal, is_interactive
from tests.integration.instance import BOURN, Instance
from tests.integration.shell.host_client import HostClient


class Person:
    """Runs a command in a terminal of its own; types, and reads what appears."""

    def __init__(self, *command, env=None, rows=33, columns=101):
        pid, self.fd = pty.fork()
        if pid == 0:
            try:
                os.execvpe(command[0], command, env or os.environ)
            finally:
                os._exit(127)
        self.pid = pid
        self.seen = ""
        self.size(rows, columns)

    def size(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.fd, text.encode())

    def sees(self, text):
        """Wait until `text` appears; forget what came up to it."""
        while text not in self.seen:
            assert select.select([self.fd], [], [], 30)[0], f"never came: {text!r}; {self.seen!r}"
            assert self._more(), f"ended before {text!r}: {self.seen!r}"
        before, _, self.seen = self.seen.partition(text)
        return before

    def ends(self):
        """Wait for the end; return the exit status and the rest."""
        while self._more():
            pass
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1]), self.seen

    def _more(self):
        try:
            data = os.read(self.fd, 1 << 16)
        except OSError:
            return False
        self.seen += data.decode()
        return bool(data)


@pytest.fixture
def instance():
    with Instance(None, "--conf=resource.config=[{hosts='here',cores='0-3'}]") as found:
        yield {**os.environ, "BOURN_URI": found.uri, "PS1": "@ ", "TERM": "dumb"}


def call(env, *command, **how):
    return subprocess.run([BOURN, *command], env=env, capture_output=True, text=True, timeout=60, **how)


def test_an_interactive_shell(instance):
    person = Person(BOURN, "run", "-o", "pty.interactive", "sh", "-i", env=instance)
    person.sees("@ ")
    person.type("stty size; echo $((6 * 7))\r")
    person.sees("33 101\r\n42\r\n@ ")
    person.size(40, 90)
    person.type("sleep 0.3; stty size\r")
    person.sees("40 90\r\n@ ")
    # Keys that mean signals go to the program, not to us.
    person.type("sh -c 'echo rea''dy; exec sleep 1000'\r")
    person.sees("ready\r\n")
    person.type("\x03")
    person.sees("@ ")
    person.type("echo $TERM; exit 5\r")
    person.sees("dumb\r\n")
    status, rest = person.ends()
    assert status == 5
    assert "task(s) exited with exit code 5" in rest


def test_working_in_an_instance_of_one_s_own(instance):
    env = {**instance, "PATH": f"{Path(BOURN).parent}:{instance['PATH']}", "SHELL": "/bin/sh"}
    person = Person(BOURN, "alloc", "-n2", env=env)
    person.sees("@ ")
    person.type("bourn resource info; bourn run -n2 echo in 'side'; tty -s && echo on a 'terminal'\r")
    person.sees("1 Nodes, 2 Cores, 0 GPUs")
    person.sees("in side\r\nin side\r\n")
    person.sees("on a terminal\r\n")
    person.sees("@ ")
    person.size(50, 70)
    person.type("stty size\r")
    person.sees("50 70\r\n")
    # Ctrl-C ends what runs in it, and not the instance.
    person.type("echo rea''dy; sleep 1000\r")
    person.sees("ready\r\n")
    person.type("\x03")
    person.sees("@ ")
    person.type("exit 3\r")
    status, rest = person.ends()
    assert status == 3, rest


def test_attaching_late_twice_and_only_to_watch(instance):
    first = Person(BOURN, "run", "-v", "-o", "pty.interactive", "sh", "-i", env=instance)
    first.sees("jobid: ")
    id = first.sees("\r\n")
    first.sees("@ ")
    first.type("echo $((1000 + 1))\r")
    first.sees("1001\r\n@ ")
    second = Person(BOURN, "job", "attach", id, env=instance)
    second.sees("1001\r")
    second.sees("@ ")
    watcher = Person(BOURN, "job", "attach", "--read-only", id, env=instance)
    watcher.sees("1001\r")
    watcher.sees("@ ")
    second.type("echo $((2000 + 2))\r")
    for each in (first, second, watcher):
        each.sees("2002\r")
        each.sees("@ ")
    watcher.type("echo $((3000 + 3))\r")
    second.type("~.")
    status, rest = second.ends()
    assert "~" not in rest
    first.type("exit\r")
    status, rest = first.ends()
    assert status == 0
    assert "3003" not in rest
    assert watcher.ends()[0] == 0


def test_input_that_isn_t_a_terminal_is_typed(instance):
    done = call(instance, "run", "-o", "pty.interactive", "cat", input="one\ntwo")
    assert done.returncode == 0
    assert done.stdout.count("one\n") == 2
    assert "two" in done.stdout


def test_a_terminal_for_each_task_without_anybody_in_it(instance):
    done = call(instance, "run", "-n2", "-o", "pty", "--label-io", "sh", "-c", "tty; test -t 1 && echo yes")
    assert sorted(line[3:] for line in done.stdout.splitlines() if "yes" in line) == ["yes", "yes"]
    assert len({line for line in done.stdout.splitlines() if "/dev/pts/" in line}) == 2


def test_what_is_left_in_the_session_ends_with_its_leader():
    with HostClient() as host:
        host.run(
            ["bash", "-ic", "set -m; nohup sleep 1000 >/dev/null 2>&1 & echo pid=$!"], options={"pty": 1}
        )
        assert host.wait(1) == [0]
        pid = int(host.text(1).partition("pid=")[2].split()[0])
        while Path(f"/proc/{pid}/stat").exists():
            pass


def test_a_terminal_into_a_file(tmp_path):
    with HostClient() as host:
        options = {"pty": 1, "output": {"stdout": {"path": str(tmp_path / "out")}}}
        host.run(["sh", "-c", "echo hello; tty -s && echo tty"], options=options)
        assert host.wait(1) == [0]
    assert (tmp_path / "out").read_bytes() == b"hello\r\ntty\r\n"


def test_a_terminal_whose_output_nobody_wants(tmp_path):
    with HostClient() as host:
        host.run(
            ["sh", "-c", f"echo hello; tty -s && touch {tmp_path}/tty"], options={"pty": {"capture": "off"}}
        )
        assert host.wait(1) == [0]
        assert host.text(1) == ""
    assert (tmp_path / "tty").exists()


def test_ctrl_c_of_who_only_watches_leaves_the_job_alone(instance):
    worker = Person(BOURN, "run", "-v", "-o", "pty.interactive", "sh", "-i", env=instance)
    worker.sees("jobid: ")
    id = worker.sees("\r\n")
    worker.sees("@ ")
    worker.type("echo $((1000 + 1))\r")
    watcher = Person(BOURN, "job", "attach", "--read-only", id, env=instance)
    watcher.sees("1001\r")
    watcher.type("\x03")
    status, _ = watcher.ends()
    assert status == 130
    worker.sees("1001\r\n@ ")
    worker.type("exit 4\r")
    assert worker.ends()[0] == 4


def test_a_program_that_can_t_be_started():
    with HostClient() as host:
        host.run(["/no/such/program"], options={"pty": 1})
        assert host.wait(1) == [127 << 8]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"interactiv": 1}, "-o pty.interactiv: there is no such shell option; did you mean 'interactive'?"),
        ({"rows": 0}, "-o pty.rows=0: right is a number from 1"),
        ({"ranks": "x"}, "-o pty.ranks: "),
        ({"capture": "off", "interactive": 1}, "a terminal to work in is seen through what is captured"),
    ],
)
def test_wrong_options(options, message):
    with HostClient() as host:
        host.run(["true"], options={"pty": options})
        assert host.wait(1) == [126 << 8]
        assert message in host.failures[1][0]


def test_keys_that_detach():
    terminal = LocalTerminal()
    assert terminal.typed(b"ls ~.\r") == (b"ls ~.\r", False)
    assert terminal.typed(b"~~.") == (b"~.", False)
    assert terminal.typed(b"\r~") == (b"\r", False)
    assert terminal.typed(b"x") == (b"~x", False)
    assert terminal.typed(b"\ra\r~.rest") == (b"\ra\r", True)


def test_which_jobs_are_interactive():
    def of(value):
        return {"attributes": {"system": {"shell": {"options": {"pty": value}}}}}

    assert is_interactive(of({"interactive": 1}))
    assert not is_interactive(of(1))
    assert not is_interactive(of({"interactive": 0}))
    assert not is_interactive({"attributes": None})
