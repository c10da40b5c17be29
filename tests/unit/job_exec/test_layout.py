"""Which node gets which tasks."""

import pytest

from bourn.errors import BournError
from bourn.model.counts import jobspec_counts
from bourn.model.jobspec_build import from_command, per_resource
from bourn_plugins.job_exec.layout import all_ranks, block_map, split_job


def R(*nodes):
    return {"execution": {"R_lite": [{"rank": r, "children": {"core": c}} for r, c in nodes]}}


def shares(obj, *nodes):
    return [(s.rank, s.first, s.ntasks, s.cores) for s in split_job(R(*nodes), jobspec_counts(obj))]


def test_one_node_gets_all():
    obj = from_command(["x"], num_tasks=4, cores_per_task=2)
    assert shares(obj, ("3", "0-7")) == [(3, 0, 4, "0-7")]


def test_slots_fill_nodes_block_by_block():
    obj = from_command(["x"], num_tasks=5, cores_per_task=2)
    assert shares(obj, ("0", "0-3"), ("1", "0-5")) == [(0, 0, 2, "0-3"), (1, 2, 3, "0-5")]


def test_nodes_that_share_an_entry_are_told_apart_and_ordered():
    obj = from_command(["x"], num_tasks=3)
    assert shares(obj, ("4", "0"), ("1-2", "7")) == [(1, 0, 1, "7"), (2, 1, 1, "7"), (4, 2, 1, "0")]


def test_slots_in_nodes_are_the_same_number_in_each():
    obj = from_command(["x"], num_tasks=4, num_nodes=2)
    assert shares(obj, ("0-1", "0-15")) == [(0, 0, 2, "0-15"), (1, 2, 2, "0-15")]


def test_tasks_that_don_t_divide_go_to_the_first_nodes():
    obj = from_command(["x"], num_tasks=5, num_nodes=2)
    assert [share[2] for share in shares(obj, ("0-1", "0-15"))] == [3, 2]


def test_tasks_by_resource():
    obj = per_resource(["x"], ncores=4, nnodes=2, per_resource_type="node", per_resource_count=3)
    assert [share[1:3] for share in shares(obj, ("0-1", "0-1"))] == [(0, 3), (3, 3)]


def test_a_whole_node_for_fewer_slots_takes_only_those():
    obj = from_command(["x"], num_tasks=3)
    assert [share[2] for share in shares(obj, ("0", "0-1"), ("1", "0-15"))] == [2, 1]


def test_no_node_is_an_error():
    with pytest.raises(BournError, match="holds no node"):
        split_job(R(), jobspec_counts(from_command(["x"])))


def test_all_ranks():
    assert all_ranks(R(("5", "0"))) == "5"
    assert all_ranks(R(("4", "0"), ("1-2", "0"))) == "1-2,4"


def test_tasks_by_what_the_nodes_have():
    obj = per_resource(["x"], ncores=6, per_resource_type="core", per_resource_count=2)
    found = split_job(R(("0", "0-3"), ("1", "0-1")), jobspec_counts(obj), {"type": "core", "count": 2})
    assert [(share.first, share.ntasks) for share in found] == [(0, 8), (8, 4)]
    found = split_job(R(("0", "0-3"), ("1", "0-1")), jobspec_counts(obj), {"type": "node", "count": 3})
    assert [(share.first, share.ntasks) for share in found] == [(0, 3), (3, 3)]
    # Whatever the total that was asked for, also on one node.
    assert [s.ntasks for s in split_job(R(("0", "0-3")), jobspec_counts(obj), {"type": "node"})] == [1]


@pytest.mark.parametrize("option", [{}, {"type": "rack"}, {"type": "node", "count": 0}])
def test_a_wrong_per_resource_option(option):
    with pytest.raises(BournError, match=r"-o per-resource=\{.*right is type=node or type=core"):
        split_job(R(("0", "0-3")), jobspec_counts(from_command(["x"])), option)


def test_the_task_map_of_blocks():
    obj = from_command(["x"], num_tasks=5, cores_per_task=2)
    found = split_job(R(("0", "0-3"), ("1", "0-5")), jobspec_counts(obj))
    assert block_map(found) == "[[0,1,2,1],[1,1,3,1]]"


def unlike(*tasks):
    slots = [
        {"type": "slot", "count": 4, "label": "a", "with": [{"type": "core", "count": 1}]},
        {"type": "slot", "count": 1, "label": "b", "with": [{"type": "core", "count": 6}]},
    ]
    tasks = [{"command": ["x"], "slot": label, "count": count} for label, count in tasks]
    return {"version": 2, "resources": slots, "tasks": tasks, "attributes": {}}


def groups(obj, placed, *nodes):
    resources = R(*nodes)
    if placed is not None:
        resources["attributes"] = {"system": {"slots": placed}}
    return [(s.rank, s.first, s.ntasks, s.groups) for s in split_job(resources, jobspec_counts(obj))]


def test_tasks_of_each_kind_go_where_their_slots_are():
    nodes = ("0-2", "0-7")
    placed = {"a": {"0,2": 2}, "b": {"1": 1}}
    each = unlike(("a", {"per_slot": 1}), ("b", {"per_slot": 3}))
    assert groups(each, placed, nodes) == [(0, 0, 2, (2, 0)), (1, 2, 3, (0, 3)), (2, 5, 2, (2, 0))]
    total = unlike(("a", {"total": 3}), ("b", {"per_resource": {"type": "core", "count": 1}}))
    assert groups(total, placed, nodes) == [(0, 0, 2, (2, 0)), (1, 2, 6, (0, 6)), (2, 8, 1, (1, 0))]


def test_several_entries_may_have_the_same_slots():
    obj = from_command(["x"], num_tasks=3, cores_per_task=2)
    obj["tasks"] = [obj["tasks"][0], {**obj["tasks"][0], "command": ["y"]}]
    assert groups(obj, None, ("0", "0-1"), ("1", "0-3")) == [(0, 0, 2, (1, 1)), (1, 2, 4, (2, 2))]


def test_a_kind_of_slot_without_a_place_is_an_error():
    obj = unlike(("a", {"per_slot": 1}), ("b", {"per_slot": 1}))
    with pytest.raises(BournError, match="doesn't say which nodes have the slots 'b'"):
        groups(obj, {"a": {"0": 4}}, ("0", "0-7"))
