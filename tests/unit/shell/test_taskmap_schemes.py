"""Task maps: which node each task is on, by scheme."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bourn.errors import BournError
from bourn.model.taskmap import TaskMap
from bourn_shell_plugins.taskmap import SCHEMES, _checked, cyclic

BLOCKS = TaskMap([[0, 2, 2, 1]])


def nodes(scheme, value="", blocks=BLOCKS):
    return _checked(scheme, SCHEMES[scheme], blocks, value, "a[0-1]").nodes


def test_block_and_cyclic():
    assert nodes("block") == [0, 0, 1, 1]
    assert nodes("cyclic") == [0, 1, 0, 1]
    assert nodes("cyclic", "2") == [0, 0, 1, 1]
    assert nodes("cyclic", "2", TaskMap([[0, 1, 3, 1], [1, 1, 2, 1]])) == [0, 0, 1, 1, 0]
    # Nodes that are full are left out.
    assert nodes("cyclic", "", TaskMap([[0, 1, 1, 1], [1, 1, 3, 1]])) == [0, 1, 1, 1]


def test_manual_in_each_form():
    assert nodes("manual", "[[1,1,3,1],[0,1,1,1]]") == [1, 1, 1, 0]
    assert nodes("manual", "0,3;1-2") == [0, 1, 1, 0]


def test_hostfile(tmp_path):
    file = tmp_path / "hosts"
    file.write_text("# two on the second\na1\n\na1 # again\na0\n")
    assert nodes("hostfile", str(file)) == [1, 1, 0, 1]
    file.write_text("a[0-1]\n")
    assert nodes("hostfile", str(file)) == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("scheme", "value", "message"),
    [
        ("cyclic", "x", "-o taskmap=cyclic:x: the stride is a number from 1"),
        ("cyclic", "0", "the stride is a number from 1"),
        ("manual", "[[0,1,4,1]]", "it leaves node 1 of the job without tasks"),
        ("manual", "[[0,2,1,1]]", "the map has 2 tasks, the job 4"),
        ("manual", "[[0,4,1,1]]", "the map has 4 nodes, the job 2"),
        ("manual", "[[0]]", "is not [nodeid, nnodes, ppn, repeat]"),
        ("hostfile", "/no/such/file", "/no/such/file: No such file or directory"),
        ("hostfile", "/dev/null", "/dev/null names no hosts"),
    ],
)
def test_wrong_maps(scheme, value, message):
    with pytest.raises(BournError) as caught:
        nodes(scheme, value)
    assert message in caught.value.message


def test_a_host_that_the_job_hasn_t(tmp_path):
    file = tmp_path / "hosts"
    file.write_text("b7\n")
    with pytest.raises(BournError, match=r"b7 is none of the job's hosts \(a0,a1\)"):
        nodes("hostfile", str(file))


@given(st.lists(st.integers(1, 9), min_size=1, max_size=9), st.integers(1, 5))
def test_cyclic_keeps_how_many_each_node_has(counts, stride):
    blocks = TaskMap([[node, 1, count, 1] for node, count in enumerate(counts)])
    made = cyclic(blocks, str(stride), "")
    assert [made.ntasks_on(node) for node in range(len(counts))] == counts
