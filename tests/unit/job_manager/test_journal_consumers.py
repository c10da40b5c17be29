"""What readers of the journal are sent."""

from __future__ import annotations

import json
from typing import Any

from bourn.hookspecs.store import EVENTLOG, RESOURCE_SET
from bourn_plugins.job_manager.journal import Consumer, Filter


class Store:
    """Two attempts of job 7, each with resources of its own."""

    attempts = ("first", "second")

    def log_text(self, id: int, log: str) -> str:
        assert (id, log) == (7, RESOURCE_SET)
        return "".join(f"{json.dumps(name)}\n" for name in self.attempts)

    def log_last(self, id: int, log: str) -> str:
        return self.log_text(id, log).splitlines()[-1]

    def jobspec(self, id: int) -> None:
        return None


def row(*names: str) -> tuple[int, str, str]:
    return (7, EVENTLOG, "".join(f'{{"timestamp":1.0,"name":"{name}"}}\n' for name in names))


def test_each_attempt_of_a_job_has_its_own_resources() -> None:
    found: list[dict[str, Any]] = []
    consumer = Consumer(found.extend, Filter(), Store(), {7: 4})  # type: ignore[arg-type]
    consumer.rows([row("free")])
    consumer.backlog([row("submit", "alloc"), row("retry", "alloc")], lambda id: False)
    consumer.go_live()
    Store.attempts = (*Store.attempts, "third")
    consumer.rows([row("retry"), row("alloc")])
    assert [event["R"] for event in found if event["entry"]["name"] == "alloc"] == [
        "first",
        "second",
        "third",
    ]
    assert [event["eventlog_seq"] for event in found] == list(range(7))
