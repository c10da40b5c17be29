"""How many tasks there are, and which node each is on, over two test nodes of four cores."""

import subprocess
import sys
from pathlib import Path

import pytest

BOURN = str(Path(sys.executable).with_name("bourn"))
TWO = 'resource.config=[{hosts="n[0-1]",cores="0-3"}]'


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """Run commands in one instance for all tests of the module; return their (status, output, errors)."""
    cwd = tmp_path_factory.mktemp("cwd")
    (cwd / "hosts").write_text("n1\nn0,n1  # two\n")
    command = [BOURN, "start", "-s2", f"--conf={TWO}", "--", "sh", "-c", "echo $BOURN_URI; exec cat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        uri = process.stdout.readline().strip()

        def run(*words):
            return subprocess.run(
                [BOURN, "proxy", uri, BOURN, *words], capture_output=True, text=True, cwd=cwd, timeout=60
            )

        run.cwd = cwd
        yield run
        process.stdin.close()
        assert process.wait() == 0


@pytest.mark.parametrize(
    ("options", "nodes"),
    [
        ("-n8", [0, 0, 0, 0, 1, 1, 1, 1]),
        ("-N2 -n4", [0, 0, 1, 1]),
        ("-N2 -n4 -c2", [0, 0, 1, 1]),
        ("-N2 -n3", [0, 0, 1]),
        ("-N2 --exclusive", [0, 1]),
        ("-N2 --tasks-per-node=3", [0, 0, 0, 1, 1, 1]),
        ("--cores=8 --tasks-per-node=1", [0, 1]),
        ("--cores=8 --tasks-per-core=1", [0, 0, 0, 0, 1, 1, 1, 1]),
        ("-N2 --cores=4 --tasks-per-core=2", [0, 0, 0, 0, 1, 1, 1, 1]),
        ("-N2 -n4 --taskmap=cyclic", [0, 1, 0, 1]),
        ("-N2 -n8 --taskmap=cyclic:2", [0, 0, 1, 1, 0, 0, 1, 1]),
        ("-N2 -n4 --taskmap=manual:[[1,1,1,1],[0,1,2,1],[1,1,1,1]]", [1, 0, 0, 1]),
        ("-N2 -n6 --taskmap=hostfile:hosts", [1, 0, 1, 1, 0, 1]),
    ],
)
def test_the_node_of_each_task(session, options, nodes):
    done = session("run", *options.split(), "echo", "{{taskid}} {{node.id}} {{size}}")
    assert sorted(done.stdout.splitlines()) == sorted(
        f"{task} {node} {len(nodes)}" for task, node in enumerate(nodes)
    ), done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("-N2 -n2 --taskmap=manual:[[0,1,2,1]]", "it leaves node 1 of the job without tasks"),
        ("-N2 -n2 --taskmap=manual:[[0,3,1,1]]", "the map has 3 tasks, the job 2"),
        ("-N2 -n2 --taskmap=hostfile:nofile", "nofile: No such file or directory"),
        ("-N2 -n2 --taskmap=cyclic:0", "the stride is a number from 1"),
        ("-n3 -N2 --tasks-per-node=2", "--tasks-per-node"),
    ],
)
def test_what_can_t_be_placed(session, options, message):
    done = session("run", *options.split(), "true")
    assert done.stderr.count(message) == 1
    assert done.returncode


@pytest.mark.parametrize(
    ("words", "message", "code"),
    [
        (("--cwd=/no/such", "touch", "/tmp/{{node.id}}"), "working directory /no/such: No such file or", 126),
        (("no-such-program",), "no-such-program: command not found", 127),
        (("./no-such-program",), "./no-such-program: No such file or directory", 127),
        (("./hosts",), "./hosts: Permission denied", 126),
    ],
)
def test_what_can_t_start_is_said_once_for_all_nodes(session, words, message, code):
    done = session("run", "-N2", "-n2", *words)
    assert done.stderr.count(message) == 1
    assert done.returncode == code


def test_a_file_a_node_is_truncated_on_each(session):
    for text in ("a longer text", "short"):
        options = ["-N2", "-n4", "--output=out-{{node.id}}", "--taskmap=cyclic"]
        assert session("run", *options, "echo", text).returncode == 0
    for node in (0, 1):
        assert (session.cwd / f"out-{node}").read_text() == "short\n" * 2


def test_a_scheme_of_a_plugin(session):
    (session.cwd / "backwards.py").write_text(
        """
from bourn.hookspecs.shell import ShellPlugin
from bourn.model.taskmap import TaskMap

class Backwards(ShellPlugin):
    name = "backwards"
    taskmaps = {"backwards": lambda blocks, value, hosts: TaskMap.from_nodes(list(reversed(blocks.nodes)))}
"""
    )
    options = ["-N2", "-n4", "-oinitrc=backwards.py"]
    done = session("run", *options, "--taskmap=backwards", "echo", "{{taskid}} {{node.id}}")
    assert sorted(done.stdout.splitlines()) == ["0 1", "1 1", "2 0", "3 0"], done.stderr
    done = session("run", *options, "--taskmap=backward", "true")
    assert "there is no such scheme; did you mean 'backwards'?" in done.stderr


def test_labels_and_tasks_without_buffers(session):
    done = session("run", "-N2", "-n2", "--label-io", "--unbuffered", "printf", "no newline")
    assert sorted(done.stdout.splitlines()) == ["0: no newline", "1: no newline"], done.stderr
