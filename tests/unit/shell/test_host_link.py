"""The shell host's end of the connection to its broker, on a loop that is turned by hand."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from bourn.shell.link import Link
from bourn.shell.loop import READ
from bourn.shell.wire import FromHost, ToHost, frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Hand:
    """A `Loop` that only notes who watches what."""

    def __init__(self) -> None:
        self.ready: dict[int, Callable[[int], None]] = {}

    def watch(self, fd: int, ready: Callable[[int], None], events: int = READ) -> None:
        self.ready[fd] = ready

    def change(self, fd: int, events: int) -> None:
        assert fd in self.ready

    def close(self, fd: int) -> None:
        del self.ready[fd]
        socket.close(fd)


class Side:
    """A link, what it took, and how often it has lost a broker."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.loop = Hand()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(4)
        self.taken: list[ToHost] = []
        self.lost = 0
        self.link = Link(
            self.loop,  # type: ignore[arg-type]
            self.listener,
            greeting=lambda: FromHost(jobs=[]),
            received=self.taken.append,
            lost=self._lose,
            found=lambda: None,
        )

    def _lose(self) -> None:
        self.lost += 1

    def broker(self) -> socket.socket:
        """Return the end of a broker that the link has accepted."""
        peer = socket.socket(socket.AF_UNIX)
        peer.connect(self.path)
        self.loop.ready[self.listener.fileno()](READ)
        return peer

    def turn(self) -> None:
        """Have the link read what there is."""
        for fd, ready in [*self.loop.ready.items()]:
            if fd != self.listener.fileno():
                ready(READ)


@pytest.fixture
def side(tmp_path: Path) -> Iterator[Side]:
    side = Side(str(tmp_path / "sock"))
    yield side
    while len(side.loop.ready) > 1:
        side.turn()  # the brokers have hung up
    side.listener.close()


def test_what_a_broker_sent_before_it_died_is_taken_though_it_can_t_be_told_anything(side: Side) -> None:
    with side.broker() as broker:
        broker.sendall(frame(ToHost(uri="local:///x")))
        side.turn()
        broker.sendall(frame(ToHost(kill=[(1, 10)])))
    side.link.report(FromHost(started=[(1, 0.0)]))  # finds nobody
    assert side.lost == 0
    side.turn()
    side.turn()
    assert [batch.kill for batch in side.taken] == [[], [(1, 10)]]
    assert side.lost == 1
    with side.broker() as broker:
        broker.sendall(frame(ToHost(uri="local:///x")))
        side.turn()
        assert b'"started"' in _all(broker)


def test_the_next_broker_takes_the_place_of_one_that_is_gone(side: Side) -> None:
    with side.broker() as broker:
        broker.sendall(frame(ToHost(uri="local:///x")) + frame(ToHost(kill=[(1, 10)])))
    with side.broker() as broker:
        assert [batch.kill for batch in side.taken] == [[], [(1, 10)]]
        broker.sendall(frame(ToHost(uri="local:///y")))
        side.turn()
        assert [batch.uri for batch in side.taken] == ["local:///x", "", "local:///y"]
        assert b'"jobs":[]' in _all(broker)


def _all(peer: socket.socket) -> bytes:
    peer.setblocking(False)
    data = b""
    try:
        while piece := peer.recv(1 << 16):
            data += piece
    except BlockingIOError:
        pass
    return data
