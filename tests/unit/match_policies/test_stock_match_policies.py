"""What each stock match policy prefers."""

from __future__ import annotations

import pytest

from bourn.errors import BournError
from bourn_plugins.sched_graph.engine.engine import Engine
from bourn_plugins.sched_graph.engine.policy import Chooser
from bourn_plugins.sched_graph.request import compile_request
from bourn_plugins.sched_graph.resources import stock
from bourn_plugins.sched_graph.resources.graph import ResourceGraph
from bourn_policies.match.topology import contiguous
from tests.unit.sched_graph.graphs import cluster, jobspec, res, slot


def engine(name: str, graph: ResourceGraph) -> Engine:
    spec = stock.match_policy(name)
    return Engine(graph, Chooser(spec.factory({}), spec.node_exclusive))


def place(engine: Engine, *resources: dict[str, object], job: int = 1) -> list[str]:
    parts = engine.match(compile_request(jobspec(list(resources))))
    assert parts is not None
    engine.allocate(job, parts)
    return sorted(engine.cells[atom].vertex.name for atom, _ in parts)


def test_pack_fills_and_spread_scatters() -> None:
    for name, second in (("pack", ["node0"]), ("spread", ["node1"])):
        found = engine(name, cluster(nodes=3, cores=4))
        assert place(found, slot(1, res("core", 1)), job=1) == ["node0"]
        assert place(found, slot(1, res("core", 1)), job=2) == second


def test_affinity_keeps_off_free_gpus() -> None:
    graph = cluster(nodes=1, cores=2, gpus=1)
    graph.vertex("core", graph.vertex("node", 0, id=1, rank=1), id=0, rank=1)
    found = engine("affinity", graph)
    assert place(found, slot(1, res("core", 1)), job=1) == ["node1"]
    assert place(found, slot(1, res("core", 1), res("gpu", 1)), job=2) == ["node0"]


XML = """<topology version="2.0"><object type="Machine"><info name="HostName" value="n0"/>
<object type="Package">{}<object type="NUMANode"/><object type="Bridge"><object type="PCIDev">
<object type="OSDev" name="cuda0" osdev_type="5"/></object></object></object>
<object type="Package">{}<object type="NUMANode"/><object type="Bridge"><object type="PCIDev">
<object type="OSDev" name="cuda1" osdev_type="5"/></object></object></object>
</object></topology>"""


def test_affinity_goes_by_the_numa_domains_that_hwloc_knows() -> None:
    graph = ResourceGraph()
    core = '<object type="Core"><object type="PU"/></object>'
    options = {"allowlist": "node,socket,numanode,core,gpu"}
    build = stock.reader("hwloc").read(XML.format(core * 3, core * 3).encode(), options).build
    assert build is not None
    build(graph)
    found = engine("affinity", graph)
    with_gpu, without = slot(1, res("core", 1), res("gpu", 1)), slot(1, res("core", 1))
    taken = []
    for job, request in enumerate((with_gpu, without, without, slot(1, res("core", 3), res("gpu", 1)))):
        parts = found.match(compile_request(jobspec([request])))
        assert parts is not None
        found.allocate(job, parts)
        taken.append({vertex.parent.id for vertex in found.vertices(parts)})  # type: ignore[union-attr]
    # Jobs without a GPU stay beside the GPU that is taken, so that the last one is whole in its domain.
    assert taken == [{0}, {0}, {0}, {1}]
    by_ids = engine("high", graph)
    parts = by_ids.match(compile_request(jobspec([with_gpu])))
    assert parts is not None
    by_ids.allocate(0, parts)
    assert {vertex.parent.id for vertex in by_ids.vertices(parts)} == {1}  # type: ignore[union-attr]


def test_state_policies_choose_among_the_sockets_of_a_node() -> None:
    for policy, second in (("pack", [0, 0]), ("spread", [0, 1])):
        found = engine(policy, cluster(nodes=1, sockets=2, cores=3))
        sockets = []
        for job in range(2):
            parts = found.match(compile_request(jobspec([slot(1, res("core", 1))])))
            assert parts is not None
            found.allocate(job, parts)
            sockets += [vertex.parent.id for vertex in found.vertices(parts)]  # type: ignore[union-attr]
        assert sockets == second


def whole(number: int) -> dict[str, object]:
    return res("node", number, slot(1, res("core", 1)), exclusive=True)


def test_topology_takes_the_tightest_rack() -> None:
    found = engine("topology", cluster(racks=3, nodes=4, cores=1))
    place(found, whole(2), job=1)
    parts = found.match(compile_request(jobspec([whole(2)])))
    assert parts is not None
    assert {found.cells[atom].vertex.parent.name for atom, _ in parts} == {"rack0"}  # type: ignore[union-attr]
    parts = found.match(compile_request(jobspec([whole(6)])))
    assert parts is not None
    racks = [found.cells[atom].vertex.parent.name for atom, _ in parts]  # type: ignore[union-attr]
    assert sorted(racks) == ["rack0"] * 2 + ["rack1"] * 4


def test_locality_takes_nodes_side_by_side() -> None:
    found = engine("locality", cluster(nodes=8, cores=1))
    place(found, whole(1), job=1)
    assert place(found, whole(2), job=2) == ["node5", "node6"]
    assert contiguous(0b1101110, 2) == 0b1100000
    assert contiguous(0b1010101, 3) == 0b0010101


def test_variation_goes_by_class() -> None:
    graph = cluster(nodes=3, cores=1)
    for node, perf in zip(graph.nodes(), ("5", "1", "odd"), strict=True):
        node.properties = {"perf_class": perf}
    found = engine("variation", graph)
    assert place(found, whole(1), job=1) == ["node1"]
    assert place(found, whole(1), job=2) == ["node0"]
    assert place(found, whole(1), job=3) == ["node2"]


def test_first_goes_on_with_unused_nodes() -> None:
    found = engine("first", cluster(nodes=3, cores=4))
    assert place(found, slot(1, res("core", 1)), job=1) == ["node2"]
    assert place(found, slot(1, res("core", 1)), job=2) == ["node1"]


def test_custom_strings() -> None:
    spec = stock.match_policy("policy=low node_centric=true node_exclusive=true")
    assert spec.node_exclusive
    with pytest.raises(BournError, match="invalid policy option: polcy; did you mean 'policy'"):
        stock.match_policy("polcy=low")
    with pytest.raises(BournError, match="policy=high or policy=low is missing"):
        stock.match_policy("node_centric=true")


def test_a_policy_that_fails_is_told_and_left() -> None:
    class Bad:
        def prefer(self, state: object) -> object:
            raise ValueError("no idea")

    class Odd:
        def prefer(self, state: object) -> object:
            return state if state.idle else 1  # type: ignore[attr-defined]

    for policy in (Bad(), Odd()):
        told: list[str] = []
        found = Engine(cluster(nodes=2, cores=2), Chooser(policy))
        found.fault = told.append
        for job in range(4):
            assert place(found, slot(1, res("core", 1)), job=job) == [f"node{job // 2}"]
        assert len(told) == 1
