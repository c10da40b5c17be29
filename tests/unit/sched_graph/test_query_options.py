"""`bourn resource-query`: what its options do."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from bourn_plugins.sched_graph.query.options import SUBSYSTEMS
from tests.unit.sched_graph.graphs import res, slot
from tests.unit.sched_graph.rig import RULE, answer, failure, grug, lines, taken, tree

if TYPE_CHECKING:
    from tests.unit.sched_graph.rig import Rig

TWO = ["3 core0[1:x]", "3 core1[1:x]", "2 node0[1:s]", "1 t0[1:s]"]


def test_simple_is_the_default_and_first_the_default_policy(rig: Rig) -> None:
    assert rig.run("match allocate two.json") == lines(*TWO) + answer(1)
    out = rig.run("match allocate two.json", args=("-P", "first"))
    assert taken(out) == ["core2", "core3"]
    assert "node1[1:s]" in out


def test_pretty_is_upside_down_and_in_words(rig: Rig) -> None:
    words = [each.replace(":x", ":exclusive").replace(":s", ":shared") for each in reversed(TWO)]
    out = rig.run("match allocate two.json", args=("-F", "pretty_simple"))
    assert out == lines(*words) + answer(1)


def test_output_of_matches_goes_to_the_file_and_what_is_told_of_jobs_does_not(rig: Rig) -> None:
    out = rig.run(
        "match allocate two.json",
        "find names=core3",
        "set-status /t0/node1 down",
        "get-status /t0/node1",
        "set-property /t0/node1 a=b",
        "get-property /t0/node1",
        "match allocate huge.json",
        "cancel 1 stats",
        "list",
        "info 1",
        "stat",
        "cat two.json",
        "help quit",
        args=("-t", "out", "-r", "1000"),
    )
    written = rig.get("out")
    assert written.startswith(lines(*TWO) + answer(1))
    assert "/t0/node1 is down\na=b\n" in written
    assert failure(2) in written
    assert 'INFO: CANCEL PREORDER COUNT="7"' in written
    assert 'EXPRESSION="names=core3"' in written
    told = out.splitlines()
    assert told[0].startswith("INFO: 1, CANCELED, 0, two.json, ")
    assert told[1] == told[0]
    assert told[2] == "INFO: Num. of Jobs Matched: 1"
    assert told[-2:] == ["INFO: Jobspec in two.json", "INFO: quit (q) -- Leave: quit"]
    assert not [line for line in written.splitlines() if "two.json" in line]


def test_counts_of_the_graph_and_of_each_match(rig: Rig) -> None:
    out = rig.run(
        "match allocate two.json", "match satisfiability two.json", "match allocate huge.json", args=("-e",)
    )
    first = [line.partition(":")[2].strip() for line in out.splitlines()[:8]]
    assert first[0].startswith("Graph Load Time: ")
    assert first[1:] == [
        "Vertex Count: 11",
        "Edge Count: 10",
        "by_type Key-Value Pairs: 3",
        "by_name Key-Value Pairs: 7",
        "by_path Key-Value Pairs: 11",
        "number of vertices with rank -1: 9",
        "number of vertices with rank 0: 1",
    ]
    assert out.count("INFO: ELAPSE=") == 3
    assert "INFO: PREORDER VISIT COUNT=11\nINFO: POSTORDER VISIT COUNT=11\n" in out


def test_prune_filters_of_several_options_are_joined(rig: Rig) -> None:
    rig.put("g.graphml", tree(("rack", 2), ("node", 2), ("core", 4)))
    commands = ["match allocate one.json", "match allocate one.json", "match allocate both.json"]

    def visits(*filters: str) -> list[int]:
        args = tuple(word for each in filters for word in ("-p", each))
        out = rig.run(*commands, args=("-e", *args))
        return [int(line.rpartition("=")[2]) for line in out.splitlines() if "PREORDER VISIT" in line]

    default = visits()
    assert visits("ALL:core", "ALL:node") == visits("ALL:core,ALL:node") == default
    # They come on top of what is counted anyway.
    assert visits("cluster:core") == visits("") == default


def test_the_whole_graph_goes_to_a_file(rig: Rig) -> None:
    rig.put("g.graphml", POWER)
    said = "INFO: Write the target graph of the matcher...\n"
    assert rig.run("quit", args=("-o", "all")) == said
    text = rig.get("all.dot")
    assert text.count("->") == text.count("[style=dashed") + 6
    assert '[style=dashed, label="power"]' in text
    if shutil.which("dot"):
        assert subprocess.run(["dot", "-Tsvg", "all.dot"], capture_output=True, check=True).stdout
    assert rig.run("quit", args=("-o", "all", "-g", "graphml")) == said
    assert rig.get("all.graphml").count("<node ") == 10
    assert rig.run(args=("-o", "all", "-g", "gml"), status=1) == ""
    assert "unknown graph format 'gml'; there are: dot, graphml" in rig.err


def test_quit_ends_and_so_does_the_end(rig: Rig) -> None:
    assert rig.run("quit", "match allocate two.json") == ""
    assert rig.run("q", "match allocate two.json") == ""


def test_the_prompt_is_there_unless_disabled(rig: Rig) -> None:
    import io

    from bourn_plugins.sched_graph.query.query import main

    rig.monkeypatch.setattr("sys.stdin", io.StringIO("quit\n"))
    assert main(["-L", "g.graphml"]) == 0
    assert rig.capsys.readouterr().out == "resource-query> "


POWER = grug(
    {
        "c": {"root": 1, "type": "cluster", "basename": "p"},
        "n": {"type": "node"},
        "k": {"type": "core"},
        "pp": {"root": 1, "type": "powerpanel", "subsystem": "power"},
        "pdu": {"type": "pdu", "subsystem": "power", "size": 50, "unit": "W"},
        "pn": {"type": "node", "subsystem": "power"},
        "ib": {"root": 1, "type": "switch", "basename": "core_switch", "subsystem": "ibnet"},
        "in": {"type": "node", "subsystem": "ibnet"},
    },
    [
        ("c", "n", {"multi_scale": 2}),
        ("n", "k", {"multi_scale": 2}),
        ("pp", "pdu", {"e_subsystem": "power", "relation": "supplies_to", "multi_scale": 1}),
        ("pdu", "pn", {"e_subsystem": "power", "relation": "supplies_to", "gen_method": "ASSOCIATE_IN"}),
        ("ib", "in", {"e_subsystem": "ibnet", "gen_method": "ASSOCIATE_IN"}),
    ],
)


@pytest.mark.parametrize("name", SUBSYSTEMS)
def test_the_first_subsystem_is_the_one_that_is_walked(rig: Rig, name: str) -> None:
    rig.put("g.graphml", POWER)
    there = {"containment", "power", "ibnet"}
    wanted = SUBSYSTEMS[name]
    if name != "ALL" and not there.issuperset(wanted):
        assert rig.run(args=("-S", name), status=1) == ""
        assert rig.err.startswith(": Runtime error: g.graphml: the graph has no ")
        return
    out = rig.run("match allocate one.json", args=("-S", name))
    above = {
        "containment": ["3 core0[1:x]", "3 core1[1:x]", "2 node0[1:x]", "1 p0[1:s]"],
        "power": ["3 node0[1:x]", "2 pdu0[50:s]", "1 powerpanel0[1:s]"],
        "ibnet": ["2 node0[1:x]", "1 core_switch0[1:s]"],
    }
    tree_lines = above[wanted[0]] if wanted[0] != "containment" else above["containment"][2:]
    assert out == lines(*tree_lines) + answer(1)


def test_power_can_be_asked_for_where_it_dominates(rig: Rig) -> None:
    rig.put("g.graphml", POWER)
    rig.job("pdu.json", res("pdu", 1, slot(2, res("node", 1))))
    out = rig.run("match allocate pdu.json", "find status=up", args=("-S", "PA"))
    assert out.startswith(
        lines("3 node0[1:x]", "3 node1[1:x]", "2 pdu0[50:s]", "1 powerpanel0[1:s]") + answer(1)
    )
    jgf = rig.run("match allocate pdu.json", args=("-S", "PA", "-F", "jgf"))
    assert '"metadata": {"subsystem": "power"}' in jgf
    assert '"paths": {"containment": "/p0/node0", "ibnet": "/core_switch0/node0", "power": ' in jgf
    assert rig.run("match allocate pdu.json", args=("-S", "C+PA")) == failure(1)


@pytest.mark.parametrize("name", ["-T", "-F", "-P", "-S", "-f"])
def test_a_wrong_word_ends_it_with_status_1(rig: Rig, name: str) -> None:
    assert rig.run("match allocate two.json", args=(name, "wrong"), status=1) == ""
    assert rig.err.startswith(": Runtime error: ")
    assert "'wrong'" in rig.err


def test_rules_stand_around_a_check(rig: Rig) -> None:
    out = rig.run("match satisfiability two.json", "match satisfiability huge.json")
    assert out == f"{RULE}INFO: Satisfiable request\n{RULE}{RULE}INFO: Unsatisfiable request\n{RULE}"
