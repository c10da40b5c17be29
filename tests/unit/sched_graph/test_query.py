"""`bourn resource-query`: commands, formats, errors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.unit.sched_graph.graphs import res, slot
from tests.unit.sched_graph.rig import RULE, Rig

if TYPE_CHECKING:
    from pathlib import Path

GRUG = """<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
<key id="root" for="node" attr.name="root" attr.type="int"><default>0</default></key>
<key id="type" for="node" attr.name="type" attr.type="string"/>
<key id="basename" for="node" attr.name="basename" attr.type="string"/>
<key id="size" for="node" attr.name="size" attr.type="long"><default>1</default></key>
<key id="subsystem" for="node" attr.name="subsystem"><default>containment</default></key>
<key id="e_subsystem" for="edge" attr.name="e_subsystem"><default>containment</default></key>
<key id="gen_method" for="edge" attr.name="gen_method"><default>MULTIPLY</default></key>
<key id="multi_scale" for="edge" attr.name="multi_scale" attr.type="int"><default>1</default></key>
<key id="id_scope" for="edge" attr.name="id_scope" attr.type="int"><default>0</default></key>
<graph id="g" edgedefault="directed">
<node id="c"><data key="root">1</data><data key="type">cluster</data><data key="basename">t</data></node>
<node id="n"><data key="type">node</data></node>
<node id="k"><data key="type">core</data></node>
<node id="p"><data key="root">1</data><data key="type">pdu</data><data key="subsystem">power</data></node>
<node id="pn"><data key="type">node</data><data key="subsystem">power</data></node>
<edge source="c" target="n"><data key="multi_scale">2</data></edge>
<edge source="n" target="k"><data key="multi_scale">4</data></edge>
<edge source="p" target="pn"><data key="e_subsystem">power</data>
<data key="gen_method">ASSOCIATE_IN</data></edge>
</graph></graphml>
"""


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Rig:
    rig = Rig(tmp_path, monkeypatch, capsys, GRUG)
    rig.job("two.json", slot(1, res("core", 2)))
    rig.job("node.json", res("node", 1, slot(1, res("core", 1)), exclusive=True))
    rig.job("huge.json", slot(1, res("core", 9)))
    return rig


def test_allocate_prints_children_before_parents(rig: Rig) -> None:
    assert rig.run("match allocate two.json") == (
        "      ---------core0[1:x]\n      ---------core1[1:x]\n      ------node0[1:s]\n      ---t0[1:s]\n"
        f"{RULE}INFO: JOBID=1\nINFO: RESOURCES=ALLOCATED\nINFO: SCHEDULED AT=Now\n{RULE}"
    )


def test_exclusive_brings_all_and_pretty_reverses(rig: Rig) -> None:
    out = rig.run("m allocate node.json", args=("-F", "pretty_simple"))
    assert out.startswith("      ---t0[1:shared]\n      ------node0[1:exclusive]\n      ---------core3")


def test_failures_use_an_id_and_checks_do_not(rig: Rig) -> None:
    out = rig.run(
        "match allocate huge.json",
        "match satisfiability huge.json",
        "match satisfiability two.json",
        "match allocate_with_satisfiability huge.json",
        "match without_allocating two.json",
        "match allocate two.json",
    )
    assert out.startswith(
        f"{RULE}INFO: No matching resources found\nINFO: JOBID=1\n{RULE}"
        f"{RULE}INFO: Unsatisfiable request\n{RULE}"
        f"{RULE}INFO: Satisfiable request\n{RULE}"
        f"{RULE}INFO: No matching resources found\nINFO: Unsatisfiable request\nINFO: JOBID=2\n{RULE}"
    )
    assert "JOBID=3\nINFO: RESOURCES=MATCHED" in out
    assert "JOBID=3\nINFO: RESOURCES=ALLOCATED" in out


def test_reserve_waits_for_the_earliest_end(rig: Rig) -> None:
    rig.job("long.json", res("node", 2, slot(1, res("core", 1)), exclusive=True), duration=10.2)
    out = rig.run(*["match allocate_orelse_reserve long.json"] * 3)
    assert [line for line in out.splitlines() if "AT=" in line] == [
        "INFO: SCHEDULED AT=Now",
        "INFO: SCHEDULED AT=11",
        "INFO: SCHEDULED AT=22",
    ]


def test_multi_match_stops_at_the_first_failure(rig: Rig) -> None:
    out = rig.run("multi-match allocate node.json huge.json node.json", "list")
    assert out.count("JOBID=") == 2
    assert out.splitlines()[-1].startswith("INFO: 1, ALLOCATED, 0, node.json, ")


def test_cancel_tells_what_it_visited(rig: Rig) -> None:
    out = rig.run("match allocate two.json", "cancel 1 stats", "cancel 1", "info 1", "info 7")
    assert 'INFO: CANCEL PREORDER COUNT="7"\nINFO: CANCEL POSTORDER COUNT="4"' in out
    assert "INFO: 1, CANCELED, 0, two.json" in out
    assert "ERROR: jobid doesn't exist: 7" in out
    assert "nonexistent job 1" in rig.err


def test_status_and_properties(rig: Rig) -> None:
    out = rig.run(
        "set-status /t0/node0 down",
        "get-status /t0/node0",
        "get-status /t0/node9",
        "set-status /t0/node0 odd",
        "match allocate two.json",
        "set-property /t0/node1 color=red",
        "get-property /t0/node1",
        "get-property /t0/node0",
        "set-property /t0/node1 color",
        "find property=color",
        "find status=down and names=core[0-1]",
    )
    assert out.startswith("/t0/node0 is down\nCould not find path /t0/node9 in resource graph.\n")
    assert "      ------node1[1:s]\n" in out
    assert "color=red\nNo properties were found for /t0/node0 (vtx's uniq_id=1).\nIncorrect input" in out
    assert f'      ------node1[1:x]\n      ---t0[1:x]\n{RULE}INFO: EXPRESSION="property=color"\n{RULE}' in out
    assert out.endswith(
        "      ---------core0[1:x]\n      ---------core1[1:x]\n      ------node0[1:x]\n      ---t0[1:x]\n"
        f'{RULE}INFO: EXPRESSION="status=down and names=core[0-1]"\n{RULE}'
    )
    assert "unrecognized status" in rig.err


def test_jgf_round_trip_update_and_partial_cancel(rig: Rig) -> None:
    rig.job("all.json", res("cluster", 1, exclusive=True))
    whole = rig.run("match allocate all.json", args=("-F", "jgf")).splitlines()[0]
    (rig.folder / "all.jgf").write_text(whole)
    rig.run("match allocate node.json", args=("-F", "jgf", "-t", "one.out"))
    (rig.folder / "one.jgf").write_text((rig.folder / "one.out").read_text().splitlines()[0])
    out = rig.run(
        "update allocate jgf one.jgf 5 0 100",
        "update allocate jgf one.jgf 6 50 100",
        "match allocate node.json",
        "partial-cancel 5 jgf one.jgf",
        args=("-L", "all.jgf", "-f", "jgf"),
    )
    assert "INFO: JOBID=5\nINFO: RESOURCES=ALLOCATED" in out
    assert "INFO: No matching resources found\nINFO: JOBID=6\n" in out
    assert "      ------node1[1:x]\n" in out
    assert "INFO: JOBID=7\nINFO: RESOURCES=ALLOCATED" in out
    assert "is unavailable" in rig.err


def test_r_in_its_forms(rig: Rig) -> None:
    first = rig.run("match allocate two.json", args=("-F", "rlite")).splitlines()[0]
    assert first == '[{"rank": "0", "children": {"core": "0-1"}}]'
    rset = rig.run("match allocate two.json", args=("-F", "rv1_nosched")).splitlines()[0]
    assert json.loads(rset)["execution"] == {
        "R_lite": [{"rank": "0", "children": {"core": "0-1"}}],
        "nodelist": ["node0"],
        "starttime": 0,
        "expiration": 100,
    }
    (rig.folder / "r.json").write_text(rset)
    out = rig.run("match allocate two.json", args=("-L", "r.json", "-f", "rv1exec"))
    assert "      ------node0[1:s]\n      ---cluster0[1:s]\n" in out
    full = json.loads(rig.run("match allocate node.json", args=("-F", "rv1_shorthand")).splitlines()[0])
    types = [node["metadata"]["type"] for node in full["scheduling"]["graph"]["nodes"]]
    assert types == ["node", "cluster"]


def test_attach_and_remove(rig: Rig) -> None:
    more = {
        "graph": {
            "nodes": [
                {"id": "0", "metadata": {"type": "cluster", "basename": "t", "id": 0, "paths": _at("/t0")}},
                {"id": "90", "metadata": {"type": "node", "id": 2, "rank": 2, "paths": _at("/t0/node2")}},
                {
                    "id": "91",
                    "metadata": {"type": "core", "id": 0, "rank": 2, "paths": _at("/t0/node2/core0")},
                },
            ],
            "edges": [{"source": "0", "target": "90"}, {"source": "90", "target": "91"}],
        }
    }
    (rig.folder / "more.jgf").write_text(json.dumps(more))
    rig.job("three.json", res("node", 3, slot(1, res("core", 1))))
    out = rig.run(
        "match allocate_with_satisfiability three.json",
        "attach more.jgf",
        "match allocate three.json",
        "cancel 2",
        "remove /t0/node2 true",
        "match satisfiability three.json",
        "remove 7 false",
    )
    assert "Unsatisfiable request\nINFO: JOBID=1" in out
    assert "      ---------core0[1:x]\n      ------node2[1:s]\n" in out
    assert out.endswith(f"{RULE}INFO: Unsatisfiable request\n{RULE}")


def _at(path: str) -> dict[str, str]:
    return {"containment": path}


def test_another_subsystem_dominates(rig: Rig) -> None:
    rig.job("power.json", slot(1, res("node", 1)))
    out = rig.run("match allocate power.json", args=("-S", "PA"))
    assert out.startswith("      ------node0[1:x]\n      ---pdu0[1:s]\n")


def test_times_and_counts(rig: Rig) -> None:
    out = rig.run("match allocate two.json", args=("-e",))
    assert "INFO: Vertex Count: 12\n" in out
    assert "INFO: PREORDER VISIT COUNT=11\n" in out


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("-L", "none"), "none: No such file"),
        (("-f", "grog"), "unknown load format 'grog'; did you mean 'grug'?"),
        (("-P", "policy=up"), "policy option policy must be high or low, not 'up'"),
        (("-P", "lo"), "unknown match policy 'lo'"),
        (("-S", "XX"), "unknown subsystems 'XX'"),
        (("-S", "IBA"), "g.graphml: the graph has no ibnet subsystem"),
        (("-p", "ALL"), "prune filter 'ALL': must be HIGH:LOW"),
        (("-f", "jgf"), "g.graphml: not a JSON document"),
    ],
)
def test_what_cannot_be_loaded_is_named(rig: Rig, args: tuple[str, ...], words: str) -> None:
    assert rig.run("quit", args=args, status=1) == ""
    assert rig.err.startswith(": Runtime error: ")
    assert words in rig.err


def test_errors_go_to_stderr_and_the_session_goes_on(rig: Rig) -> None:
    (rig.folder / "bad.json").write_text('{"version": 1, "resources": [{"type": "core"}], "tasks": []}')
    rig.job("clash.json", slot(1, res("core", 1, exclusive=False)))
    out = rig.run(
        "match allocate none.json",
        "match allocate bad.json",
        "match allocate clash.json",
        "match odd two.json",
        "match",
        "find color=red",
        "nonsense",
        "# comment",
        "match allocate two.json",
    )
    assert "can't open none.json" in rig.err
    assert "bad.json: attributes: is missing" in rig.err
    assert "resources[0].with[0].exclusive: must not be false" in rig.err
    assert "unknown subcmd odd" in rig.err
    assert "'color=red' is no predicate" in rig.err
    assert out.endswith(f"JOBID=1\nINFO: RESOURCES=ALLOCATED\nINFO: SCHEDULED AT=Now\n{RULE}")


def test_flexible_slots_mix_and_choose(rig: Rig) -> None:
    either = [
        {**slot(3, res("core", 2)), "label": "a"},
        {**slot(3, res("core", 1)), "label": "b"},
    ]
    rig.job("mix.json", res("node", 1, *either))
    out = rig.run("match allocate mix.json", args=("-T", "flexible"))
    assert out.count("core") == 3
    only = [{**each, "type": "xor_slot", "count": 1} for each in either]
    rig.job("one.json", *only)
    out = rig.run("match allocate one.json", args=("-T", "flexible"))
    assert out.count("core") == 2
