"""`bourn resource-query`: what requests of each kind get."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.sched_graph.graphs import res, slot
from tests.unit.sched_graph.rig import RULE, answer, failure, grug, lines, taken, tree

if TYPE_CHECKING:
    from tests.unit.sched_graph.rig import Rig

RACKS = tree(("rack", 2), ("node", 2), ("socket", 2), ("core", 2))


def scheduled(out: str) -> list[str]:
    return [line.rpartition("=")[2] for line in out.splitlines() if "SCHEDULED AT" in line]


@pytest.mark.parametrize(
    ("count", "got"),
    [
        (3, 3),
        ({"min": 2}, 10),
        ({"min": 1, "max": 7}, 7),
        ({"min": 2, "max": 9, "operator": "+", "operand": 3}, 8),
        ({"min": 2, "max": 9, "operator": "*", "operand": 2}, 8),
        ({"min": 2, "max": 9, "operator": "^", "operand": 2}, 4),
        ({"min": 3, "max": 30, "operator": "*", "operand": 3}, 9),
        ({"min": 11, "max": 12}, 0),
        (11, 0),
    ],
)
def test_as_many_as_the_count_allows(rig: Rig, count: Any, got: int) -> None:
    rig.put("g.graphml", tree(("node", 1), ("core", 10)))
    rig.job("a.json", slot(1, res("core", count)))
    rig.job("b.json", slot(count, res("core", 1)))
    for job in ("a.json", "b.json"):
        assert rig.run(f"match allocate {job}").count("core") == got


def test_counts_of_nodes(rig: Rig) -> None:
    rig.job("n.json", res("node", {"min": 1, "max": 5}, slot(1, res("core", 4))))
    out = rig.run("match allocate one.json", "match allocate n.json", "match allocate n.json")
    assert [taken(part).count("core0") for part in out.split("ALLOCATED")] == [0, 1, 0]
    assert out.endswith(failure(3))


def test_levels_above_may_be_left_out(rig: Rig) -> None:
    rig.put("g.graphml", RACKS)
    cores = slot(1, res("core", 2))
    full = res("cluster", 1, res("rack", 1, res("node", 1, res("socket", 1, cores))))
    outs = set()
    for resources in (full, full["with"][0], full["with"][0]["with"][0], res("socket", 1, cores), cores):
        rig.job("a.json", resources)
        outs.add(rig.run("match allocate a.json"))
    vertices = ["5 core0[1:x]", "5 core1[1:x]", "4 socket0[1:s]", "3 node0[1:s]", "2 rack0[1:s]", "1 t0[1:s]"]
    assert outs == {lines(*vertices) + answer(1)}


def test_under_a_slot_all_is_exclusive_and_above_it_shared(rig: Rig) -> None:
    rig.put("g.graphml", RACKS)
    rig.job("a.json", slot(1, res("node", 1, res("socket", 1, res("core", 1)))))
    rig.job("b.json", slot(1, res("core", 1)))
    out = rig.run("match allocate a.json", "match allocate b.json")
    first, _, second = out.partition(answer(1))
    assert first == lines("5 core0[1:x]", "4 socket0[1:x]", "3 node0[1:x]", "2 rack0[1:s]", "1 t0[1:s]")
    # Nothing of node0 is left to others, even if the job has but one of its cores.
    assert "node1[1:s]" in second


def test_an_exclusive_resource_must_be_unused_and_comes_whole(rig: Rig) -> None:
    out = rig.run("match allocate two.json", "match allocate node.json", "match allocate node.json")
    assert lines("2 node1[1:x]", "1 t0[1:s]") + answer(2) in out
    assert taken(out.partition(answer(1))[2]) == ["core0", "core1", "core2", "core3", "node1"]
    assert out.endswith(failure(3))


def test_not_exclusive_below_exclusive_is_an_error(rig: Rig) -> None:
    rig.job("a.json", res("node", 1, slot(1, res("core", 1, exclusive=False))))
    rig.job("b.json", res("node", 1, res("core", 1, exclusive=False), exclusive=True))
    out = rig.run("match allocate a.json", "match allocate b.json", "match allocate two.json")
    assert out.endswith(answer(1))
    assert rig.err.count("must not be false") == 2


def test_siblings_of_one_type_get_vertices_of_their_own(rig: Rig) -> None:
    rig.job("a.json", res("node", 1, slot(1, res("core", 1))), res("node", 1, slot(1, res("core", 2))))
    rig.job("b.json", slot(1, res("core", 1)), slot(1, res("core", 2)))
    out = rig.run("match allocate a.json", "match allocate b.json", "match allocate b.json")
    assert rig.err == ""
    first, second = out.split("INFO: JOBID")[:2]
    assert taken(first) == ["core0", "core0", "core1"]
    assert taken(second) == ["core1", "core2", "core3"]
    assert out.endswith(failure(3))


def test_siblings_in_a_slot_must_be_of_different_types(rig: Rig) -> None:
    rig.job("a.json", slot(1, res("core", 1), res("core", 2)))
    out = rig.run("match allocate a.json", "match allocate two.json")
    assert out.endswith(answer(1))
    assert "siblings in the request ask for the same type core" in rig.err


def test_reservations_queue_up(rig: Rig) -> None:
    rig.job("long.json", slot(1, res("node", 1)), duration=1000)
    rig.job("all.json", slot(1, res("node", 2)), duration=9.5)
    rig.job("short.json", slot(1, res("node", 1)), duration=1000)
    out = rig.run(
        "match allocate_orelse_reserve long.json",
        "match allocate_orelse_reserve all.json",
        "match allocate_orelse_reserve short.json",
        "match allocate_orelse_reserve long.json",
        "match allocate short.json",
        "match allocate_orelse_reserve huge.json",
        "match without_allocating_future all.json",
        "cancel 2",
        "match allocate_orelse_reserve long.json",
    )
    # A fraction of a second rounds up.
    assert scheduled(out) == ["Now", "1000", "Now", "1010", "2010", "1000"]
    assert failure(5) + failure(6, never=True) in out
    assert "RESOURCES=MATCHED\nINFO: SCHEDULED AT=2010" in out


def test_no_duration_is_all_of_time_and_more_is_an_error(rig: Rig) -> None:
    rig.job("ever.json", slot(1, res("node", 2)), duration=0)
    rig.job("most.json", slot(1, res("node", 2)), duration=3153600000)
    rig.job("more.json", slot(1, res("node", 2)), duration=3153600001)
    out = rig.run(*[f"match allocate_orelse_reserve {name}.json" for name in ("ever", "most", "more")])
    assert scheduled(out) == ["Now", "3153600000"]
    assert "longer than the graph lasts" in rig.err


def test_satisfiability_looks_at_what_there_is_not_at_who_uses_it(rig: Rig) -> None:
    out = rig.run(
        "match allocate nodes.json",
        "match satisfiability nodes.json",
        "match allocate_with_satisfiability nodes.json",
        "match allocate_with_satisfiability huge.json",
        "set-status /t0/node0 down",
        "match satisfiability nodes.json",
        "match allocate nodes.json",
    )
    yes = f"{RULE}INFO: Satisfiable request\n{RULE}"
    assert out.endswith(yes + failure(2) + failure(3, never=True) + yes + failure(4))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"version: 1\na: b: c", "line 2, column 5: mapping values are not allowed in this context"),
        (b"a: \xff", "unacceptable character"),
        (
            b"version: 9999\nresources: &r [{type: node, count: 1, with: *r}]\ntasks: []\nattributes: {}",
            "nested",
        ),
    ],
)
def test_a_jobspec_that_is_no_document_is_told_with_its_line(rig: Rig, text: bytes, words: str) -> None:
    (rig.folder / "bad.yaml").write_bytes(text)
    rig.run("match allocate bad.yaml")
    assert "Jobspec error for 1: bad.yaml: " in rig.err
    assert words in rig.err


def test_ids_are_used_by_matches_that_ran(rig: Rig) -> None:
    rig.put("bad.json", "resources: [")
    out = rig.run(
        "match allocate huge.json",
        "match satisfiability two.json",
        "match without_allocating two.json",
        "match without_allocating_future two.json",
        "match allocate bad.json",
        "match allocate none.json",
        "match odd two.json",
        "match allocate_with_satisfiability huge.json",
        "match allocate_orelse_reserve huge.json",
        "match allocate two.json",
    )
    assert out.endswith(answer(4))
    assert "JOBID=2\nINFO: RESOURCES=MATCHED" in out


def test_multi_match_goes_on_until_something_fails(rig: Rig) -> None:
    out = rig.run("M allocate one.json two.json huge.json one.json", "M allocate one.json", "M odd a b")
    assert out.count("RESOURCES=ALLOCATED") == 2
    assert out.endswith(failure(3))
    assert rig.err == "ERROR: malformed command\nERROR: unknown subcmd odd\n"


def test_a_vertex_that_is_down_takes_all_below_with_it(rig: Rig) -> None:
    rig.put("g.graphml", RACKS)
    out = rig.run(
        "set-status /t0/rack0 down",
        "get-status /t0/rack0",
        "get-status /t0/rack0/node0",
        "match allocate two.json",
        "find status=down and names=node[0-3]",
        "set-status /t0/rack0 up",
        "find status=down",
    )
    assert out.startswith("/t0/rack0 is down\n/t0/rack0/node0 is up\n")
    assert "node2[1:s]" in out
    nodes = lines("3 node0[1:x]", "3 node1[1:x]", "2 rack0[1:x]", "1 t0[1:x]")
    assert f'{nodes}{RULE}INFO: EXPRESSION="status=down and names=node[0-3]"' in out
    assert out.endswith(f'{RULE}{RULE}INFO: EXPRESSION="status=down"\n{RULE}')


def test_status_set_twice_is_set_once(rig: Rig) -> None:
    down = "set-status /t0/node0 down"
    out = rig.run(down, down, "set-status /t0/node0 up", "match allocate nodes.json")
    assert out.endswith(answer(1))


def test_more_nodes_than_there_are_is_never_and_more_than_are_up_is_not_now(rig: Rig) -> None:
    rig.job("three.json", res("node", 3, slot(1, res("core", 1))))
    ops = ["allocate", "allocate_with_satisfiability", "allocate_orelse_reserve"]
    out = rig.run(*[f"match {op} three.json" for op in ops])
    assert out == failure(1) + failure(2, never=True) + failure(3, never=True)
    out = rig.run("set-status /t0/node0 down", *[f"match {op} nodes.json" for op in ops])
    assert out == failure(1) + failure(2) + failure(3)


def test_a_level_between_a_node_and_its_slot_may_be_left_out(rig: Rig) -> None:
    rig.put("g.graphml", RACKS)
    rig.job("a.json", res("node", 1, slot(1, res("core", 2))))
    rig.job("b.json", res("rack", 1, slot(1, res("socket", 1))))
    rig.job("c.json", res("rack", 1, slot(1, res("core", 1))))
    out = rig.run("match allocate a.json", "match allocate b.json", "match allocate c.json")
    first = ["5 core0[1:x]", "5 core1[1:x]", "4 socket0[1:s]", "3 node0[1:s]", "2 rack0[1:s]", "1 t0[1:s]"]
    second = ["4 socket0[1:x]", "3 node1[1:s]", "2 rack0[1:s]", "1 t0[1:s]"]
    # Two levels between a rack and cores are too many.
    assert out == lines(*first) + answer(1) + lines(*second) + answer(2) + failure(3)


def test_resources_beside_a_slot(rig: Rig) -> None:
    rig.put("g.graphml", STORAGE)
    storage = {"exclusive": True}
    rig.job("rack.json", res("rack", 1, slot(1, res("node", 1)), {**res("storage", 512), **storage}))
    rig.job("node.json", res("node", 1, slot(1, res("core", 1)), {**res("core", 1), **storage}))
    out = rig.run("match allocate rack.json", "match allocate rack.json", "match allocate rack.json")
    own = [lines(f"3 node{2 * k}[1:x]", f"3 bb{k}[512:x]", f"2 rack{k}[1:s]", "1 mt0[1:s]") for k in (0, 1)]
    assert out == own[0] + answer(1) + own[1] + answer(2) + failure(3)
    # A slot takes its type's vertices first: none is left over for the other.
    assert rig.run("match allocate node.json") == failure(1)


@pytest.mark.parametrize(
    ("constraint", "nodes"),
    [
        ({"properties": ["arm"]}, [1, 2]),
        ({"properties": ["^arm"]}, [0, 3]),
        ({"properties": ["arm", "big"]}, [2]),
        ({"hostlist": ["node[2-3]"]}, [2, 3]),
        ({"ranks": ["0,3"]}, [0, 3]),
        ({"not": [{"ranks": ["1-3"]}]}, [0]),
        ({"or": [{"hostlist": ["node0"]}, {"properties": ["big"]}]}, [0, 2]),
        ({"and": [{"properties": ["arm"]}, {"not": [{"ranks": ["1"]}]}]}, [2]),
        ({}, [0, 1, 2, 3]),
    ],
)
def test_constraints_are_on_nodes(rig: Rig, constraint: dict[str, Any], nodes: list[int]) -> None:
    rig.put("g.graphml", tree(("node", 4), ("core", 1)))
    number = len(nodes)
    rig.job("fits.json", res("node", number, slot(1, res("core", 1))), constraints=constraint)
    rig.job("more.json", res("node", number + 1, slot(1, res("core", 1))), constraints=constraint)
    marks = ["set-property /t0/node1 arm=1", "set-property /t0/node2 arm=1", "set-property /t0/node2 big=1"]
    out = rig.run(
        *marks,
        # Properties of other vertices don't count.
        "set-property /t0/node3/core0 arm=1",
        "match allocate_with_satisfiability more.json",
        "match satisfiability more.json",
        "match allocate fits.json",
    )
    assert out.startswith(failure(1, never=True) + f"{RULE}INFO: Unsatisfiable request\n{RULE}")
    assert [int(line.split("node")[1][0]) for line in out.splitlines() if "node" in line] == nodes


def test_a_constraint_that_is_wrong_is_told(rig: Rig) -> None:
    rig.job("a.json", slot(1, res("core", 1)), constraints={"colour": ["red"]})
    rig.run("match allocate a.json")
    assert "a.json: attributes.system.constraints: constraint: unknown operator 'colour'" in rig.err


STORAGE = grug(
    {
        "c": {"root": 1, "type": "cluster", "basename": "mt"},
        "r": {"type": "rack"},
        "n": {"type": "node"},
        "k": {"type": "core"},
        "b": {"type": "storage", "basename": "bb", "size": 512, "unit": "GB"},
        "top": {"type": "storage", "basename": "pfs", "size": 4096, "unit": "GB"},
    },
    [
        ("c", "r", {"multi_scale": 2}),
        ("r", "n", {"multi_scale": 2, "id_scope": 1}),
        ("n", "k", {"multi_scale": 2}),
        ("r", "b", {"id_scope": 1}),
        ("c", "top", {}),
    ],
)


def test_storage_of_the_rack_and_storage_at_the_top(rig: Rig) -> None:
    rig.put("g.graphml", STORAGE)
    rig.job("near.json", res("rack", 1, slot(1, res("node", 1, res("core", 1)), res("storage", 256))))
    rig.job("far.json", res("cluster", 1, slot(1, res("storage", 1024))))
    rig.job("much.json", res("rack", 1, slot(1, res("storage", 513))))
    out = rig.run(
        "match allocate near.json",
        "match allocate near.json",
        "match allocate near.json",
        "match allocate far.json",
        "match allocate far.json",
        "match satisfiability much.json",
    )
    near = [
        lines(
            "4 core0[1:x]", f"3 node{2 * k}[1:x]", f"3 bb{k}[512:x]", f"2 rack{k}[1:s]", "1 mt0[1:s]"
        ) + answer(k + 1)
        for k in (0, 1)
    ]  # fmt: skip
    far = lines("2 pfs0[4096:x]", "1 mt0[1:s]") + answer(4)
    never = f"{RULE}INFO: Unsatisfiable request\n{RULE}"
    assert out == "".join([*near, failure(3), far, failure(5), never])


def test_sizes_and_units_stand_in_jgf(rig: Rig) -> None:
    rig.put("g.graphml", STORAGE)
    rig.job("far.json", res("cluster", 1, slot(1, res("storage", 1024))))
    out = rig.run("match allocate far.json", args=("-F", "jgf"))
    assert out.splitlines()[0] == (
        '{"graph": {"nodes": [{"id": "17", "metadata": {"type": "storage", "basename": "pfs", "id": 0, '
        '"rank": -1, "unit": "GB", "exclusive": true, "size": 4096, "paths": {"containment": "/mt0/pfs0"}}}, '
        '{"id": "0", "metadata": {"type": "cluster", "basename": "mt", "id": 0, "rank": -1, '
        '"paths": {"containment": "/mt0"}}}], "edges": [{"source": "0", "target": "17"}]}}'
    )


def test_properties_and_names_stand_in_jgf_and_r(rig: Rig) -> None:
    rig.run("match allocate nodes.json", args=("-F", "rv1_nosched", "-t", "r"))
    rset = json.loads(rig.get("r").splitlines()[0])
    rset["execution"]["nodelist"] = ["fox[7,9]"]
    rset["execution"]["properties"] = {"arm": "1", "fast@core": "0"}
    rig.put("r", rset)
    out = rig.run("match allocate nodes.json", args=("-L", "r", "-f", "rv1exec", "-F", "rv1"))
    document = json.loads(out.splitlines()[0])
    assert document["execution"] == {
        "R_lite": [{"rank": "0-1", "children": {"core": "0-3"}}],
        "nodelist": ["fox[7,9]"],
        "properties": {"arm": "1"},
        "starttime": 0,
        "expiration": 100,
    }
    nodes = {
        node["metadata"]["paths"]["containment"]: node for node in document["scheduling"]["graph"]["nodes"]
    }
    assert nodes["/cluster0/fox9"]["metadata"] == {
        "type": "node",
        "basename": "fox",
        "id": 9,
        "rank": 1,
        "properties": {"arm": ""},
        "exclusive": True,
        "paths": {"containment": "/cluster0/fox9"},
    }
    assert nodes["/cluster0/fox7/core3"]["metadata"]["properties"] == {"fast": ""}


def test_shorthand_leaves_out_what_lies_below_exclusive_vertices(rig: Rig) -> None:
    def types(format: str) -> list[str]:
        document = json.loads(rig.run("match allocate node.json", args=("-F", format)).splitlines()[0])
        return [node["metadata"]["type"] for node in document.get("scheduling", document)["graph"]["nodes"]]

    assert types("jgf") == types("rv1") == ["core"] * 4 + ["node", "cluster"]
    assert types("jgf_shorthand") == types("rv1_shorthand") == ["node", "cluster"]


def test_a_graph_survives_jgf(rig: Rig) -> None:
    rig.put("g.graphml", RACKS)
    rig.job("all.json", res("cluster", 1, exclusive=True))
    rig.put("all.jgf", rig.run("match allocate all.json", args=("-F", "jgf")).splitlines()[0])
    commands = [
        "match allocate two.json",
        "match allocate node.json",
        "find names=core[0-1]",
        "cancel 1 stats",
    ]
    for policy in ("low", "high", "hinode", "lonodex"):
        args = ("-P", policy, "-F", "rv1_nosched")
        first = rig.run(*commands, args=args)
        again = rig.run(*commands, args=(*args, "-L", "all.jgf", "-f", "jgf"))
        assert again == first


def test_edges_may_name_their_relation(rig: Rig) -> None:
    rig.put("g.graphml", RACKS)
    rig.job("all.json", res("cluster", 1, exclusive=True))
    document = json.loads(rig.run("match allocate all.json", args=("-F", "jgf")).splitlines()[0])
    edges = document["graph"]["edges"]
    for edge in list(edges):
        back = {"source": edge["target"], "target": edge["source"]}
        edges.append({**back, "metadata": {"name": {"containment": "in"}}})
        edge["metadata"] = {"name": {"containment": "contains"}}
    rig.put("all.jgf", document)
    args = ("-L", "all.jgf", "-f", "jgf")
    assert rig.run("match allocate two.json", args=args) == rig.run("match allocate two.json")


def test_a_graph_survives_r_with_a_scheduling_key(rig: Rig) -> None:
    rig.put("g.graphml", RACKS)
    rig.job("all.json", res("cluster", 1, exclusive=True))
    rig.put("all.r", rig.run("match allocate all.json", args=("-F", "rv1")).splitlines()[0])
    first = rig.run("match allocate two.json")
    assert rig.run("match allocate two.json", args=("-L", "all.r", "-f", "rv1")) == first
    plain = rig.run("match allocate two.json", args=("-L", "all.r", "-f", "rv1exec"))
    assert lines("2 node0[1:s]", "1 cluster0[1:s]") in plain
    document = json.loads(rig.get("all.r"))
    del document["scheduling"]["graph"]["edges"]
    rig.put("wrong.r", document)
    rig.run(args=("-L", "wrong.r", "-f", "rv1"), status=1)
    assert rig.err == ": Runtime error: wrong.r: scheduling.graph.edges: is missing\n"
    del document["scheduling"]
    rig.put("less.r", document)
    assert rig.run("match allocate two.json", args=("-L", "less.r", "-f", "rv1")) == plain


def test_equal_children_are_one_entry_of_r(rig: Rig) -> None:
    rig.put("g.graphml", tree(("node", 3), ("core", 3)))
    rig.job("a.json", slot(1, res("core", 1)))
    rig.job("b.json", slot(4, res("core", 2)))
    rig.job("c.json", slot({"min": 1}, res("core", 1)))
    out = rig.run("match allocate a.json", "match allocate c.json", args=("-F", "rlite"))
    assert [json.loads(line) for line in out.splitlines() if line[0] == "["] == [
        [{"rank": "0", "children": {"core": "0"}}],
        [{"rank": "1-2", "children": {"core": "0-2"}}, {"rank": "0", "children": {"core": "1-2"}}],
    ]


def test_flexible_slots_choose_the_mix_of_most_slots(rig: Rig) -> None:
    sizes = [{**slot(4, res("core", number)), "label": f"s{number}"} for number in (3, 1)]
    rig.job("mix.json", res("node", 1, *sizes))
    assert taken(rig.run("match allocate mix.json", args=("-T", "flexible"))) == [
        f"core{k}" for k in range(4)
    ]
    either = [{**each, "type": "xor_slot", "count": 1} for each in sizes]
    rig.job("xor.json", *either)
    out = rig.run(*["match allocate xor.json"] * 5, args=("-T", "flexible"))
    # The first alternative that fits: two of three cores, then what is left of both nodes in single ones.
    assert [taken(part) for part in out.split("INFO: JOBID=")[:4]] == [
        ["core0", "core1", "core2"],
        ["core0", "core1", "core2"],
        ["core3"],
        ["core3"],
    ]
    assert out.endswith(failure(5))
