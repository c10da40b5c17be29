"""A graph that changes while jobs hold parts of it: what stands, what is refused, and nothing half-way."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bourn.errors import BournError
from bourn.model.idset import IdSet
from bourn.model.rset import ResourceSet
from bourn_plugins.sched_graph.engine.engine import Engine
from bourn_plugins.sched_graph.engine.policy import Chooser
from bourn_plugins.sched_graph.estate import Estate
from bourn_plugins.sched_graph.questions import graph_document, status_of, vertex_facts
from bourn_plugins.sched_graph.request import compile_request
from bourn_plugins.sched_graph.resources import stock
from tests.unit.sched_graph.graphs import cluster, jobspec, res, slot

ONE = slot(1, res("core", 1))
NODE = res("node", 1, slot(1, res("core", 1)), exclusive=True)


def estate(policy: str = "low", ranks: int = 64, **sizes: int) -> Estate:
    spec = stock.match_policy(policy)
    chooser = Chooser(spec.factory({}), spec.node_exclusive)
    return Estate(cluster(**sizes), {policy: chooser}, IdSet(range(ranks)))


def found_choosers(found: Estate) -> dict[str, Chooser]:
    return {name: engine.chooser for name, engine in found.engines.items()}


def take(found: Estate, job: int, *resources: dict[str, Any], **system: Any) -> list[str]:
    """Give a job what it asks for; the paths of what it has to itself."""
    parts = found.engine.match(compile_request(jobspec(list(resources), **system)))
    if parts is None:
        return []
    found.engine.allocate(job, parts)
    return sorted(vertex.path for vertex in found.engine.vertices(parts))


def has(found: Estate, job: int) -> list[str]:
    return sorted(vertex.path for vertex in found.engine.vertices(found.engine.jobs.get(job, [])))


def change(found: Estate, *changes: dict[str, Any], **options: Any) -> dict[str, Any]:
    answer = found.prepare(changes, **options)
    found.commit()
    return answer


def attach(text: str, format: str = "toml-graph", **more: Any) -> dict[str, Any]:
    return {"op": "attach", "format": format, "content": text, **more}


def remove(path: str) -> dict[str, Any]:
    return {"op": "remove", "path": path}


HOSTS = """
[[resource.graph]]
type = "node"
hosts = "n[7-8]"

[[resource.graph]]
type = "core"
in = "node"
count = 2
"""
GPU = '[[resource.graph]]\ntype = "gpu"\n'
PDU = """
[[resource.graph]]
type = "node"
count = 2

