from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bourn.errors import BournError
from bourn.model.taskmap import TaskMap

# Test vectors of RFC 34.
VECTORS = """
0                                            [[0,1,1,1]]
0;1                                          [[0,2,1,1]]
0-1                                          [[0,1,2,1]]
0-1;2-3                                      [[0,2,2,1]]
0,2;1,3                                      [[0,2,1,2]]
1;0                                          [[1,1,1,1],[0,1,1,1]]
0-3;4-7;8-11;12-15                           [[0,4,4,1]]
0,4,8,12;1,5,9,13;2,6,10,14;3,7,11,15        [[0,4,1,4]]
0-1,8-9;2-3,10-11;4-5,12-13;6-7,14-15        [[0,4,2,2]]
0-1;2-3;4-5;6-7;8-11;12-15                   [[0,4,2,1],[4,2,4,1]]
0,6;1,7;2,8;3,9;4,10,12,14;5,11,13,15        [[0,6,1,2],[4,2,1,2]]
14-15;12-13;10-11;8-9;4-7;0-3                [[5,1,4,1],[4,1,4,1],[3,1,2,1],[2,1,2,1],[1,1,2,1],[0,1,2,1]]
0-1;2-3;4-5;6-7;8-9;12-13;10-11;14-15        [[0,5,2,1],[6,1,2,1],[5,1,2,1],[7,1,2,1]]
12-15;8-11;4-7;0-3                           [[3,1,4,1],[2,1,4,1],[1,1,4,1],[0,1,4,1]]
"""


@pytest.mark.parametrize("line", VECTORS.strip().splitlines())
def test_rfc_vectors(line: str) -> None:
    raw, blocks = line.split()
    taskmap = TaskMap(raw)
    assert str(taskmap) == blocks
    assert TaskMap(blocks).raw() == raw
    assert TaskMap(json.loads(blocks)) == taskmap == TaskMap({"version": 1, "map": json.loads(blocks)})


@given(st.lists(st.integers(0, 6), max_size=40))
def test_any_map_is_read_back(nodes: list[int]) -> None:
    taskmap = TaskMap.from_nodes(nodes)
    assert taskmap.nodes == nodes == TaskMap(str(taskmap)).nodes
    assert TaskMap(taskmap.raw()) == taskmap
    assert len(taskmap) == taskmap.ntasks == len(nodes)
    assert taskmap.nnodes == max(nodes, default=-1) + 1
    for node in range(taskmap.nnodes):
        assert list(taskmap.tasks(node)) == [rank for rank, n in enumerate(nodes) if n == node]
        assert taskmap.ntasks_on(node) == nodes.count(node)
    assert all(taskmap.node(rank) == node for rank, node in enumerate(nodes))


def test_forms() -> None:
    taskmap = TaskMap([[0, 4, 1, 2]])
    assert taskmap.pmi() == "(vector,(0,4,1),(0,4,1))"
    assert taskmap.to_list() == [[0, 4, 1, 2]]
    assert repr(taskmap) == "TaskMap('[[0,4,1,2]]')"
    assert not TaskMap()
    assert TaskMap("").raw() == ""
    assert hash(taskmap) == hash(TaskMap(taskmap.raw()))
    with pytest.raises(BournError, match="no task 8; there are 8"):
        taskmap.node(8)


BAD = """
0;0 1 0;2 x {} [1] [[0,1,1]] [[0,0,1,1]] [[-1,1,1,1]] [["a",1,1,1]] [[true,1,1,1]] [[0,100000,100000,1]]
{"version":2,"map":[]}
"""


@pytest.mark.parametrize("source", BAD.split())
def test_what_is_no_map(source: str) -> None:
    with pytest.raises(BournError):
        TaskMap(source)
