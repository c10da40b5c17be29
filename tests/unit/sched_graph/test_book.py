"""Passes over queues: who starts, who waits until when and why."""

from __future__ import annotations

from typing import Any

import pytest

from bourn.hookspecs.sched import AllocRequest
from bourn_plugins.sched_graph.engine.engine import Engine
from bourn_plugins.sched_graph.engine.policy import Chooser
from bourn_plugins.sched_graph.engine.reasons import Reasons
from bourn_plugins.sched_graph.queue.book import Book
from bourn_plugins.sched_graph.queue.planner import Planner
from bourn_plugins.sched_graph.request import compile_request
from bourn_plugins.sched_graph.resources import stock
from tests.unit.sched_graph.graphs import cluster, jobspec, res, slot


class Rig:
    """A book over whole nodes of a small cluster."""

    def __init__(self, policy: str = "easy", nodes: int = 4, **options: int) -> None:
        self.engine = Engine(cluster(nodes=nodes, cores=2), Chooser(stock.match_policy("low").factory({})))
        self.planner = Planner(self.engine)
        self.reasons = Reasons(self.engine)
        spec = stock.find("bourn_queue_policies", "queue policy", policy)
        depths = {key.replace("_", "-"): value for key, value in options.items()}
        policies = {"": spec.factory(depths), "other": spec.factory(depths)}
        self.book = Book(self.planner, policies.__getitem__, self.reasons.not_now)
        self.count = 0

    def add(self, nodes: int, duration: float, priority: int = 16, queue: str = "") -> int:
        self.count += 1
        request = compile_request(
            jobspec([res("node", nodes, slot(1, res("core", 1)), exclusive=True)], duration)
        )
        job: Any = AllocRequest(self.count, priority, 0, float(self.count), None, None, queue)  # type: ignore[arg-type]
        self.book.add(job, request)
        return self.count

    def run(self, now: float = 0.0) -> tuple[list[int], dict[int, float | None]]:
        decisions = self.book.run(now)
        started = [job.id for job, *_ in decisions.started]
        return started, {job.id: estimate for job, _, estimate in decisions.waiting}


@pytest.mark.parametrize(
    ("policy", "started"),
    [("fcfs", [1]), ("easy", [1, 3]), ("hybrid", [1, 3]), ("conservative", [1, 3])],
)
def test_who_passes_a_job_that_waits(policy: str, started: list[int]) -> None:
    rig = Rig(policy)
    rig.add(3, 100)
    rig.add(4, 100)
    rig.add(1, 100)
    rig.add(1, 101)
    assert rig.run()[0] == started


def test_easy_reserves_for_the_first_only() -> None:
    rig = Rig("easy")
    rig.add(4, 100)
    rig.add(4, 50)
    rig.add(2, 10)
    assert rig.run() == ([1], {2: 100.0, 3: None})


def test_conservative_reserves_for_all_that_it_looks_at() -> None:
    rig = Rig("conservative", queue_depth=2)
    rig.add(4, 100)
    rig.add(4, 50)
    rig.add(2, 10)
    rig.add(2, 10)
    assert rig.run() == ([1], {2: 100.0, 3: 150.0})


def test_an_early_end_brings_the_reservation_forward() -> None:
    rig = Rig("easy")
    rig.add(4, 100)
    rig.add(4, 50)
    rig.run()
    rig.planner.finish(1)
    assert rig.run(30.0)[0] == [2]


def test_a_job_that_overruns_holds_its_nodes() -> None:
    rig = Rig("easy")
    rig.add(4, 10)
    rig.add(1, 10)
    rig.run()
    assert rig.run(20.0) == ([], {2: 20.0})


def test_a_fraction_of_a_second_is_not_stretched() -> None:
    rig = Rig("easy")
    rig.add(4, 0.25)
    rig.add(4, 10)
    (_, _, start, end), *_ = rig.book.run(5.0).started
    assert (start, end) == (5.0, 5.25)
    assert rig.planner.ends == {1: 5.25}


def test_priority_then_submission() -> None:
    rig = Rig("easy")
    low = rig.add(4, 10, priority=1)
    high = rig.add(4, 10, priority=20)
    assert rig.run()[0] == [high]
    rig.planner.finish(high)
    again = rig.add(4, 10, priority=1)
    rig.book.prioritize(again, 2)
    assert rig.run()[0] == [again]
    assert rig.book.remove(low)
    assert not rig.book.remove(low)


def test_queues_share_by_priority_and_do_not_block_each_other() -> None:
    rig = Rig("fcfs")
    rig.add(5 - 1, 10, priority=1)
    first = rig.add(3, 10, priority=9, queue="other")
    second = rig.add(1, 10, priority=8, queue="other")
    assert rig.run()[0] == [first, second]


def test_news_is_told_once() -> None:
    rig = Rig("easy")
    rig.add(4, 100)
    rig.add(4, 50)
    rig.run()
    assert rig.book.run(1.0).waiting == []


def test_a_long_line_is_swept_now_and_then() -> None:
    rig = Rig("easy", nodes=1)
    for _ in range(300):
        rig.add(1, 10)
    for job in range(2, 300, 2):
        rig.book.remove(job)
    order = []
    for _ in range(400):
        started, _ = rig.run()
        for job in started:
            order.append(job)
            rig.planner.finish(job)
    assert order == [job for job in range(1, 301) if job % 2 or job == 300]
    assert len(rig.book) == 0


def test_why_a_job_waits() -> None:
    rig = Rig("easy", queue_depth=3)
    running = rig.add(3, 100)
    first = rig.add(4, 50)
    small = rig.add(1, 200)
    wide = rig.add(2, 10)
    last = rig.add(1, 300)
    rig.add(1, 1, queue="other")
    rig.book.be_thorough()
    assert rig.run()[0] == [running, 6]
    rig.planner.finish(6)
    assert rig.run(1.0)[0] == []

    def said(job: int) -> tuple[int, int, str, float | None, list[int]]:
        found = rig.book.explain(job)
        assert found is not None
        return found.position, found.waiting, found.reason, found.start, found.behind

    assert rig.book.explain(running) is None
    assert said(first) == (1, 4, "needs 4 nodes, 1 free", 100.0, [])
    assert said(small) == (2, 4, "it would delay jobs that have reservations", None, [first])
    assert said(wide) == (3, 4, "needs 2 nodes, 1 free", None, [])
    assert said(last) == (4, 4, "a pass looks no further than the jobs ahead of it", None, [first])
