from __future__ import annotations

import trio
import trio.testing

from bourn.broker.turn import Turn


async def test_work_asked_for_often_in_a_turn_is_done_once_after_all_of_it() -> None:
    turn, log = Turn(), []

    def flush() -> None:
        log.append("flush")

    async def work(name: str) -> None:
        turn.soon(flush)
        log.append(name)
        turn.soon(flush)

    async with trio.open_nursery() as nursery:
        await nursery.start(turn.run)
        async with trio.open_nursery() as workers:
            for name in "abc":
                workers.start_soon(work, name)
        await trio.testing.wait_all_tasks_blocked()
        assert sorted(log[:3]) == ["a", "b", "c"]
        assert log[3:] == ["flush"]
        nursery.cancel_scope.cancel()


async def test_work_asked_for_during_work_follows_once_and_what_has_run_waits_for_the_next_turn() -> None:
    turn, log = Turn(), []

    def first() -> None:
        log.append("first")
        turn.soon(second)
        turn.soon(first) if len(log) < 3 else None

    def second() -> None:
        log.append("second")

    turn.soon(first)
    turn.flush()
    assert log == ["first", "second"]
    async with trio.open_nursery() as nursery:
        await nursery.start(turn.run)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert log == ["first", "second", "first", "second"]


def test_work_that_makes_ever_new_work_lets_the_loop_look_at_its_sockets() -> None:
    turn, log = Turn(), []

    def endless(number: int) -> None:
        log.append(number)
        turn.soon(lambda: endless(number + 1))

    turn.soon(lambda: endless(0))
    turn.flush()
    assert 0 < len(log) < 10
    before = len(log)
    turn.flush()
    assert log == list(range(2 * before))


async def test_a_callback_that_fails_does_not_stop_the_others() -> None:
    turn, log = Turn(), []

    def bad() -> None:
        raise ValueError("no")

    turn.soon(bad)
    turn.soon(lambda: log.append("good"))
    turn.flush()
    assert log == ["good"]
