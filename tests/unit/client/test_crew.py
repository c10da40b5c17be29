"""Which worker gets which calls."""

from __future__ import annotations

from bourn.client.crew import MOST, SUPPLY, Call, Crew, Worker
from bourn.client.futures import CallFuture


def crew(workers: int, calls: int) -> Crew[Worker]:
    found: Crew[Worker] = Crew()
    found.workers += [Worker() for _ in range(workers)]
    found.waiting.extend(Call(i, CallFuture(), "f", b"x") for i in range(calls))
    return found


def ids(found) -> list[list[int]]:
    return [[call.id for call in calls] for _, calls in found]


def test_a_new_worker_gets_one_call_first():
    assert ids(crew(2, 10).assign(0.0)) == [[0], [1]]


def test_small_calls_travel_together_and_are_shared_evenly():
    many = crew(2, 100)
    for worker in many.workers:
        worker.pace = 1e-5
    assert [len(share) for share in ids(many.assign(0.0))] == [50, 50]
    assert ids(many.assign(0.0)) == []


def test_long_calls_travel_singly():
    few = crew(2, 10)
    for worker in few.workers:
        worker.pace = 1.0
    assert ids(few.assign(0.0)) == [[0], [1]]
    assert ids(few.assign(0.0)) == []


def test_a_worker_never_gets_more_than_the_most():
    one = crew(1, 5000)
    one.workers[0].pace = 1e-9
    assert [len(share) for share in ids(one.assign(0.0))] == [MOST]


def test_bytes_bound_a_message_but_not_its_first_call():
    one = crew(1, 0)
    one.workers[0].pace = 1e-5
    one.waiting.extend(Call(i, CallFuture(), "f", bytes(3 << 20)) for i in range(5))
    assert ids(one.assign(0.0)) == [[0, 1]]


def test_cancelled_calls_drop_out():
    some = crew(1, 3)
    assert some.waiting[0].future.cancel()
    assert ids(some.assign(0.0)) == [[1]]
    assert [call.id for call in some.waiting] == [2]


def test_calls_behind_a_long_one_are_asked_back_once_and_go_first():
    one = crew(1, 4)
    worker = one.workers[0]
    worker.pace = 1e-4
    list(one.assign(0.0))
    assert one.crowded
    assert list(one.stuck(SUPPLY / 2)) == []
    assert list(one.stuck(SUPPLY * 2)) == [worker]
    assert list(one.stuck(SUPPLY * 3)) == []
    one.returned(worker, [1, 2, 3])
    assert [call.id for call in one.waiting] == [1, 2, 3]
    assert list(worker.calls) == [0]


def test_a_worker_that_goes_loses_only_the_call_that_it_ran():
    one = crew(1, 3)
    worker = one.workers[0]
    worker.pace = 1e-4
    list(one.assign(0.0))
    assert one.ended(worker, 0, 1e-4, 0.0) is not None
    lost = one.gone(worker)
    assert lost is not None
    assert lost.id == 1
    assert [call.id for call in one.waiting] == [2]
    assert one.workers == []


def test_a_call_given_again_is_not_begun_twice():
    one = crew(1, 1)
    worker = one.workers[0]
    [(_, [call])] = list(one.assign(0.0))
    one.returned(worker, [0])
    assert ids(one.assign(0.0)) == [[0]]
    assert call.future.running()


def test_it_is_idle_when_nothing_waits_and_nothing_runs():
    one = crew(1, 1)
    assert not one.idle
    list(one.assign(0.0))
    assert not one.idle
    one.ended(one.workers[0], 0, 0.1, 0.1)
    assert one.idle


def test_the_worker_that_has_been_idle_for_longest():
    some = crew(3, 1)
    for since, worker in enumerate(some.workers, 5):
        worker.since = since
    assert some.idle_since == 5
    list(some.assign(9.0))
    assert some.idle_since == 6
    some.workers.clear()
    assert some.idle_since is None
