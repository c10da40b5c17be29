from __future__ import annotations

from typing import Any

import pytest

from bourn.model.counts import Counts, jobspec_counts
from tests.unit.model.jobspecs import core, jobspec, node, slot

GPU = {"type": "gpu", "count": 1}


@pytest.mark.parametrize(
    ("obj", "counts"),
    [
        (jobspec(), Counts(None, 1, 1, 0, 1, 1, 0, False, 0)),
        (jobspec(slot(3, core(2), GPU)), Counts(None, 3, 6, 3, 3, 2, 1, False, 0)),
        (jobspec(node(2, slot(3, core(2)))), Counts(2, 6, 12, 0, 6, 2, 0, False, 0)),
        (jobspec(node(2, slot(1), exclusive=True), count={"total": 5}), Counts(2, 2, 2, 0, 5, 1, 0, True, 0)),
        (jobspec(slot(4, node(2))), Counts(8, 4, 0, 0, 4, 0, 0, True, 0, nodes_per_slot=2)),
        (
            jobspec(slot(4, node(1, core(6), exclusive=False))),
            Counts(4, 4, 24, 0, 4, 6, 0, False, 0, nodes_per_slot=1),
        ),
        (
            jobspec(count={"per_slot": 3}, system={"duration": 7.5}),
            Counts(None, 1, 1, 0, 3, 1, 0, False, 7.5),
        ),
        (
            jobspec(slot(2, core(4)), count={"per_resource": {"type": "core", "count": 2}}),
            Counts(None, 2, 8, 0, 16, 4, 0, False, 0),
        ),
    ],
)
def test_sizes(obj: dict[str, Any], counts: Counts) -> None:
    assert jobspec_counts(obj) == counts


@pytest.mark.parametrize(
    ("obj", "why", "ncores"),
    [
        (
            jobspec({"type": "rack", "count": 2, "with": [node(3, slot(1, core(2)))]}),
            "resource type 'rack'",
            12,
        ),
        (jobspec(slot("2-4", core(3))), "slot count '2-4'", 6),
        (jobspec(slot(1), slot(2, core(2), label="b")), "more than one slot", 5),
        (jobspec(slot(1), node(1)), "more than one resource at the top", 1),
        (jobspec(node(1, slot(1), core(3))), "core outside a slot", 4),
        (jobspec(node(1, node(1, slot(1)))), "node inside a node", 1),
        ({**jobspec(), "tasks": jobspec()["tasks"] * 2}, "more than one task", 1),
    ],
)
def test_what_a_simple_scheduler_cannot_do_is_said(obj: dict[str, Any], why: str, ncores: int) -> None:
    counts = jobspec_counts(obj)
    assert counts.complex == why
    assert counts.ncores == ncores


@pytest.mark.parametrize(
    ("obj", "option", "ntasks"),
    [
        (jobspec(node(2, slot(2))), {"type": "node", "count": 3}, 6),
        (jobspec(slot(4)), {"type": "core", "count": 2}, 8),
        (jobspec(slot(4)), {"type": "node", "count": 2}, 4),
        (jobspec(node(2, slot(1), exclusive=True)), {"type": "core", "count": 1}, 2),
        (jobspec(slot(4)), {"type": "rack"}, 4),
        (jobspec(slot(4)), {"type": "core", "count": "x"}, 4),
    ],
)
def test_tasks_by_shell_option(obj: dict[str, Any], option: dict[str, Any], ntasks: int) -> None:
    obj["attributes"]["system"]["shell"] = {"options": {"per-resource": option}}
    assert jobspec_counts(obj).ntasks == ntasks


def test_attributes_may_be_missing() -> None:
    assert jobspec_counts({**jobspec(), "attributes": None}).duration == 0
