from __future__ import annotations

import errno
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import trio

import bourn
from bourn.broker.module import LATER, Module, ModuleSpec, Request, method
from bourn.client import aio
from bourn.client.handle import Handle
from bourn.client.service import LATER as CLIENT_LATER
from bourn.client.service import ClientRequest
from bourn.errors import BournError, RPCError
from tests.integration.broker.served import Served, served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Numbers(Module):
    """Counts, echoes, keeps."""

    held: Request | None = None

    @method()
    def echo(self, request: Request) -> Any:
        return request.payload

    @method(streaming=True)
    async def count(self, request: Request) -> None:
        for number in range(request.get("to", int)):
            request.respond(number)

    @method(streaming=True)
    async def fail(self, request: Request) -> None:
        request.respond("one")
        raise BournError("broken off", errno.EPIPE)

    @method()
    def hold(self, request: Request) -> Any:
        self.held = request
        return LATER

    @method()
    def release(self, request: Request) -> None:
        assert self.held is not None
        self.held.respond("released")


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path, ModuleSpec("n", Numbers)) as broker:
        yield broker


@pytest.fixture
def handle(instance: Served) -> Iterator[Handle]:
    with Handle(instance.uri) as h:
        yield h


def test_calls_return_payloads_and_raise_errors(handle: Handle) -> None:
    assert handle.rpc("n.echo", {"ü": [1, None, "\n"]}).get() == {"ü": [1, None, "\n"]}
    assert handle.rpc("n.echo").get() is None
    assert handle.attr_get("size") == "1"
    handle.attr_set("colour", "red")
    assert handle.attr_get("colour") == "red"
    with pytest.raises(RPCError, match="no service 'grops'; did you mean 'groups'") as caught:
        handle.rpc("grops.echo").get()
    assert (caught.value.errnum, caught.value.topic) == (errno.ENOSYS, "grops.echo")
    with pytest.raises(RPCError, match="no rank 3; the instance has rank 0 only"):
        handle.rpc("n.echo", nodeid=3).get()
    assert handle.rpc("n.echo", "anyone", noresponse=True).get() is None


def test_futures_may_be_asked_in_any_order(handle: Handle) -> None:
    futures = [handle.rpc("n.echo", number) for number in range(500)]
    assert [future.get() for future in reversed(futures)] == list(reversed(range(500)))
    assert futures[7].get() == 7, "and again"


def test_large_payloads_pass_both_ways(handle: Handle) -> None:
    text = "x" * 10_000_000
    assert handle.rpc("n.echo", text).get() == text


def test_a_stream_is_iterated_or_stepped_through(handle: Handle) -> None:
    assert list(handle.rpc("n.count", {"to": 1000}, streaming=True)) == list(range(1000))
    future = handle.rpc("n.count", {"to": 2}, streaming=True)
    assert [future.get(), future.get()] == [0, 0]
    future.reset()
    assert future.get() == 1
    future.reset()
    with pytest.raises(RPCError) as caught:
        future.get()
    assert caught.value.errnum == errno.ENODATA
    stream = iter(handle.rpc("n.fail", streaming=True))
    assert next(stream) == "one"
    with pytest.raises(RPCError, match="broken off"):
        next(stream)


def test_a_timeout_leaves_the_request_going(handle: Handle) -> None:
    future = handle.rpc("n.hold")
    with pytest.raises(TimeoutError, match=r"n\.hold"):
        future.get(timeout=0.01)
    handle.rpc("n.release").get()
    assert future.get() == "released"


def test_events_are_received_or_called_back(handle: Handle) -> None:
    handle.event_subscribe("a.")
    assert handle.event_publish("a.b", {"x": 1}) == 1
    assert handle.event_recv() == ("a.b", {"x": 1}, 1)
    with pytest.raises(TimeoutError):
        handle.event_recv(timeout=0.01)
    seen = []

    def stop(event: Any) -> None:
        seen.append(event.topic)
        handle.reactor_stop()

    handle.event_subscribe("node", stop)
    handle.event_publish("node_down", {"rank": 3})
    handle.reactor_run()
    assert seen == ["node_down"]
    handle.event_unsubscribe("a.")


