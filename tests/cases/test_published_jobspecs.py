"""The published example jobspecs (RFC 14, RFC 25), matched on machines that have what they ask for.

They aren't a part of the project: they lie in a folder beside it, or these tests skip.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from bourn.model.jobspec_check import check_jobspec
from bourn_plugins.sched_graph.engine.allocation import rset_of
from bourn_plugins.sched_graph.engine.engine import Engine
from bourn_plugins.sched_graph.engine.policy import Chooser
from bourn_plugins.sched_graph.engine.reasons import Reasons
from bourn_plugins.sched_graph.request import compile_request
from bourn_plugins.sched_graph.resources import stock
from bourn_plugins.sched_graph.walk.generic import scorer_of
from bourn_plugins.sched_graph.walk.traverser import Op, Outcome, Traverser
from tests.unit.sched_graph.canonical import center, flat, sockets

if TYPE_CHECKING:
    from collections.abc import Callable

    from bourn_plugins.sched_graph.resources.graph import ResourceGraph

FOLDER = Path(__file__).parents[2].parent / "shared" / "reference" / "examples"
needs_examples = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="the published jobspecs don't lie beside the project"
)
SHARED = "must not be false under an exclusive resource or a slot"

CASES: dict[str, tuple[Callable[[], ResourceGraph], dict[str, str], str]] = {
    # What it gets: ranks and their cores by the policy `low`; what the walk says where it refuses.
    "spec_14/example1": (sockets, {"0-3": "0-1"}, ""),
    "spec_14/example2": (sockets, {"0-3": "0-7"}, ""),
    "spec_14/use_case_1.1": (sockets, {"0-3": "0-7"}, ""),
    "spec_14/use_case_1.2": (sockets, {"0-5": "0-7"}, ""),
    "spec_14/use_case_1.3": (sockets, {"0-3": "0-7"}, SHARED),
    "spec_14/use_case_1.4": (sockets, {"0-3": "0-7"}, ""),
    "spec_14/use_case_1.5": (center, {"0-1": "", "6-7": "0-1"}, ""),
    "spec_14/use_case_1.6": (center, {"0-5": "0-29"}, SHARED),
    "spec_14/use_case_1.7": (flat, {"0-5": "0"}, SHARED),
    "spec_14/use_case_1.8": (sockets, {"0-3": "0-7"}, ""),
    "spec_14/use_case_2.1": (sockets, {"0-3": "0-7"}, ""),
    "spec_14/use_case_2.2": (sockets, {"0-3": "0-7"}, ""),
    "spec_14/use_case_2.3": (sockets, {"0-3": "0-3", "4-5": "0-1"}, ""),
    "spec_14/use_case_2.4": (flat, {"0": "0-15"}, ""),
    "spec_14/use_case_2.5": (sockets, {"0-3": "0,4", "4-5": "0"}, ""),
    "spec_14/use_case_2.6": (flat, {"0-1": ""}, ""),
    "spec_14/use_case_2.7": (sockets, {"0": "0-7"}, ""),
    "spec_14/use_case_2.8": (sockets, {"0": "0-7"}, ""),
    "spec_14/use_case_2.9": (flat, {"4": "0-15"}, ""),
    "spec_25/example1": (sockets, {"0-3": "0-1"}, ""),
    "spec_25/use_case_1.1": (sockets, {"0-3": "0"}, ""),
    "spec_25/use_case_2.1": (sockets, {"0-3": "0"}, ""),
    "spec_25/use_case_2.2": (sockets, {"0-3": "0-3", "4-5": "0-1"}, ""),
    "spec_25/use_case_2.3": (flat, {"0-3": "0-3", "4-5": "0-1"}, ""),
    "spec_25/use_case_2.4": (flat, {"0-3": "0-3"}, ""),
}


@needs_examples
def test_none_is_left_out() -> None:
    found = {f"{path.parent.name}/{path.stem}" for path in FOLDER.glob("spec_[12][45]/*.yaml")}
    assert found == set(CASES)


@needs_examples
@pytest.mark.parametrize("name", CASES)
def test_published_jobspec(name: str) -> None:
    make, cores, refusal = CASES[name]
    spec = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    check_jobspec(spec)
    request = compile_request(spec)
    graph = make()
    policy = stock.match_policy("low").factory({})
    engine = Engine(graph, Chooser(policy))
    assert Reasons(engine).never(request) is None
    parts = engine.match(request)
    assert parts is not None
    R = rset_of(engine, parts, 0, 0)["execution"]["R_lite"]
    assert {entry["rank"]: entry["children"].get("core", "") for entry in R} == cores
    result = Traverser(graph, scorer_of(policy)).match(request, Op.ALLOCATE, 1)
    if refusal:
        assert (result.outcome, result.error.endswith(refusal)) == (Outcome.INVALID, True)
        return
    assert result.outcome is Outcome.MATCHED
    own = {path for vertex in result.selected if vertex.exclusive for path in vertex.paths.values()}
    assert own <= {vertex.path for vertex in engine.vertices(parts)}
    assert {vertex.rank for vertex in result.selected} - {-1} == {
        engine.cells[atom].vertex.rank for atom, _ in parts
    }
