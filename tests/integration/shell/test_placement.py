"""How many tasks there are, and which node each is on, over two test nodes of four cores."""

import pytest

from tests.integration.instance import Instance

TWO = 'resource.config=[{hosts="n[0-1]",cores="0-3"}]'


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """One instance for all tests of the module."""
    cwd = tmp_path_factory.mktemp("cwd")
    (cwd / "hosts").write_text("n1\nn0,n1  # two\n")
    with Instance(None, "-s2", f"--conf={TWO}", cwd=cwd) as found:
        yield found


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
    done = session.words("run", *options.split(), "echo", "{{taskid}} {{node.id}} {{size}}")
    assert sorted(done.out.splitlines()) == sorted(
        f"{task} {node} {len(nodes)}" for task, node in enumerate(nodes)
    ), done.err


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
    done = session.words("run", *options.split(), "true")
    assert done.err.count(message) == 1
    assert done.code


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
    done = session.words("run", "-N2", "-n2", *words)
    assert done.err.count(message) == 1
    assert done.code == code


def test_a_file_a_node_is_truncated_on_each(session):
    for text in ("a longer text", "short"):
        options = ["-N2", "-n4", "--output=out-{{node.id}}", "--taskmap=cyclic"]
        assert session.words("run", *options, "echo", text).code == 0
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
    done = session.words("run", *options, "--taskmap=backwards", "echo", "{{taskid}} {{node.id}}")
    assert sorted(done.out.splitlines()) == ["0 1", "1 1", "2 0", "3 0"], done.err
    done = session.words("run", *options, "--taskmap=backward", "true")
    assert "there is no such scheme; did you mean 'backwards'?" in done.err


def test_labels_and_tasks_without_buffers(session):
    done = session.words("run", "-N2", "-n2", "--label-io", "--unbuffered", "printf", "no newline")
    assert sorted(done.out.splitlines()) == ["0: no newline", "1: no newline"], done.err