def test_the_reactor_calls_back_and_ends_when_nothing_is_left(handle: Handle) -> None:
    seen: list[Any] = []

    def each(future: Any, label: str) -> None:
        try:
            seen.append((label, future.get()))
            future.reset()
        except RPCError as error:
            seen.append((label, error.errnum))

    handle.rpc("n.count", {"to": 3}, streaming=True).then(each, "stream")
    handle.rpc("n.echo", "x").then(lambda future: seen.append(future.get()))
    handle.reactor_run()
    assert [entry for entry in seen if entry != "x"] == [
        ("stream", 0),
        ("stream", 1),
        ("stream", 2),
        ("stream", errno.ENODATA),
    ]
    assert "x" in seen
    handle.rpc("n.hold").then(lambda future: None)
    with pytest.raises(TimeoutError, match="the reactor"):
        handle.reactor_run(timeout=0.01)


def test_many_threads_share_a_handle(handle: Handle) -> None:
    def work(number: int) -> int:
        return sum(int(handle.rpc("n.echo", number).get(timeout=30)) for _ in range(50))

    held = handle.rpc("n.hold")
    with ThreadPoolExecutor(8) as pool:
        waiting = pool.submit(held.get, 30)
        assert list(pool.map(work, range(20))) == [50 * number for number in range(20)]
        handle.rpc("n.release").get()
        assert waiting.result() == "released"


def test_a_process_can_be_a_service(instance: Served, handle: Handle) -> None:
    ready = threading.Event()
    kept: list[ClientRequest] = []

    def provide() -> None:
        with Handle(instance.uri) as provider:

            def quit_(request: ClientRequest) -> None:
                provider.reactor_stop()

            def later(request: ClientRequest) -> Any:
                kept.append(request)
                return CLIENT_LATER

            def free(request: ClientRequest) -> str:
                kept.pop().respond("at last")
                return "freed"

            provider.service_register(
                "pyservice",
                {
                    "size": lambda request: provider.rpc("attr.get", {"name": "size"}).get()["value"],
                    "later": later,
                    "free": free,
                    "quit": quit_,
                },
            )
            ready.set()
            provider.reactor_run()
            provider.service_unregister("pyservice")

    thread = threading.Thread(target=provide)
    thread.start()
    ready.wait()
    assert handle.rpc("pyservice.size").get() == "1"
    later = handle.rpc("pyservice.later")
    assert handle.rpc("pyservice.free").get() == "freed"
    assert later.get() == "at last"
    with pytest.raises(RPCError, match="has no method 'sizes'; did you mean 'size'"):
        handle.rpc("pyservice.sizes").get()
    handle.rpc("pyservice.quit").get()
    thread.join()
    with pytest.raises(RPCError, match="no service 'pyservice'"):
        handle.rpc("pyservice.size").get()


def test_no_instance_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BOURN_URI", raising=False)
    with pytest.raises(BournError, match="BOURN_URI isn't set; `bourn start` raises one"):
        Handle()
    monkeypatch.setenv("BOURN_URI", f"local://{tmp_path}/gone")
    with pytest.raises(BournError, match=r"no Bourn instance at .*/gone: .*BOURN_URI is stale"):
        Handle()
    with pytest.raises(BournError, match="'shh://x'"):
        Handle("shh://x")


def test_an_instance_that_ends_is_said(tmp_path: Path) -> None:
    with served(tmp_path, ModuleSpec("n", Numbers)) as instance:
        handle = Handle(str(tmp_path))
        held = handle.rpc("n.hold")
        handle.rpc("broker.shutdown").get()
        with pytest.raises(RPCError, match="module 'n' was removed"):
            held.get()
    with pytest.raises(BournError, match=r"lost the connection to .*: the instance has ended"):
        handle.rpc("n.echo").get()
    handle.close()
    assert not instance.path.exists() or instance.path.is_socket()


def test_what_is_not_text_is_refused_before_it_is_sent(handle: Handle) -> None:
    with pytest.raises(BournError, match="bytes that aren't UTF-8"):
        handle.rpc("n.echo", os.fsdecode(b"\xff"))
    assert handle.rpc("n.echo", 1).get() == 1


def test_a_closed_handle_says_so(instance: Served) -> None:
    handle = bourn.Handle(instance.uri)
    future = handle.rpc("n.hold")
    handle.close()
    with pytest.raises(BournError, match="the handle is closed"):
        future.get()
    with pytest.raises(BournError, match="the handle is closed"):
        handle.rpc("n.echo")


def test_the_asynchronous_twin_over_the_socket(instance: Served) -> None:
    async def use() -> list[int]:
        async with aio.Handle(instance.uri) as h, h.stream("n.count", {"to": 5}) as numbers:
            assert await h.attr_get("size") == "1"
            return [number async for number in numbers]

    assert trio.run(use) == [0, 1, 2, 3, 4]
