from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from bourn.broker.module import ANYONE, LATER, Module, ModuleSpec, Request, Role, method
from bourn.broker.session import Session
from bourn.client.aio import Handle
from bourn.errors import BournError, RPCError
from bourn.testing.broker import MemoryBroker, memory_broker

if TYPE_CHECKING:
    from bourn.client.service import ClientRequest


class Service(Module):
    """Notes who has gone and what was cancelled."""

    def __init__(self, ctx: Any) -> None:
        super().__init__(ctx)
        self.gone: list[str] = []
        self.cancelled: list[str] = []
        self.kept: list[Request] = []

    @method(allow=ANYONE)
    def who(self, request: Request) -> list[int]:
        return [request.userid, request.rolemask]

    @method()
    def mine(self, request: Request) -> str:
        return "secret"

    @method(streaming=True, allow=ANYONE)
    def watch(self, request: Request) -> Any:
        request.on_cancel = lambda: self.cancelled.append("watch")
        request.respond("first")
        self.kept.append(request)
        return LATER

    @method(streaming=True)
    async def tick(self, request: Request) -> None:
        try:
            while True:
                request.respond("tick")
                await trio.sleep(1)
        finally:
            self.cancelled.append("tick")

    @method()
    def big(self, request: Request) -> str:
        return "x" * int(request.payload["size"])

    @method()
    def bad(self, request: Request) -> object:
        return object()

    @method(streaming=True)
    async def flood(self, request: Request) -> None:
        for _ in range(100):
            request.respond("x" * 10_000)

    def disconnect(self, client: str) -> None:
        self.gone.append(client)


SPEC = ModuleSpec("s", Service)


def frame(text: str) -> bytes:
    return len(text).to_bytes(4, "big") + text.encode()


def service(broker: MemoryBroker) -> Service:
    found = broker.provider("s")
    assert isinstance(found, Service)
    return found


async def test_the_broker_stamps_who_a_client_is() -> None:
    async with memory_broker(SPEC) as broker, broker.client(1001, Role.USER | Role.LOCAL) as guest:
        assert await guest.rpc("s.who") == [1001, 6]
        ours, theirs = trio.testing.memory_stream_pair()
        broker.broker.connector.attach(ours, 1002, Role.USER)
        await theirs.send_all(
            frame(
                '{"type":"request","topic":"s.who","matchtag":1,"userid":0,"rolemask":1,"client":"client-0-1"}'
            )
        )
        assert b'"payload":[1002,2]' in bytes(await theirs.receive_some())


async def test_a_guest_calls_only_what_it_may() -> None:
    async with memory_broker(SPEC) as broker, broker.client(1001, Role.USER | Role.LOCAL) as guest:
        for topic, payload in [
            ("s.mine", None),
            ("attr.set", {"name": "x", "value": "y"}),
            ("event.publish", {"topic": "x"}),
            ("module.load", {"path": "/tmp/x.py"}),
            ("service.register", {"service": "x"}),
            ("broker.shutdown", None),
            ("config.reload", None),
            ("log.append", {"text": "x"}),
        ]:
            with pytest.raises(RPCError, match=f"{topic}: not allowed for user 1001") as caught:
                await guest.rpc(topic, payload)
            assert caught.value.errnum == errno.EPERM
        with pytest.raises(RPCError, match="not allowed"):
            async with guest.stream("log.dmesg") as entries:
                await anext(entries)


async def test_leaving_cancels_streams_and_tells_the_modules() -> None:
    async with (
        memory_broker(SPEC) as broker,
        broker.client() as client,
        client.stream("s.watch") as first,
        client.stream("s.tick") as second,
    ):
        assert [await anext(first), await anext(second)] == ["first", "tick"]
        name = next(iter(broker.broker.sessions))
        broker.broker.sessions[name]._transport.abort()
        await trio.testing.wait_all_tasks_blocked()
        assert sorted(service(broker).cancelled) == ["tick", "watch"]
        assert service(broker).gone == [name]
        service(broker).kept[0].respond("too late, and no harm done")
        assert not broker.broker.sessions
        with pytest.raises(BournError, match="the instance has ended"):
            await client.rpc("attr.list")


async def test_a_stream_is_cancelled_by_its_reader() -> None:
    async with memory_broker(SPEC) as broker, broker.client() as client:
        for topic in ("s.watch", "s.tick"):
            async with client.stream(topic) as stream:
                await anext(stream)
            await trio.testing.wait_all_tasks_blocked()
        assert service(broker).cancelled == ["watch", "tick"]
        assert not broker.broker.host.live["s"].pending
        assert await client.rpc("s.who"), "the connection is as good as ever"


