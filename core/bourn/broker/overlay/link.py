"""Moves the bytes of a peer over a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from bourn.broker.framing import ProtocolError

if TYPE_CHECKING:
    from bourn.broker.overlay.peer import Peer

CHUNK = 1 << 18
"""Bytes handed to the stream at a time."""


async def run_link(peer: Peer, stream: trio.abc.Stream, early: bytes = b"") -> None:
    """Serve a neighbour until one side leaves; `early`: bytes that were read already. Never raises for that.

    `peer.reason` says why it ended.
    """
    work = trio.Event()
    scope = trio.CancelScope()

    def wake() -> None:
        work.set()

    async def write() -> None:
        nonlocal work
        out = peer.out
        while True:
            await work.wait()
            work = trio.Event()
            while out:
                data = bytes(out[:CHUNK])
                await stream.send_all(data)
                del out[: len(data)]
                peer.spoke = trio.current_time()
                peer.sent()

    async def read() -> None:
        if early:
            peer.receive(early)
        while not peer.closed:
            data = await stream.receive_some(CHUNK)
            if not data:
                return
            peer.heard = trio.current_time()
            peer.receive(data)
            while peer.jam is not None:
                jam, peer.jam = peer.jam, None
                await jam.drained()
                peer.heard = trio.current_time()

    reason = "the connection was closed"
    peer.attach(wake, scope.cancel)
    try:
        with scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(write)
                await read()
                nursery.cancel_scope.cancel()
    except* (trio.BrokenResourceError, trio.ClosedResourceError):
        reason = "the connection broke"
    except* ProtocolError as group:
        reason = str(group.exceptions[0])
    finally:
        peer.close(reason)
        with trio.CancelScope(shield=True):
            await trio.aclose_forcefully(stream)
