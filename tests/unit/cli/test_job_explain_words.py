"""Why a job waits, put together from what job manager, scheduler and queue say."""

from __future__ import annotations

from typing import Any

import pytest

from bourn.cli.job_explain import explanation
from bourn.model.states import Result, State

KNOWN = {"id": 1, "position": 2, "waiting": 5, "reason": "needs 2 nodes, 1 free", "t_estimate": 9.0}


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({}, "needs 2 nodes, 1 free"),
        ({"urgency": 0}, "it is held: its urgency is 0"),
        ({"state": State.DEPEND, "dependencies": ["after-ok=ƒA"]}, "depends on after-ok=ƒA"),
        ({"queue": "batch"}, "queue 'batch' is stopped: cooling"),
        ({"state": State.RUN}, "it runs"),
        ({"state": State.CLEANUP}, "it ends"),
        ({"state": State.INACTIVE, "result": Result.FAILED}, "it has ended: failed"),
    ],
)
def test_the_first_thing_that_it_waits_for(record: dict[str, Any], reason: str) -> None:
    queues = {
        None: {"start": True, "stop_reason": ""},
        "batch": {"start": False, "stop_reason": "cooling"},
    }
    full = {"id": 1, "state": State.SCHED, "urgency": 16, **record}
    assert explanation(full, KNOWN, queues)["reason"] == reason


def test_a_scheduler_that_does_not_explain() -> None:
    record = {"id": 1, "state": State.SCHED, "urgency": 16}
    assert explanation(record, None, {})["reason"] == "it waits for the scheduler"
    record["annotations"] = {"sched": {"reason_pending": "needs 4 cores", "t_estimate": 7.0}}
    answer = explanation(record, None, {})
    assert (answer["reason"], answer["t_estimate"]) == ("needs 4 cores", 7.0)
