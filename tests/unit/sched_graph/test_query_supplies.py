"""`bourn resource-query -S C+PA`: what stands above a vertex in another subsystem limits what it can give."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.sched_graph.graphs import res, slot
from tests.unit.sched_graph.rig import Rig, answer, failure, lines

if TYPE_CHECKING:
    from pathlib import Path


# A panel of 900 W over two PDUs of 500 W, which supply two nodes each: said in JGF, since a recipe can't
# choose nodes by number.
def powered() -> dict[str, Any]:
    def vertex(
        id: int, type: str, number: int, paths: dict[str, str], rank: int = -1, watts: int = 0
    ) -> dict[str, Any]:
        data = {"type": type, "id": number, "rank": rank, "paths": paths}
        if watts:
            data |= {"size": watts, "unit": "W"}
        return {"id": str(id), "metadata": data}

    nodes = [vertex(0, "cluster", 0, {"containment": "/cluster0"})]
    links: list[tuple[int, int, str]] = []
    nodes.append(vertex(90, "panel", 0, {"power": "/panel0"}, watts=900))
    for k in (0, 1):
        nodes.append(vertex(91 + k, "pdu", k, {"power": f"/panel0/pdu{k}"}, watts=500))
        links.append((90, 91 + k, "power"))
    for k in range(4):
        both = {"containment": f"/cluster0/node{k}", "power": f"/panel0/pdu{k // 2}/node{k}"}
        nodes.append(vertex(10 + k, "node", k, both, rank=k))
        links += [(0, 10 + k, "containment"), (91 + k // 2, 10 + k, "power")]
        for c in range(4):
            id = 20 + 4 * k + c
            nodes.append(vertex(id, "core", c, {"containment": f"/cluster0/node{k}/core{c}"}, rank=k))
            links.append((10 + k, id, "containment"))
    relations = [
        {"source": str(source), "target": str(target), "metadata": {"subsystem": name}}
        for source, target, name in links
    ]
    return {"graph": {"nodes": nodes, "edges": relations}}


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Rig:
    rig = Rig(tmp_path, monkeypatch, capsys, json.dumps(powered()))
    rig.job("watts.json", res("node", 1, slot(1, res("core", 1)), res("pdu", 300)))
    rig.job("two.json", res("node", 2, slot(1, res("core", 1)), res("pdu", 300)))
    rig.job("slots.json", slot(3, res("core", 1), res("pdu", 200)))
    rig.job("plain.json", res("node", 1, slot(1, res("core", 1))))
    rig.job("some.json", res("node", 1, slot(1, res("core", 1)), res("pdu", {"min": 50, "max": 400})))
    rig.job("never.json", res("node", 1, slot(1, res("core", 1)), res("pdu", 501)))
    return rig


def run(rig: Rig, *commands: str, args: tuple[str, ...] = ()) -> str:
    return rig.run(*commands, args=("-f", "jgf", "-S", "C+PA", *args))


def places(out: str) -> list[str]:
    return [line.strip().lstrip("-").split("[")[0] for line in out.splitlines() if "node" in line]


@pytest.mark.parametrize("policy", ["low", "high", "first"])
def test_a_pool_above_limits_what_is_allocated(rig: Rig, policy: str) -> None:
    out = run(rig, *["match allocate watts.json"] * 3, args=("-P", policy))
    # One PDU has no 300 W left for a second node, and the panel none for a third.
    first, second = (int(name.removeprefix("node")) // 2 for name in places(out))
    assert first != second
    assert out.endswith(failure(3))


def test_the_choice_of_several_nodes_goes_by_what_is_left_for_all(rig: Rig) -> None:
    out = run(rig, "match allocate two.json")
    assert places(out) == ["node0", "node2"]
    assert run(rig, "match allocate watts.json", "match allocate two.json").endswith(failure(2))


def test_only_what_is_walked_is_printed(rig: Rig) -> None:
    out = run(rig, "match allocate watts.json")
    assert out == lines("3 core0[1:x]", "2 node0[1:s]", "1 cluster0[1:s]") + answer(1)


def test_slots_draw_too(rig: Rig) -> None:
    out = run(rig, "match allocate slots.json")
    assert places(out) == ["node0", "node1", "node2"]
    # 600 W of 900 are in use.
    assert run(rig, "match allocate slots.json", "match allocate two.json").endswith(failure(2))


def test_what_is_drawn_comes_back(rig: Rig) -> None:
    out = run(rig, "match allocate two.json", "cancel 1", "match allocate two.json")
    assert out.endswith(answer(2))
    rig.put(
        "r",
        {"version": 1, "execution": {"R_lite": [{"rank": "0", "children": {"core": "0"}}], "nodelist": []}},
    )
    out = run(
        rig,
        "match allocate two.json",
        "match allocate watts.json",
        "partial-cancel 1 rv1exec r",
        "match allocate watts.json",
        "match allocate watts.json",
    )
    assert out.count("ALLOCATED") == 2
    assert failure(2) in out
    assert out.endswith(failure(4))


def test_it_is_waited_for(rig: Rig) -> None:
    out = run(rig, "match allocate two.json", "match allocate_orelse_reserve watts.json")
    assert out.endswith(answer(2, "RESERVED", "100"))
    out = run(rig, "match allocate_orelse_reserve never.json", "match allocate_with_satisfiability two.json")
    assert out.startswith(failure(1, never=True))
    assert out.endswith(answer(2))


def test_a_range_takes_what_is_left(rig: Rig) -> None:
    out = run(rig, "match allocate some.json", "match allocate some.json", "match allocate two.json")
    # 400 W on one PDU, then the 100 W that it has left, and 300 W twice is more than the panel has.
    assert places(out) == ["node0", "node0"]
    assert out.endswith(failure(3))


def test_what_is_down_above_takes_what_it_supplies_with_it(rig: Rig) -> None:
    commands = ["set-status /panel0/pdu0 down", "match allocate plain.json", "match allocate two.json"]
    out = run(rig, *commands, "match satisfiability two.json")
    assert places(out) == ["node2"]
    assert failure(2) in out
    assert "INFO: Satisfiable request" in out
    # Where power isn't asked about it doesn't matter.
    assert places(rig.run(*commands[:2], args=("-f", "jgf"))) == ["node0"]