async def test_streaming_needs_its_flag_and_only_there() -> None:
    async with memory_broker(SPEC) as broker, broker.client() as client:
        with pytest.raises(RPCError, match=r"s.watch needs the streaming flag") as caught:
            await client.rpc("s.watch")
        assert caught.value.errnum == errno.EPROTO
        with pytest.raises(RPCError, match=r"s.who doesn't take the streaming flag"):
            async with client.stream("s.who") as stream:
                await anext(stream)


async def test_responses_that_cannot_be_sent_are_errors() -> None:
    config = {"connector": {"max-frame": 2000}}
    async with memory_broker(SPEC, config=config) as broker, broker.client() as client:
        with pytest.raises(RPCError, match=r"s.bad: payload can't be sent as JSON") as caught:
            await client.rpc("s.bad")
        assert caught.value.errnum == errno.EPROTO
        with pytest.raises(RPCError, match=r"a response of .* bytes exceeds 2000") as caught:
            await client.rpc("s.big", {"size": 3000})
        assert caught.value.errnum == errno.EMSGSIZE
        assert len(await client.rpc("s.big", {"size": 1000})) == 1000


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x7f" * 100, "exceeds the limit"),
        (b"GET / HTTP/1.1\r\n", "exceeds the limit"),
        (frame("[]"), "must hold a JSON object"),
        (frame("{}"), "malformed message"),
        (frame('{"type":"event"}'), "a client can't send a message of type 'event'"),
        (frame('{"type":"control","topic":"boo"}'), "no control 'boo'"),
        (frame('{"type":"request","topic":"s.who"}'), "matchtag 0 isn't a free positive number"),
    ],
    ids=["garbage", "http", "array", "empty", "event", "control", "matchtag"],
)
async def test_a_client_that_breaks_the_protocol_is_told_why_and_closed(data: bytes, reason: str) -> None:
    async with memory_broker(SPEC) as broker:
        ours, theirs = trio.testing.memory_stream_pair()
        broker.broker.connector.attach(ours, 0, 1)
        await theirs.send_all(data)
        answer = b""
        while piece := await theirs.receive_some():
            answer += bytes(piece)
        assert b'"type":"control","topic":"error"' in answer
        assert reason in answer.decode()
        entries = broker.log
        assert sum(reason in text for text in entries) == 1
        assert (await broker.rpc("s.who"))[1] == 5
        assert not broker.broker.sessions


async def test_a_pending_matchtag_cannot_be_used_again() -> None:
    async with memory_broker(SPEC) as broker, broker.client() as client:
        client._send({"type": "request", "topic": "s.watch", "matchtag": 7, "flags": 1})
        client._send({"type": "request", "topic": "s.watch", "matchtag": 7, "flags": 1})
        with pytest.raises(BournError, match="matchtag 7 isn't a free"):
            await client.rpc("s.who")


async def test_half_a_message_harms_nobody() -> None:
    async with memory_broker(SPEC) as broker, broker.client() as other:
        ours, theirs = trio.testing.memory_stream_pair()
        broker.broker.connector.attach(ours, 0, 1)
        await theirs.send_all(b"\0\0\1\0" + b'{"type":')
        await trio.testing.wait_all_tasks_blocked()
        assert await other.rpc("s.who")
        await theirs.aclose()
        await trio.testing.wait_all_tasks_blocked()
        assert len(broker.broker.sessions) == 1


async def test_a_client_that_does_not_read_is_dropped_at_the_bound() -> None:
    async with memory_broker(SPEC, config={"connector": {"max-queue": 100_000}}) as broker:
        ours, theirs = trio.testing.memory_stream_pair()
        broker.broker.connector.attach(ours, 0, 1)
        await theirs.send_all(frame('{"type":"request","topic":"s.flood","matchtag":1,"flags":1}'))
        await trio.testing.wait_all_tasks_blocked()
        assert not broker.broker.sessions
        texts = broker.log
        assert sum("dropped: it is too slow" in text for text in texts) == 1


class Deaf:
    """The transport of a client that takes nothing."""

    def flush(self) -> None:
        pass

    def abort(self) -> None:
        pass


async def test_the_slowest_client_is_dropped_when_too_much_waits_for_all() -> None:
    async with memory_broker(SPEC) as broker, broker.client() as reader:
        sessions = broker.broker.sessions
        for name in ("a", "b", "c", "d"):
            sessions[name] = Session(broker.broker, name, 0, 1, Deaf(), max_queues=3_500_000)
        for _ in range(10):
            for name, size in (("a", 100_000), ("b", 150_000), ("c", 50_000), ("d", 90_000)):
                if name in sessions:
                    sessions[name].push(b"x" * size)
        assert set("acd") == {name for name in sessions if len(name) == 1}
        (dropped,) = [text for text in broker.log if "dropped" in text]
        assert dropped.startswith("b (user 0) dropped: ")
        assert "the slowest" in dropped
        assert await reader.rpc("s.who")


