"""The handle for trio programs, where the other side goes away."""

from __future__ import annotations

import trio
import trio.testing

from bourn.client.aio import Handle


async def test_a_broker_that_is_gone_when_the_block_ends_is_no_error() -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    async with Handle(stream=ours) as h:
        theirs.send_stream.close()
        theirs.receive_stream.close()
        h.post("last.words")


async def test_what_was_posted_last_is_sent_before_the_handle_closes() -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    async with Handle(stream=ours) as h:
        h.post("first")
        await trio.testing.wait_all_tasks_blocked()
        h.post("last")
    data = b""
    while more := await theirs.receive_some():
        data += more
    assert b"first" in data
    assert b"last" in data


async def test_a_caller_that_is_cancelled_while_the_handle_closes_is_just_cancelled() -> None:
    ours, theirs = trio.testing.lockstep_stream_pair()
    with trio.move_on_after(0.1) as limit:
        async with Handle(stream=ours) as h:
            h.post("nobody.reads.this")
    assert limit.cancelled_caught
    await theirs.aclose()
