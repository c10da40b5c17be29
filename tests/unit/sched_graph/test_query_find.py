"""`bourn resource-query find`: criteria and how they join."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.unit.sched_graph.rig import RULE, lines, taken

if TYPE_CHECKING:
    from tests.unit.sched_graph.rig import Rig

BEFORE = [
    "match allocate two.json",
    "match allocate_orelse_reserve nodes.json",
    "set-property /t0/node1/core3 Fast=yes",
]
ALL = [f"core{k}" for k in range(4)]


@pytest.mark.parametrize(
    ("criteria", "found"),
    [
        ("sched-now=allocated", ["core0", "core1", "node0", "t0"]),
        ("jobid-alloc=1", ["core0", "core1", "node0", "t0"]),
        ("jobid-tag=1", ["core0", "core1", "node0", "t0"]),
        ("jobid-span=1", ["node0", "t0"]),
        ("jobid-alloc=2", []),
        ("jobid-reserved=2", [*ALL, "node0", *ALL, "node1", "t0"]),
        ("sched-future=reserved", [*ALL, "node0", *ALL, "node1", "t0"]),
        ("sched-now=free and names=node0", ["node0", "t0"]),
        ("names=core[1,3] and sched-now=free", ["core3", "node0", "core1", "core3", "node1", "t0"]),
        ("names=core2 sched-now=free", ["core2", "node0", "core2", "node1", "t0"]),
        ("names=core2 or jobid-alloc=1 and names=core0", ["core0", "node0", "t0"]),
        (
            "names=core2 or (jobid-alloc=1 and names=core0)",
            ["core0", "core2", "node0", "core2", "node1", "t0"],
        ),
        ("( names=core2 ) ( status=up )", ["core2", "node0", "core2", "node1", "t0"]),
        ("property=Fast", ["core3", "node1", "t0"]),
        ("property=slow", []),
        ("status=down", []),
        ("names=t0", ["t0"]),
    ],
)
def test_criteria(rig: Rig, criteria: str, found: list[str]) -> None:
    out = rig.run(*BEFORE, f"find {criteria}", args=("-t", "out"))
    assert out == ""
    text = rig.get("out")
    mine = text[text.rindex("RESERVED\nINFO: SCHEDULED AT=100\n" + RULE) :].partition(RULE)[2]
    assert mine.endswith(f'{RULE}INFO: EXPRESSION="{criteria}"\n{RULE}')
    assert taken(mine) == found


def test_down_and_allocated_reach_what_lies_below(rig: Rig) -> None:
    out = rig.run(
        "set-status /t0/node1 down", "match allocate one.json", "find status=down", "find status=up"
    )
    parts = out.split("INFO: EXPRESSION")
    assert taken(parts[0])[1:] == [*ALL, "node1", "t0"]
    assert taken(parts[1]) == [*ALL, "node0", "t0"]
    out = rig.run("match allocate one.json", "find sched-now=allocated", "find sched-now=free")
    parts = out.split("INFO: EXPRESSION")
    assert taken(parts[0].partition("AT=Now")[2]) == [*ALL, "node0", "t0"]
    assert taken(parts[1]) == [*ALL, "node1", "t0"]


def test_totals_of_what_lies_below(rig: Rig) -> None:
    out = rig.run("match allocate two.json", "find agfilter=true", args=("-F", "jgf"))
    nodes = json.loads(out.splitlines()[5 + 1])["graph"]["nodes"]
    totals = {node["metadata"]["paths"]["containment"]: node["metadata"]["agfilter"] for node in nodes}
    assert totals["/t0/node0"]["core"] == "used:2, total:4"
    assert totals["/t0/node1"]["core"] == "used:0, total:4"
    assert totals["/t0"] == {"core": "used:2, total:8", "node": "used:0, total:2"}


def test_found_vertices_show_their_whole_size(rig: Rig) -> None:
    assert rig.run("find names=node1") == (
        lines("2 node1[1:x]", "1 t0[1:x]") + f'{RULE}INFO: EXPRESSION="names=node1"\n{RULE}'
    )


@pytest.mark.parametrize(
    ("criteria", "words"),
    [
        ("", "malformed command"),
        ("colour=red", "'colour=red' is no predicate; there are: status, "),
        ("status=broken", "status must be one of up, down, not 'broken'"),
        ("jobid-alloc=none", "jobid-alloc: 'none' is no job id"),
        ("(status=up", "a ) is missing"),
        ("status=up)", "')' is unexpected"),
        ("status=up and", "a predicate is missing"),
        ("and status=up", "'and' is no predicate"),
        ("property=", "property must be a name"),
    ],
)
def test_what_is_wrong_with_criteria(rig: Rig, criteria: str, words: str) -> None:
    out = rig.run(f"find {criteria}", "find names=t0")
    assert out.startswith(lines("1 t0[1:x]"))
    assert words in rig.err
