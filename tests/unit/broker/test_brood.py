"""Test instances of more brokers than this user may have."""

from __future__ import annotations

import errno
import gc
import os
import resource
from typing import TYPE_CHECKING

import pytest
import trio

from bourn.broker.brood import Brood
from bourn.broker.star import RootGone, meet_root
from bourn.errors import BournError

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


def never(member: object) -> int:
    raise AssertionError("no broker is to start")


def test_more_brokers_than_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (64, 64))
    monkeypatch.setattr(os, "fork", lambda: pytest.fail("it forks"))
    with pytest.raises(BournError, match=r"--test-size 11: .* 64 open files, which is enough for 10 brokers"):
        Brood(11, {}, 60).fork(never)


def test_more_brokers_than_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    pids = iter((1 << 30, (1 << 30) + 1))
    killed: list[int] = []

    def fork() -> int:
        for pid in pids:
            return pid
        raise OSError(errno.EAGAIN, "no more")

    monkeypatch.setattr(os, "fork", fork)
    monkeypatch.setattr(os, "kill", lambda pid, signum: killed.append(pid))
    brood = Brood(9, {}, 60)
    with pytest.raises(BournError, match="--test-size 9: only 3 brokers could be started: no more"):
        brood.fork(never)
    assert killed == [1 << 30, (1 << 30) + 1]
    assert not brood.pids


async def test_a_rank_knows_that_rank_0_has_gone() -> None:
    ours, theirs = trio.socket.socketpair()
    theirs.close()
    async with trio.SocketStream(ours) as stream:
        with pytest.raises(RootGone):
            await meet_root(stream, {"rank": 1}, [0], 60)