[[resource.graph]]
type = "pdu"
subsystem = "power"
links = "node"
"""


def test_attached_nodes_get_free_ranks_and_are_used() -> None:
    found = estate(nodes=2, cores=2)
    before = take(found, 1, NODE)
    made = change(found, attach(HOSTS))
    assert made["ranks"] == "2-3"
    assert str(ResourceSet.from_dict(made["R"]).nodelist) == "n[7-8]"
    assert made["changes"][0]["ranks"] == {"/cluster0/n7": 2, "/cluster0/n8": 3}
    assert has(found, 1) == before
    assert take(found, 2, res("node", 3, slot(1, res("core", 2)))) != []
    told: list[str] = []
    updates = [made["changes"], [remove("/cluster0/node9")]]
    again = Estate(
        cluster(nodes=2, cores=2), found_choosers(found), IdSet("0-3"), updates=updates, tell=told.append
    )
    assert graph_document(again.graph) == graph_document(found.graph)
    assert told == [
        "an earlier update of the resources can't be made any more: /cluster0/node9: there is no such "
        "vertex; did you mean '/cluster0/node1'?"
    ]


def test_attaching_below_a_vertex_that_a_job_has() -> None:
    found = estate(nodes=2, cores=2)
    assert take(found, 1, ONE) == ["/cluster0/node0/core0"]
    made = change(found, attach(GPU, under="/cluster0/node0"))
    assert ResourceSet.from_dict(made["R"]).ngpus == 1
    assert has(found, 1) == ["/cluster0/node0/core0"]
    assert take(found, 2, slot(1, res("core", 1), res("gpu", 1))) == [
        "/cluster0/node0/core1",
        "/cluster0/node0/gpu0",
    ]


def test_ranks_that_a_document_means_must_be_free() -> None:
    found = estate(nodes=2, cores=1)
    rset = {"R_lite": [{"rank": "1", "children": {"core": "0"}}], "nodelist": ["x5"]}
    document = json.dumps({"version": 1, "execution": rset})
    with pytest.raises(BournError, match="/cluster0/x5: rank 1 is that of /cluster0/node1"):
        found.prepare([attach(document, "rv1exec")])
    made = change(found, attach(document.replace('"1"', '"4"'), "rv1exec"))
    assert made["ranks"] == "4"


def test_what_a_job_holds_goes_only_by_force() -> None:
    found = estate(nodes=2, cores=2)
    take(found, 1, NODE)
    take(found, 2, ONE)
    with pytest.raises(BournError, match="/cluster0/node0: job ƒ2 holds it; set it down"):
        found.prepare([remove("/cluster0/node0")])
    with pytest.raises(BournError, match="/cluster0/node1/core0: job ƒ3 holds it"):
        found.prepare([remove("/cluster0/node1/core0")])
    assert has(found, 1) == ["/cluster0/node0", "/cluster0/node0/core0", "/cluster0/node0/core1"]
    made = found.prepare([remove("/cluster0/node0")], force=True)
    assert (made["jobs"], made["ranks"], made["R"]) == ([1], "0", None)
    assert found.commit() == {1: ["/cluster0/node0"]}
    assert has(found, 1) == []
    assert has(found, 2) == ["/cluster0/node1/core0"]
    found.engine.free(1)
    found.engine.free(2)
    assert take(found, 3, NODE)[0] == "/cluster0/node1"


def test_other_subsystems_and_relations() -> None:
    found = estate(nodes=2, cores=1)
    job = take(found, 1, NODE)
    change(found, attach(PDU))
    assert vertex_facts(found.engine, "/power0/pdu0")["children"] == ["node0", "node1"]
    change(
        found, {"op": "unlink", "subsystem": "power", "source": "/power0/pdu0", "target": "/cluster0/node0"}
    )
    link = {"op": "link", "subsystem": "ibnet", "source": "/cluster0/node0", "target": "/cluster0/node1"}
    change(found, link)
    assert vertex_facts(found.engine, "/power0/pdu0")["children"] == ["node1"]
    with pytest.raises(BournError, match="has a ibnet relation to /cluster0/node1 already"):
        found.prepare([link])
    change(found, remove("/power0/pdu0"))
    assert has(found, 1) == job


def test_topology_follows_relations_that_change() -> None:
    found = estate("topology", racks=2, nodes=2, cores=1)
    pair = res("node", 2, slot(1, res("core", 1)), exclusive=True)

    def nodes(job: int) -> list[str]:
        got = [path for path in take(found, job, pair) if path.rpartition("/")[2].startswith("node")]
        found.engine.free(job)
        return got

    assert nodes(1) == ["/cluster0/rack0/node0", "/cluster0/rack0/node1"]
    switches = {
        "nodes": [{"id": str(i), "metadata": m} for i, m in enumerate(SWITCHES)],
        "edges": [
            {"source": "0", "target": target, "metadata": {"subsystem": "ibnet"}} for target in ("1", "2")
        ],
    }
    change(found, attach(json.dumps({"graph": switches}), "jgf"))
    for switch, targets in (
        ("leaf0", ("rack0/node0", "rack1/node0")),
        ("leaf1", ("rack0/node1", "rack1/node1")),
    ):
        for target in targets:
            source = f"/net0/{switch}"
            link = {"op": "link", "subsystem": "ibnet", "source": source, "target": f"/cluster0/{target}"}
            change(found, link)
    assert nodes(2) == ["/cluster0/rack0/node0", "/cluster0/rack1/node0"]


SWITCHES = [
    {"type": "net", "id": 0, "paths": {"ibnet": "/net0"}},
    {"type": "leafswitch", "basename": "leaf", "id": 0, "paths": {"ibnet": "/net0/leaf0"}},
    {"type": "leafswitch", "basename": "leaf", "id": 1, "paths": {"ibnet": "/net0/leaf1"}},
]


def test_properties_and_status() -> None:
    found = estate(racks=2, nodes=2, cores=1)
    made = change(found, {"op": "property", "path": "/cluster0/rack1/node0", "set": {"fast": "", "a": "b"}})
    assert ResourceSet.from_dict(made["R"]).properties_of(2) == {"fast", "a=b"}
    wanted = {"constraints": {"properties": ["fast"]}}
    assert take(found, 1, NODE, **wanted)[0] == "/cluster0/rack1/node0"
    change(found, {"op": "property", "path": "/cluster0/rack1/node0", "unset": ["fast"]})
    assert take(found, 2, NODE, **wanted) == []
    made = change(found, {"op": "status", "path": "/cluster0/rack0", "status": "down"})
    assert made["down"] == "0-1"
    assert take(found, 3, NODE)[0] == "/cluster0/rack1/node1"
    found.mark(IdSet("0-3"), False)
    found.mark(IdSet("0-3"), True)
    assert take(found, 4, NODE) == []
    change(found, {"op": "status", "path": "/cluster0/rack0", "status": "up"})
    assert take(found, 4, NODE)[0] == "/cluster0/rack0/node0"
    change(found, {"op": "status", "path": "/cluster0/rack0/node1", "status": "down"})
    found.mark(IdSet("1"), True)
    assert take(found, 5, NODE) == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"op": "atach"}, "unknown change 'atach'; did you mean 'attach'?"),
        ({"op": "remove"}, "remove: 'path' must be a str, not None"),
        ({"op": "remove", "path": "/cluster0", "x": 1}, "remove: unknown key 'x'"),
        (remove("/cluster0"), "/cluster0: the root of the graph can't be removed"),
        (
            remove("/cluster0/nod0"),
            "/cluster0/nod0: there is no such vertex; did you mean '/cluster0/node0'?",
        ),
        (attach("x", "jgf"), "not a JSON document"),
        (attach("x", "jfg"), "unknown load format 'jfg'; did you mean 'jgf'?"),
        (attach(HOSTS, under="/cluster0/x"), "/cluster0/x: there is no such vertex"),
        (attach(GPU + 'basename = "node"'), "/cluster0/node0: its type is node, not gpu as in the file"),
        ({"op": "property", "path": "/cluster0", "unset": ["x"]}, "/cluster0 has no property 'x'"),
        ({"op": "property", "path": "/cluster0", "set": {"a b": ""}}, "is no property"),
        ({"op": "status", "path": "/cluster0", "status": "on"}, "a status is up or down, not 'on'"),
        (
            {"op": "unlink", "subsystem": "p", "source": "/cluster0", "target": "/cluster0/node0"},
            "has no p rel",
        ),
    ],
)
def test_what_is_wrong_is_told_and_nothing_stands(wrong: dict[str, Any], words: str) -> None:
    found = estate(nodes=2, cores=2)
    take(found, 1, NODE)
    before = _all(found)
    good = [attach(HOSTS), attach(PDU), {"op": "property", "path": "/cluster0/node1", "set": {"a": "b"}}]
    good += [{"op": "status", "path": "/cluster0/node1", "status": "down"}, remove("/cluster0/node1")]
    with pytest.raises(BournError) as caught:
        found.prepare([*good, wrong])
    assert words in caught.value.message
    assert caught.value.message.startswith("change 6: ")
    assert _all(found) == before


def test_what_is_down_in_a_description_is_down() -> None:
    graph = cluster(nodes=1, sockets=2, cores=1)
    socket = graph.nodes()[0].kids[0]
    socket.up = False
    found = Estate(graph, {"low": Chooser(stock.match_policy("low").factory({}))}, IdSet("0"))
    assert take(found, 1, ONE) == ["/cluster0/node0/socket1/core1"]
    assert take(found, 2, ONE) == []
    change(found, {"op": "status", "path": "/cluster0/node0/socket0", "status": "up"})
    assert take(found, 2, ONE) == ["/cluster0/node0/socket0/core0"]


def test_a_limit_is_kept() -> None:
    found = estate(nodes=2, cores=1)
    limit = ResourceSet.from_nodes([(0, "node0", "0", ""), (1, "node1", "0", "")])
    before = _all(found)
    with pytest.raises(BournError, match="the parent instance hasn't given rank"):
        found.prepare([attach(HOSTS)], limit=limit)
    assert _all(found) == before


def test_an_update_that_was_not_committed_is_taken_back() -> None:
    found = estate(nodes=3, cores=2)
    take(found, 1, ONE)
    before = _all(found)
    found.prepare([remove("/cluster0/node0"), attach(HOSTS)], force=True)
    with pytest.raises(BournError, match="another update"):
        found.prepare([attach(HOSTS)])
    found.rollback()
    assert _all(found) == before
    assert take(found, 2, ONE) == ["/cluster0/node1/core0"]


def _all(found: Estate) -> tuple[Any, ...]:
    """All that there is to see of an estate."""
    engine = found.engine
    cells = [(cell.atom, cell.vertex.path, cell.state, tuple(cell.free), cell.users) for cell in engine.cells]
    jobs = {job: has(found, job) for job in engine.jobs}
    everything = {"version": 1, "execution": {"R_lite": [], "nodelist": []}}
    return (
        graph_document(found.graph),
        cells,
        jobs,
        engine.busy,
        found.closed(),
        status_of(engine, everything),
    )


paths = st.builds(
    "/cluster0/{}{}".format,
    st.sampled_from(["rack0/node0", "rack0/node1", "rack1/node0", "rack1", "n7", "rack1/node0/socket1"]),
    st.sampled_from(["", "", "/core0", "/socket0", "/socket1/core3", "/gpu0"]),
)
changes = st.one_of(
    st.builds(remove, paths),
    st.builds(attach, st.sampled_from([HOSTS, PDU])),
    st.builds(lambda path: attach(GPU, under=path), paths),
    st.builds(
        lambda path, s: {"op": "status", "path": path, "status": s}, paths, st.sampled_from(["up", "down"])
    ),
    st.builds(lambda path: {"op": "property", "path": path, "set": {"fast": ""}}, paths),
)
requests = st.sampled_from(
    [
        ([ONE], {}),
        ([NODE], {}),
        ([res("node", 2, slot(1, res("core", 3)))], {}),
        ([slot(2, res("socket", 1))], {}),
        ([slot(1, res("core", 1), res("gpu", 1))], {}),
        ([NODE], {"constraints": {"properties": ["fast"]}}),
    ]
)
steps = st.one_of(
    st.tuples(st.just("take"), requests),
    st.tuples(st.just("free"), st.integers(0, 9)),
    st.tuples(
        st.just("change"), st.tuples(st.lists(changes, min_size=1, max_size=3), st.booleans(), st.booleans())
    ),
    st.tuples(st.just("mark"), st.tuples(st.integers(0, 5), st.booleans())),
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(steps, max_size=14), st.sampled_from(["low", "high", "hinode", "lonodex", "pack", "topology"])
)
def test_an_engine_that_was_carried_over_is_as_one_made_anew(sequence: list[Any], policy: str) -> None:
    found = estate(policy, racks=2, nodes=2, sockets=2, cores=2)
    held: dict[int, list[str]] = {}
    for job, (what, how) in enumerate(sequence):
        if what == "take":
            got = take(found, job, *how[0], **how[1])
            if got:
                held[job] = got
        elif what == "free":
            held.pop(how, None)
            found.engine.free(how)
        elif what == "mark":
            found.mark(IdSet(how[:1]), how[1])
        else:
            before = _all(found)
            try:
                found.prepare(how[0], force=how[1])
            except BournError:
                assert _all(found) == before
                continue
            if how[2]:
                found.rollback()
                assert _all(found) == before
            else:
                lost = found.commit()
                assert how[1] or not lost
                for one in lost:
                    found.engine.free(one)
                    held.pop(one, None)
        # What was attached below a job's own node belongs to it, and was not there when it came.
        for one, paths_of in held.items():
            assert set(paths_of) <= set(has(found, one))
        fresh = Engine(found.graph, found.engine.chooser, interner=found.engine.interner)
        for one, parts in found.engine.jobs.items():
            fresh.allocate(one, parts)
        assert [cell.state for cell in fresh.cells] == [cell.state for cell in found.engine.cells]
        assert fresh.busy == found.engine.busy
        assert fresh.order.atoms == found.engine.order.atoms
        for resources, system in (
            ([ONE], {}),
            ([NODE], {}),
            ([NODE], {"constraints": {"properties": ["fast"]}}),
        ):
            request = compile_request(jobspec(list(resources), **system))
            one_way, other = fresh.match(request), found.engine.match(request)
            assert (one_way is None) == (other is None)
            if one_way is not None and other is not None:
                assert fresh.vertices(one_way) == found.engine.vertices(other)