async def test_an_event_reaches_a_client_once_and_a_private_one_only_the_owner() -> None:
    async with (
        memory_broker(SPEC) as broker,
        broker.client() as owner,
        broker.client(1001, Role.USER) as guest,
        owner.subscribe("a") as mine,
        owner.subscribe("a.b"),
        guest.subscribe("") as theirs,
    ):
        assert await owner.event_publish("a.b", {"x": 1}) == 1
        assert await owner.event_publish("a.c", private=True) == 2
        assert await owner.event_publish("z") == 3
        assert [(await anext(mine)).seq for _ in range(2)] == [1, 2]
        assert [(await anext(theirs)).seq for _ in range(2)] == [1, 3]
        with pytest.raises(RPCError, match="not subscribed to 'q'"):
            await owner.rpc("event.unsubscribe", {"topic": "q"})


async def greet(request: ClientRequest) -> dict[str, Any]:
    if request.payload == "fail":
        raise BournError("I'd rather not", errno.EAGAIN)
    return {"hello": request.userid}


async def test_a_client_can_be_a_service() -> None:
    async with memory_broker() as broker, broker.client(1001, Role.USER) as guest:
        async with broker.client() as provider:
            await provider.service_register("greeter", {"greet": greet}, allow=ANYONE)
            assert await guest.rpc("greeter.greet") == {"hello": 1001}
            with pytest.raises(RPCError, match="I'd rather not"):
                await guest.rpc("greeter.greet", "fail")
            with pytest.raises(RPCError, match="has no method 'gret'; did you mean 'greet'"):
                await guest.rpc("greeter.gret")
            assert "greeter" in (await guest.rpc("service.list"))["services"]
            with pytest.raises(RPCError, match="service 'greeter' is there already"):
                await provider.service_register("greeter", {})
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(RPCError, match="no service 'greeter'"):
            await guest.rpc("greeter.greet")


async def test_a_clients_service_streams_and_is_cancelled() -> None:
    ended: list[str] = []

    async def count(request: ClientRequest) -> None:
        try:
            number = 0
            while True:
                request.respond(number)
                number += 1
                await trio.sleep(1)
        finally:
            ended.append("count")

    async with memory_broker() as broker, broker.client() as provider, broker.client() as user:
        await provider.service_register("c", {"count": count})
        async with user.stream("c.count") as numbers:
            assert [await anext(numbers) for _ in range(3)] == [0, 1, 2]
        await trio.testing.wait_all_tasks_blocked()
        assert ended == ["count"]


async def test_a_provider_that_dies_fails_what_it_was_asked() -> None:
    async def never(request: ClientRequest) -> None:
        await trio.sleep_forever()

    async with memory_broker() as broker, broker.client() as provider, broker.client() as user:
        await provider.service_register("p", {"never": never})

        async def kill() -> None:
            await trio.testing.wait_all_tasks_blocked()
            next(iter(broker.broker.sessions.values()))._transport.abort()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(kill)
            with pytest.raises(RPCError, match="the client that provided the service has gone") as caught:
                await user.rpc("p.never")
            assert caught.value.errnum == errno.ECONNRESET


async def test_a_handle_raises_what_its_block_raises() -> None:
    async with memory_broker() as broker:
        with pytest.raises(KeyError):
            async with broker.client():
                raise KeyError("as it was")


async def test_no_instance_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BOURN_URI", raising=False)
    with pytest.raises(BournError, match="BOURN_URI isn't set; `bourn start` raises one"):
        async with Handle():
            pass
    with pytest.raises(
        BournError, match="no Bourn instance at /no/such: it has ended, or BOURN_URI is stale"
    ):
        async with Handle("local:///no/such"):
            pass


async def test_mistakes_of_a_service_stay_its_own() -> None:
    class Clumsy(Module):
        @method(streaming=True)
        def hold(self, request: Request) -> Any:
            def fail() -> None:
                raise ValueError("on cancel")

            request.on_cancel = fail
            request.respond("held")
            return LATER

        @method()
        def quote(self, request: Request) -> None:
            raise BournError("no such file: \udcff")

        def disconnect(self, client: str) -> None:
            raise ValueError("on disconnect")

    async with memory_broker(ModuleSpec("c", Clumsy)) as broker:
        async with broker.client() as client:
            with pytest.raises(RPCError, match=r"no such file: \\udcff"):
                await client.rpc("c.quote")
            async with client.stream("c.hold") as stream:
                assert await anext(stream) == "held"
            await trio.testing.wait_all_tasks_blocked()
        await trio.testing.wait_all_tasks_blocked()
        assert any("on cancel" in text for text in broker.log)
        assert any("on disconnect" in text for text in broker.log)
        assert await broker.rpc("c.ping")


async def test_what_cannot_be_sent_to_a_clients_service_is_an_answer() -> None:
    async with memory_broker() as broker, broker.client() as provider:
        await provider.service_register("p", {})
        with pytest.raises(RPCError, match="payload can't be sent as JSON"):
            await broker.rpc("p.x", object())
