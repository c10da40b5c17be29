"""The client's side of PMI: talks with our own server of PMI-1, and with one of PMI-2 that stands here."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from bourn.config import Config
from bourn.errors import BournError
from bourn_plugins.boot_pmi import Launched, bourn_boot_methods
from bourn_plugins.boot_pmi.cards import get_card, pack, put_card, unpack
from bourn_plugins.boot_pmi.pmi1 import OtherVersion, Pmi1
from bourn_plugins.boot_pmi.pmi2 import Pmi2, message_of, parse
from bourn_plugins.boot_pmi.wire import PmiRefused
from bourn_shell_plugins.pmi.server import PmiServer

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from bourn_plugins.boot_pmi.wire import Wire

CARDS = st.dictionaries(st.text(max_size=8), st.text() | st.integers() | st.none(), max_size=5)


class Tasks:
    """The tasks of a job of one node, each talking to the same server."""

    def __init__(self, size: int) -> None:
        self.lines: dict[int, bytes] = {}
        self.aborted: list[tuple[int, int, str]] = []
        self.server = PmiServer(self, kvsname="k1", size=size, local=size, universe=size, preset={})

    def fence(self, entries: dict[bytes, bytes]) -> None:
        self.server.release(entries)

    def send(self, rank: int, line: bytes) -> None:
        self.lines[rank] = line

    def abort(self, rank: int, code: int, message: str) -> None:
        self.aborted.append((rank, code, message))

    def answer(self, rank: int, request: bytes) -> bytes:
        return self.server.request(rank, request.removesuffix(b"\n")) or self.lines.pop(rank, b"")


def hold(wire: Wire, talk: Generator[bytes, bytes, Any], answer: Callable[[bytes], bytes]) -> Any:
    """Go through a talk, each reply of which comes byte by byte."""
    buffer = bytearray()
    try:
        request = next(talk)
        while True:
            for byte in answer(request):
                assert wire.take(buffer) is None
                buffer.append(byte)
            reply = wire.take(buffer)
            assert reply is not None, request
            assert not buffer
            request = talk.send(reply)
    except StopIteration as end:
        return end.value


def test_pmi1_against_our_server() -> None:
    tasks, wire = Tasks(1), Pmi1()

    def ask(talk: Generator[bytes, bytes, Any]) -> Any:
        return hold(wire, talk, lambda request: tasks.answer(0, request))

    ask(wire.init())
    assert (wire.jobid, wire.value_max) == ("k1", 1024)
    card = {"rank": 0, "cert": os.urandom(900).hex()}
    ask(put_card(wire, 0, card))
    ask(wire.fence())
    assert ask(get_card(wire, 0)) == card
    with pytest.raises(PmiRefused, match="no key nothing: key_nothing_not_found"):
        ask(wire.get("nothing"))
    ask(wire.finalize())
    assert tasks.server.request(0, wire.abort("no\nway ").removesuffix(b"\n")) == b""
    assert tasks.aborted == [(0, 1, "no way")]


@given(CARDS, st.integers(2, 60))
def test_cards_survive_any_bound(card: dict[str, Any], bound: int) -> None:
    values = pack(card, bound)
    assert all(len(value) <= bound for value in values)
    assert all(value.endswith("+") for value in values[:-1])
    assert unpack(values) == card


@pytest.mark.parametrize("values", [["rubbish"], [""], ["x+", "="]])
def test_what_is_no_card(values: list[str]) -> None:
    with pytest.raises(BournError, match="not a broker's card"):
        unpack(values)


@given(st.dictionaries(st.sampled_from(["key", "value", "jobid"]), st.text(st.characters(codec="ascii"))))
def test_pmi2_messages(words: dict[str, str]) -> None:
    message = message_of("name", words)
    assert int(message[:6]) == len(message) - 6
    assert parse(message[6:]) == {"cmd": "name", **words}


def pmi2_server(store: dict[str, str]) -> Callable[[bytes], bytes]:
    def answer(request: bytes) -> bytes:
        if request.startswith(b"cmd=init "):
            return b"cmd=response_to_init pmi_version=2 pmi_subversion=0 rc=0\n"
        words = parse(request[6:])
        name = words.pop("cmd")
        reply = {"rc": "0"}
        if name == "kvs-put":
            store[words["key"]] = words["value"]
        elif name == "kvs-get":
            found = words["key"] in store
            reply |= {"found": str(found).upper(), "value": store.get(words["key"], "")}
        elif name == "unknown":
            reply = {"rc": "1", "errmsg": "no;such"}
        return message_of(f"{name}-response", reply)

    return answer


def test_pmi2() -> None:
    wire = Pmi2(3, "7.0")
    server = pmi2_server({})
    hold(wire, wire.init(), server)
    hold(wire, put_card(wire, 3, {"a": "b" * 5000}), server)
    hold(wire, wire.fence(), server)
    assert hold(wire, get_card(wire, 3), server) == {"a": "b" * 5000}
    with pytest.raises(PmiRefused, match="has no key x"):
        hold(wire, wire.get("x"), server)
    with pytest.raises(PmiRefused, match="refuses unknown: no;such"):
        hold(wire, wire._ask("unknown", {}), server)
    hold(wire, wire.finalize(), server)
    assert parse(wire.abort("a; b")[6:]) == {"cmd": "abort", "isworld": "TRUE", "msg": "a; b"}
    with pytest.raises(PmiRefused, match="where a message's length belongs"):
        wire.take(bytearray(b"cmd=init"))


@pytest.mark.parametrize("wire", [Pmi1(), Pmi2(0, "")])
def test_versions_that_differ(wire: Wire) -> None:
    with pytest.raises(OtherVersion, match="speaks PMI 9, not"):
        hold(wire, wire.init(), lambda _: b"cmd=response_to_init pmi_version=9 rc=0\n")
    with pytest.raises(PmiRefused, match="answers 'what' to init"):
        hold(wire, wire.init(), lambda _: b"what\n")


@pytest.mark.parametrize(
    ("environ", "reason"),
    [
        ({"PMI_RANK": "x"}, "PMI_RANK=x: must be a number"),
        ({"PMI_RANK": "2"}, "PMI_RANK=2: must be below PMI_SIZE=2"),
        ({"PMI_FD": "-1"}, "PMI_FD=-1: must be a number"),
    ],
)
def test_a_bad_environment(environ: dict[str, str], reason: str) -> None:
    (method,) = bourn_boot_methods()
    full = {"PMI_FD": "3", "PMI_RANK": "0", "PMI_SIZE": "2", **environ}
    assert method.detect(full, Config())
    assert not method.detect({}, Config())
    with pytest.raises(BournError, match=reason):
        method.open(full, Config())


async def test_a_descriptor_that_is_none() -> None:
    read, write = os.pipe()
    try:
        with pytest.raises(BournError, match=f"PMI_FD={read} is no connection to a process manager"):
            await Launched(0, 2, read, "", 60).exchange({}, [])
    finally:
        os.close(read)
        os.close(write)


async def test_a_process_manager_that_hangs_up() -> None:
    ours, theirs = socket.socketpair()
    session = Launched(0, 2, ours.detach(), "", 60)
    with theirs:
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(BournError, match="the process manager has hung up") as caught:
            await session.exchange({}, [])
        await session.close(caught.value)
        assert b"cmd=abort" in theirs.recv(1000)


async def test_two_brokers_exchange_their_cards() -> None:
    tasks = Tasks(2)
    pairs = [socket.socketpair() for _ in range(2)]
    found: dict[int, Any] = {}
    replies = {rank: trio.open_memory_channel[bytes](10) for rank in range(2)}

    async def hear(rank: int, stream: trio.SocketStream) -> None:
        async for data in stream:
            for line in data.splitlines():
                replies[rank][0].send_nowait(tasks.server.request(rank, line))
            for waiting in list(tasks.lines):
                replies[waiting][0].send_nowait(tasks.lines.pop(waiting))
        replies[rank][0].close()

    async def say(rank: int, stream: trio.SocketStream) -> None:
        async with stream:
            async for data in replies[rank][1]:
                await stream.send_all(data)

    async def broker(rank: int) -> None:
        session = Launched(rank, 2, pairs[rank][0].detach(), "", 60)
        found[rank] = await session.exchange({"rank": rank}, [1 - rank])
        assert session.attributes["instance-id"] == "k1"
        await session.close()

    async with trio.open_nursery() as nursery:
        for rank, (_, theirs) in enumerate(pairs):
            stream = trio.SocketStream(_trio(theirs))
            nursery.start_soon(hear, rank, stream)
            nursery.start_soon(say, rank, stream)
            nursery.start_soon(broker, rank)
    assert found == {0: {1: {"rank": 1}}, 1: {0: {"rank": 0}}}
    assert not tasks.server.joined


async def test_who_does_not_come_is_named() -> None:
    tasks = Tasks(3)
    ours, theirs = socket.socketpair()
    session = Launched(1, 3, ours.detach(), "", 60)

    async def serve(stream: trio.SocketStream) -> None:
        tasks.answer(0, b"cmd=put kvsname=k1 key=bourn.0.0 value=" + pack({}, 100)[0].encode())
        async for data in stream:
            for line in data.splitlines():
                reply = tasks.answer(1, line)
                if reply:
                    await stream.send_all(reply)

    async with trio.SocketStream(_trio(theirs)) as stream, trio.open_nursery() as nursery:
        nursery.start_soon(serve, stream)
        with pytest.raises(BournError, match=r"rank 2 hasn't come within 60 s \(PMI; \[boot"):
            await session.exchange({"rank": 1}, [0])
        await session.close()
        nursery.cancel_scope.cancel()


def _trio(sock: socket.socket) -> trio.socket.SocketType:
    sock.setblocking(False)
    return trio.socket.from_stdlib_socket(sock)
