"""What `[scheduler]` and `[queues]` of an instance may say to the graph scheduler."""

from __future__ import annotations

from typing import Any

import pytest

from bourn.config import Config
from bourn.errors import ConfigError
from bourn_plugins.sched_graph.module import SchedGraph
from bourn_plugins.sched_graph.resources import stock


class Context:
    """As much of a module's context as its making needs."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self.config = Config(raw)
        self.plugins = stock.installed()


def scheduler(**raw: Any) -> SchedGraph:
    context: Any = Context(raw)
    return SchedGraph(context)


def test_defaults_and_what_is_right() -> None:
    assert scheduler()
    assert scheduler(
        scheduler={"match-policy": "policy=low node_centric=true", "queue-policy": "conservative"},
        queues={"a": {"match-policy": "policy=low node_centric=false"}, "b": {"queue-policy": "fcfs"}},
    )
    assert scheduler(scheduler={"match-policy": "custom", "match-options": {"policy": "low"}})
    assert scheduler(scheduler={"match-policy": "topology", "match-options": {"subsystem": "ibnet"}})
    # Options are for the policy that stands beside them.
    assert scheduler(
        scheduler={"match-policy": "custom", "match-options": {"policy": "low"}},
        queues={"a": {"match-policy": "topology"}},
    )


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"scheduler": {"match-policy": "lo"}}, "[scheduler] match-policy: unknown match policy 'lo'"),
        ({"scheduler": {"match-policy": "policy=lo"}}, "policy option policy must be high or low, not 'lo'"),
        (
            {"scheduler": {"match-policy": "topology", "match-options": {"subsytem": "ibnet"}}},
            "topology policy: unknown option 'subsytem'; did you mean 'subsystem'?",
        ),
        ({"scheduler": {"queue-policy": "eazy"}}, "[scheduler] queue-policy: unknown queue policy 'eazy'"),
        (
            {"queues": {"a": {"queue-policy": "eazy"}}},
            "[queues.a] queue-policy: unknown queue policy 'eazy'; did you mean 'easy'?",
        ),
        (
            {"queues": {"a": {"match-policy": "lo"}}},
            "[queues.a] match-policy: unknown match policy 'lo'",
        ),
        ({"scheduler": {"prune-filters": ["ALL:core"]}}, "prune-filters"),
        ({"scheduler": {"match-format": "rv1"}}, "match-format"),
    ],
)
def test_what_is_wrong_is_told_at_the_start(raw: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        scheduler(**raw)
    assert words in caught.value.message
