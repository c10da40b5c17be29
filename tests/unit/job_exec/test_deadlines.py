"""One heap of things that are due."""

from functools import partial

import trio

from bourn_plugins.job_exec.deadlines import Deadlines


async def test_calls_are_made_in_order_of_time_and_cancelled_ones_not():
    async with trio.open_nursery() as nursery:
        deadlines, calls = Deadlines(), []
        nursery.start_soon(deadlines.run)
        await trio.sleep(1)
        deadlines.add(5, partial(calls.append, "late"))
        gone = deadlines.add(2, partial(calls.append, "cancelled"))
        deadlines.add(1, lambda: deadlines.add(1, partial(calls.append, "chained")))
        deadlines.add(0, partial(calls.append, "now"))
        deadlines.cancel(gone)
        deadlines.cancel(gone)
        deadlines.cancel(None)
        await trio.sleep(2.5)
        assert calls == ["now", "chained"]
        await trio.sleep(10)
        assert calls == ["now", "chained", "late"]
        nursery.cancel_scope.cancel()


async def test_many_cancelled_entries_are_dropped_before_their_time():
    deadlines = Deadlines()
    kept = [deadlines.add(1000 + n, print) for n in range(1000)]
    for due in kept[:900]:
        deadlines.cancel(due)
    assert len(deadlines._heap) < 300
