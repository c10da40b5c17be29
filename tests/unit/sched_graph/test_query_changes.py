"""`bourn resource-query`: cancel, partial-cancel, update, attach and remove while jobs run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.sched_graph.graphs import res, slot
from tests.unit.sched_graph.rig import RULE, answer, failure, lines, taken

if TYPE_CHECKING:
    from tests.unit.sched_graph.rig import Rig

NODE0 = lines("2 node0[1:x]", "1 t0[1:s]")


def store(rig: Rig, job: str, format: str, name: str) -> dict[str, Any]:
    """Put what a match of `job` prints into a file."""
    text = rig.run(f"match allocate {job}", args=("-F", format)).splitlines()[0]
    rig.put(name, text)
    document: dict[str, Any] = json.loads(text)
    return document


def visits(kind: str, preorder: int, postorder: int) -> str:
    return (
        f'{RULE}INFO: {kind} PREORDER COUNT="{preorder}"\nINFO: {kind} POSTORDER COUNT="{postorder}"\n{RULE}'
    )


def test_cancel_counts_what_it_visits_and_what_it_leaves(rig: Rig) -> None:
    # Vertices that the job doesn't use are visited, and left at once.
    out = rig.run("match allocate two.json", "cancel 1 stats", args=("-t", "out"))
    assert out == ""
    assert rig.get("out").endswith(visits("CANCEL", 7, 4))
    out = rig.run(
        "match allocate nodes.json", "cancel 1", "c 1", "c 5", "cancel", "match allocate nodes.json"
    )
    assert "STATE" not in out
    assert out.endswith(answer(2))
    assert rig.err == (
        "cancel: ERROR: nonexistent job 1\ncancel: ERROR: nonexistent job 5\nERROR: malformed command\n"
    )


def test_a_reservation_is_cancelled_likewise(rig: Rig) -> None:
    out = rig.run(*["match allocate_orelse_reserve nodes.json"] * 2, "cancel 2", "list", "cancel 1", "list")
    states = [line.split(", ")[1:3] for line in out.splitlines() if line.count(", ") == 4]
    assert states == [["ALLOCATED", "0"], ["CANCELED", "100"], ["CANCELED", "0"], ["CANCELED", "100"]]


def test_partial_cancel_by_r_frees_whole_ranks_and_the_last_ends_the_job(rig: Rig) -> None:
    rset = store(rig, "both.json", "rv1_nosched", "r.json")
    rset["execution"].update(R_lite=[{"rank": "1", "children": {"core": "0"}}], nodelist=["node1"])
    rig.put("one.r", rset)
    out = rig.run(
        "match allocate both.json",
        "partial-cancel 1 rv1exec one.r stats",
        "info 1",
        "find sched-now=allocated",
        "match allocate one.json",
        "pc 1 rv1exec r.json",
        "info 1",
        "pc 1 rv1exec r.json",
    )
    assert "PARTIAL CANCEL PREORDER COUNT=" in out
    assert "INFO: 1, ALLOCATED, " in out
    assert lines("3 core0[1:x]", "3 core1[1:x]", "2 node0[1:x]", "1 t0[1:x]") + RULE in out
    assert lines("2 node1[1:x]", "1 t0[1:s]") + answer(2) in out
    assert "INFO: 1, CANCELED, " in out.splitlines()[-1]
    assert rig.err == "ERROR: nonexistent job 1\n"


def test_partial_cancel_by_jgf_frees_the_listed_vertices(rig: Rig) -> None:
    rig.job("pair.json", slot(2, res("node", 1)))
    rig.job("core.json", slot(1, res("core", 1)))
    document = store(rig, "pair.json", "jgf", "pair.jgf")
    nodes = document["graph"]["nodes"]
    document["graph"] = {"nodes": [nodes[1], nodes[-1]], "edges": document["graph"]["edges"][1:]}
    rig.put("one.jgf", document)
    out = rig.run(
        "match allocate pair.json",
        "partial-cancel 1 jgf one.jgf",
        "match allocate one.json",
        "partial-cancel 1 jgf one.jgf",
        "partial-cancel 1 jgf pair.jgf",
        "cancel 1",
        "match allocate one.json",
    )
    assert lines("2 node1[1:x]", "1 t0[1:s]") + answer(2) in out
    assert out.endswith(NODE0 + answer(3))
    assert "can't find allocation span for job 1 in /t0/node1" in rig.err


def test_partial_cancel_by_shorthand_frees_what_lies_below(rig: Rig) -> None:
    store(rig, "node.json", "jgf_shorthand", "node.jgf")
    out = rig.run("match allocate node.json", "pc 1 jgf_shorthand node.jgf", "info 1", "find jobid-alloc=1")
    assert rig.err == ""
    assert "INFO: 1, CANCELED, 0, node.json" in out
    assert out.endswith(f'{RULE}INFO: EXPRESSION="jobid-alloc=1"\n{RULE}')


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("pc 1 jgf", "malformed command"),
        ("pc 1 odd x", "unsupported reader odd"),
        ("pc 1 jgf none", "can't open none"),
        ("pc 3 rv1exec r.json", "nonexistent job 3"),
        ("pc 2 rv1exec r.json", "reservations not currently supported by partial cancel"),
        ("pc 1 rv1exec two.json", "two.json: version: must be 1"),
        ("update allocate jgf none 9 0 10", "can't open none"),
        ("update take jgf r.json 9 0 10", "unknown subcmd take"),
        ("update allocate odd r.json 9 0 10", "unsupported reader odd"),
        ("update allocate rv1exec r.json 1 0 10", "existing Jobid"),
        ("update allocate rv1exec r.json 9 0 0", "invalid time (0, 0)"),
        ("update allocate rv1exec r.json", "malformed command"),
        ("update allocate jgf r.json 9 0 10", "r.json: graph: is missing"),
        ("attach none", "can't open none"),
        ("attach r.json", "r.json: graph: is missing"),
        ("attach", "malformed command"),
        ("remove /t0 true", "/t0 is the root of the graph"),
        ("remove /none true", "there is no /none in the graph"),
        ("remove 9 false", "there is no 9 in the graph"),
        ("remove 9 maybe", "invalid path boolean input"),
        ("remove 9", "malformed command"),
    ],
)
def test_what_is_wrong_is_told_and_changes_nothing(rig: Rig, command: str, words: str) -> None:
    store(rig, "nodes.json", "rv1_nosched", "r.json")
    before = [*["match allocate_orelse_reserve nodes.json"] * 2, "find status=up", "list"]
    out = rig.run(*before, command, "find status=up", "cancel 1", "cancel 2", "match allocate nodes.json")
    assert words in rig.err
    assert out.count('EXPRESSION="status=up"') == 2
    assert "RESOURCES=ALLOCATED" in out[out.rindex("EXPRESSION") :]


@pytest.mark.parametrize("format", ["jgf", "jgf_shorthand", "rv1exec"])
def test_update_installs_what_was_matched_elsewhere(rig: Rig, format: str) -> None:
    store(rig, "node.json", format.replace("rv1exec", "rv1_nosched"), "it")
    out = rig.run(
        f"update allocate {format} it 7 0 50",
        "match allocate_orelse_reserve nodes.json",
        f"update reserve {format} it 8 30 10",
        f"update reserve {format} it 9 200 10",
        "list",
        "cancel 7",
        "cancel 8",
        "match allocate one.json",
    )
    first, _, rest = out.partition(answer(7))
    assert taken(first)[:4] == ["core0", "core1", "core2", "core3"]
    # The next job's id is one more than that of the update.
    assert rest.index(answer(8, "RESERVED", "50")) > 0
    assert failure(8) not in out
    assert "existing Jobid" in rig.err
    assert answer(9, "RESERVED", "200") in out
    assert [line.split(", ")[:3] for line in out.splitlines() if line.count(", ") == 4] == [
        ["INFO: 7", "ALLOCATED", "0"],
        ["INFO: 8", "RESERVED", "50"],
        ["INFO: 9", "RESERVED", "200"],
    ]
    assert out.endswith(NODE0 + answer(10))


@pytest.mark.parametrize("format", ["jgf", "rv1exec"])
def test_an_update_that_conflicts_is_rolled_back_whole(rig: Rig, format: str) -> None:
    store(rig, "nodes.json", format.replace("rv1exec", "rv1_nosched"), "both")
    rig.job("last.json", slot(1, res("core", 1)))
    out = rig.run(
        "match allocate last.json",
        "match allocate last.json",
        "cancel 1",
        f"update allocate {format} both 5 0 100",
        "find jobid-alloc=5",
        "find jobid-tag=5",
        "cancel 2",
        f"update allocate {format} both 5 0 100",
    )
    assert failure(5) in out
    assert f'{failure(5)}{RULE}INFO: EXPRESSION="jobid-alloc=5"\n{RULE}{RULE}INFO: EXPRESSION="' in out
    assert out.endswith(answer(5))
    assert "is unavailable" in rig.err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"size": 3}, "size is 1 in the graph, not 3"),
        ({"type": "gpu"}, "type is 'core' in the graph, not 'gpu'"),
        ({"paths": {"containment": "/t0/node9/core0"}}, "nonexistent path (/t0/node9/core0)"),
        ({"rank": 5}, "nonexistent path"),
    ],
)
def test_an_update_must_be_of_this_graph(rig: Rig, change: dict[str, Any], words: str) -> None:
    document = store(rig, "two.json", "jgf", "it")
    document["graph"]["nodes"][0]["metadata"].update(change)
    rig.put("it", document)
    assert rig.run("update allocate jgf it 3 0 10", "match allocate two.json").endswith(answer(4))
    assert words in rig.err


def piece(*nodes: tuple[str, str, int, int, str], edges: list[tuple[str, str]]) -> dict[str, Any]:
    """JGF of (key, type, id, rank, path)."""
    return {
        "graph": {
            "nodes": [
                {
                    "id": key,
                    "metadata": {"type": type, "id": id, "rank": rank, "paths": {"containment": path}}
                    | ({"basename": "t"} if type == "cluster" else {}),
                }
                for key, type, id, rank, path in nodes
            ],
            "edges": [{"source": source, "target": target} for source, target in edges],
        }
    }


MORE = piece(
    ("0", "cluster", 0, -1, "/t0"),
    ("90", "node", 2, 2, "/t0/node2"),
    ("91", "core", 0, 2, "/t0/node2/core0"),
    edges=[("0", "90"), ("90", "91")],
)


def test_a_subgraph_comes_and_goes_while_jobs_run(rig: Rig) -> None:
    rig.put("more", MORE)
    out = rig.run(
        "match allocate nodes.json",
        "attach more",
        "match allocate one.json",
        "get-status /t0/node2/core0",
        "remove 2 false",
        "find names=node2",
        "match allocate one.json",
        "cancel 1 stats",
        "match allocate nodes.json",
    )
    assert lines("3 core0[1:x]", "2 node2[1:x]", "1 t0[1:s]").split("\n")[1] in out
    assert "/t0/node2/core0 is up" in out
    assert f'{RULE}INFO: EXPRESSION="names=node2"\n{RULE}{failure(3)}' in out
    assert visits("CANCEL", 11, 11) in out
    assert out.endswith(answer(4))
    assert rig.err == ""


def test_removing_by_path_takes_what_lies_below(rig: Rig) -> None:
    out = rig.run("remove /t0/node1 true", "find status=up", "match satisfiability nodes.json")
    assert out.count("core") == 4
    assert out.endswith(f"INFO: Unsatisfiable request\n{RULE}")


NODE2 = ("90", "node", 2, 2, "/t0/node2")
TOP = ("0", "cluster", 0, -1, "/t0")


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (piece(TOP, NODE2, edges=[("0", "95")]), "source and/or target vertex not found: 0 -> 95"),
        (piece(NODE2, NODE2, edges=[]), "found duplicate JGF node id for 90"),
        (
            piece(TOP, NODE2, ("91", "core", 0, 2, "/t0/node2/core0"), edges=[("0", "90")]),
            "no edge leads to it",
        ),
        (piece(TOP, NODE2, ("91", "cluster", 1, -1, "/u1"), edges=[("0", "90")]), "has a root already"),
        (
            piece(TOP, ("90", "node", 2, 2, "/t0/rack0/node2"), edges=[("0", "90")]),
            "/t0/rack0/node2: it is said to be there, but by its edge it is /t0/node2",
        ),
        (
            piece(TOP, NODE2, ("7", "node", 1, 1, "/t0/node1"), edges=[("0", "90"), ("90", "7")]),
            "90 -> 7: the target lies elsewhere in the graph already",
        ),
    ],
)
def test_an_attachment_that_is_wrong_is_refused_whole(rig: Rig, document: dict[str, Any], words: str) -> None:
    rig.put("wrong", document)
    rig.put("more", MORE)
    before = rig.run("find status=up", "match allocate nodes.json")
    out = rig.run("attach wrong", "find status=up", "match allocate nodes.json", "cancel 1", "attach more")
    assert out == before
    assert words in rig.err
    assert rig.err.count("can't attach") == 1
