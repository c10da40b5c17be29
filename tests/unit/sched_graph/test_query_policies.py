"""`bourn resource-query -P`: what each policy takes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.unit.sched_graph.graphs import res, slot
from tests.unit.sched_graph.rig import taken, tree

if TYPE_CHECKING:
    from tests.unit.sched_graph.rig import Rig


def where(out: str) -> list[tuple[str, str]]:
    """(node, core) of what was taken, match by match."""
    found: list[tuple[str, str]] = []
    cores: list[str] = []
    for line in out.splitlines():
        name = re.match(r" +-+(\w+)\[", line)
        if name and name[1].startswith("core"):
            cores.append(name[1])
        elif name and name[1].startswith("node"):
            found.extend((name[1], core) for core in cores)
            cores = []
    return found


@pytest.fixture
def racks(rig: Rig) -> Rig:
    rig.put("g.graphml", tree(("rack", 2), ("node", 2), ("core", 2)))
    rig.job("core.json", slot(1, res("core", 1)))
    rig.job("wide.json", slot(3, res("core", 1)))
    return rig


@pytest.mark.parametrize(
    ("policy", "cores"),
    [
        # Of equal scores the first that is found is the first that is taken.
        ("low", [("node0", "core0"), ("node1", "core0"), ("node2", "core0"), ("node3", "core0")]),
        ("high", [("node0", "core1"), ("node1", "core1"), ("node2", "core1"), ("node3", "core1")]),
        ("lonode", [("node0", "core0"), ("node0", "core1"), ("node1", "core0"), ("node1", "core1")]),
        ("hinode", [("node3", "core1"), ("node3", "core0"), ("node2", "core1"), ("node2", "core0")]),
        ("policy=low", [("node0", "core0"), ("node1", "core0"), ("node2", "core0"), ("node3", "core0")]),
        (
            "policy=high node_centric=true",
            [("node3", "core1"), ("node3", "core0"), ("node2", "core1"), ("node2", "core0")],
        ),
    ],
)
def test_by_id(racks: Rig, policy: str, cores: list[tuple[str, str]]) -> None:
    out = racks.run(*["match allocate core.json"] * 4, args=("-P", policy))
    assert where(out) == cores


@pytest.mark.parametrize(
    ("policy", "nodes"),
    [("lonodex", ["node0", "node1"]), ("hinodex", ["node3", "node2"])],
)
def test_nodes_as_a_whole(racks: Rig, policy: str, nodes: list[str]) -> None:
    out = racks.run(*["match allocate core.json"] * 5, args=("-P", policy))
    parts = out.split("INFO: JOBID=")
    for part, node in zip(parts, nodes, strict=False):
        assert taken(part) == ["core0", "core1", node]
    assert out.count("ALLOCATED") == 4
    assert "No matching resources found" in parts[4]


def test_first_takes_one_whole_node_after_the_other(racks: Rig) -> None:
    out = racks.run(*["match allocate core.json"] * 3, args=("-P", "firstnodex"))
    assert len({node for node, _ in where(out)}) == 3
    exclusive = "policy=high node_centric=true node_exclusive=true stop_on_1_matches=true"
    assert racks.run(*["match allocate core.json"] * 3, args=("-P", exclusive)) == out


def test_first_looks_at_no_more_than_it_needs(racks: Rig) -> None:
    def visits(policy: str) -> int:
        out = racks.run("match allocate core.json", args=("-P", policy, "-e"))
        return int(re.findall(r"PREORDER VISIT COUNT=(\d+)", out)[0])

    assert visits("first") < visits("high")


def test_variation_takes_the_best_class_and_keeps_to_it(rig: Rig) -> None:
    rig.put("g.graphml", tree(("node", 5), ("core", 1)))
    rig.job("two-nodes.json", slot(2, res("node", 1)))
    classes = {0: "3", 1: "1", 2: "3", 3: "1", 4: "99999"}
    marks = [f"set-property /t0/node{node} perf_class={value}" for node, value in classes.items()]
    out = rig.run(*marks, *["match allocate two-nodes.json"] * 2, "match allocate one.json")
    assert "node0" in out.partition("JOBID=1")[0]
    out = rig.run(
        *marks,
        *["match allocate two-nodes.json"] * 2,
        "match allocate one.json",
        args=("-P", "variation"),
    )
    assert re.findall(r"node\d", out) == ["node1", "node3", "node0", "node2", "node4"]


def test_locality_takes_what_lies_together(rig: Rig) -> None:
    rig.put("g.graphml", tree(("node", 6), ("core", 1)))
    rig.job("three.json", slot(3, res("node", 1)))
    down = ["set-status /t0/node2 down"]
    out = rig.run(*down, "match allocate three.json", args=("-P", "locality"))
    assert re.findall(r"node\d", out) == ["node3", "node4", "node5"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("policy=middle", "policy option policy must be high or low, not 'middle'"),
        ("policy=low node_centric=yes", "policy option node_centric must be true or false, not 'yes'"),
        ("policy=low nodecentric=true", "invalid policy option: nodecentric; did you mean 'node_centric'?"),
        ("node_centric=true", "policy=high or policy=low is missing"),
    ],
)
def test_a_custom_policy_that_is_wrong(rig: Rig, text: str, words: str) -> None:
    assert rig.run(args=("-P", text), status=1) == ""
    assert words in rig.err
