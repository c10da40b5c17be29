from __future__ import annotations

import json
import os
import random
import resource
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from bourn.broker.connector import peer_uid_of
from bourn.broker.module import Module, ModuleSpec, Request, method
from bourn.client.handle import Handle
from bourn.errors import BournError
from tests.integration.broker.served import Served, served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Big(Module):
    """Sends more than anyone asked for."""

    @method(streaming=True)
    async def flood(self, request: Request) -> None:
        for _ in range(200):
            request.respond("x" * 100_000)

    @method(streaming=True)
    async def polite(self, request: Request) -> None:
        for _ in range(200):
            request.respond("x" * 100_000)
            await request.drained()


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path, ModuleSpec("big", Big), config={"connector": {"max-queue": 4_000_000}}) as broker:
        yield broker


def connect(instance: Served) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(str(instance.path))
    return sock


def read_all(sock: socket.socket) -> bytes:
    data = b""
    try:
        while piece := sock.recv(1 << 20):
            data += piece
    except ConnectionResetError:
        pass
    return data


def serves(instance: Served) -> bool:
    with Handle(instance.uri) as h:
        return h.attr_get("size") == "1"


@pytest.mark.parametrize("seed", range(5))
def test_ten_megabytes_of_garbage(instance: Served, seed: int) -> None:
    garbage = random.Random(seed).randbytes(10_000_000)
    with connect(instance) as sock:
        try:
            sock.sendall(garbage)
            sock.shutdown(socket.SHUT_WR)
        except BrokenPipeError:
            pass
        answer = read_all(sock)
    assert answer == b"" or b'"topic":"error"' in answer
    assert serves(instance)
    assert len(instance.log) <= 2


def test_a_frame_announced_too_long_costs_nothing(instance: Served) -> None:
    with connect(instance) as sock:
        sock.sendall((1 << 30).to_bytes(4, "big"))
        answer = read_all(sock)
    assert json.loads(answer[4:])["errstr"] == "a frame of 1073741824 bytes exceeds the limit of 67108864"
    assert serves(instance)


def test_half_a_message_and_no_end(instance: Served) -> None:
    with connect(instance) as sock:
        sock.sendall(b"\0\0\1\0" + b'{"type":"request","top')
        assert serves(instance)
    assert serves(instance)


def test_a_message_byte_by_byte(instance: Served) -> None:
    body = b'{"type":"request","topic":"attr.get","matchtag":1,"payload":{"name":"size"}}'
    with connect(instance) as sock:
        for byte in len(body).to_bytes(4, "big") + body:
            sock.sendall(bytes([byte]))
        answer = sock.recv(4096)
    assert json.loads(answer[4:])["payload"] == {"value": "1", "fixed": True}


def test_a_client_killed_in_the_middle(instance: Served) -> None:
    script = (
        "import os, sys\nfrom bourn import Handle\nh = Handle(sys.argv[1])\n"
        "h.rpc('big.polite', streaming=True)\n"
        "h._connection.send(b'\\0\\0\\1\\0{\"type\"')\nos.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", script, instance.uri], check=False).returncode == -9
    assert serves(instance)


def test_a_client_that_does_not_read_is_dropped_with_one_line(instance: Served) -> None:
    with Handle(instance.uri) as slow:
        future = slow.rpc("big.flood", streaming=True)
        while not instance.log:
            assert serves(instance)
        assert len(instance.log) == 1
        assert "dropped: it is too slow" in instance.log[0]
        with pytest.raises(BournError, match="lost the connection"):
            list(future)


def test_a_considerate_service_waits_for_a_slow_client(instance: Served) -> None:
    with Handle(instance.uri) as slow:
        future = slow.rpc("big.polite", streaming=True)
        assert serves(instance)
        assert sum(len(piece) for piece in future) == 20_000_000
    assert not instance.log


def test_a_thousand_idle_clients(instance: Served) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2200
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"the system allows {hard} open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    clients = []
    try:
        clients = [connect(instance) for _ in range(1000)]
        assert serves(instance)
        assert instance.call(lambda: len(instance.broker.sessions)) >= 1000
    finally:
        for client in clients:
            client.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert serves(instance)


def test_another_user_is_refused_and_told_so(tmp_path: Path) -> None:
    with served(tmp_path, peer_uid=os.getuid() + 1) as instance:
        for _ in range(2):
            with pytest.raises(BournError, match=f"user {os.getuid() + 1} may not use this instance"):
                serves(instance)
        assert len(instance.log) == 2


def test_another_user_is_a_guest_where_guests_are_allowed(tmp_path: Path) -> None:
    config: dict[str, Any] = {"access": {"allow-guest-user": True}}
    with served(tmp_path, peer_uid=os.getuid() + 1, config=config) as instance, Handle(instance.uri) as h:
        assert h.rpc("broker.ping").get() == {"rank": 0, "userid": os.getuid() + 1, "rolemask": 6}
        with pytest.raises(BournError, match="not allowed for user"):
            h.attr_set("size", 2)
        assert instance.path.stat().st_mode & 0o777 == 0o666


def test_the_kernel_says_who_is_at_the_other_end() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert peer_uid_of(ours) == os.getuid()
