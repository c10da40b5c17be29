"""Follows docs/protocol.md with a bare socket: what it shows is what happens."""

from __future__ import annotations

import errno
import json
import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bourn.broker.message import Message
from bourn.broker.roles import Role
from tests.integration.broker.served import Served, served

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (Path(__file__).parents[3] / "docs" / "protocol.md").read_text()


class Client:
    """A client in the fewest lines."""

    def __init__(self, instance: Served) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(instance.path))

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, **message: Any) -> None:
        body = json.dumps(message).encode()
        self.socket.sendall(len(body).to_bytes(4, "big") + body)

    def receive(self) -> dict[str, Any]:
        length = int.from_bytes(self._exactly(4), "big")
        message: dict[str, Any] = json.loads(self._exactly(length))
        return message

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path) as broker:
        yield broker


@pytest.fixture
def client(instance: Served) -> Iterator[Client]:
    with Client(instance) as found:
        yield found


def examples() -> list[tuple[str, dict[str, Any]]]:
    """Return the page's messages in JSON as (direction, message)."""
    lines = re.findall(r"^    ([<>]) (\{.*\})$", PAGE, re.MULTILINE)
    return [(direction, json.loads(text.replace("{...}", "{}"))) for direction, text in lines]


def test_the_frame_shown_is_a_frame() -> None:
    found = re.search(r"^    ((?:[0-9a-f]{2} ){4})(\{.*\})$", PAGE, re.MULTILINE)
    assert found is not None
    assert int.from_bytes(bytes.fromhex(found[1]), "big") == len(found[2])


def test_every_key_of_a_message_is_described_with_its_default() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [\w ]+ \| ([^|]+) \|", PAGE, re.MULTILINE)
    described = {name: default.strip(" `") for name, default in rows}
    assert sorted(described) == sorted(Message.__struct_fields__)
    for name, default in zip(Message.__struct_fields__[1:], Message.__struct_defaults__, strict=True):
        assert json.loads(described[name]) == default


def test_the_requests_shown_get_the_responses_shown(client: Client) -> None:
    shown = [message for _, message in examples()]
    for request, response in [(shown[0], shown[1]), (shown[2], shown[3])]:
        client.send(**request)
        assert client.receive() == response


def test_a_stream_as_shown(client: Client) -> None:
    client.send(type="request", topic="log.dmesg", matchtag=3, flags=1)
    assert client.receive()["payload"]["entries"] is not None
    assert client.receive() == {
        "type": "response",
        "topic": "log.dmesg",
        "matchtag": 3,
        "errnum": errno.ENODATA,
        "errstr": "end of stream",
    }


def test_cancelling(client: Client) -> None:
    client.send(type="request", topic="log.dmesg", matchtag=3, flags=1, payload={"follow": True})
    assert "errnum" not in client.receive()
    client.send(type="control", topic="cancel", matchtag=3)
    client.send(type="control", topic="cancel", matchtag=77)
    assert client.receive()["errnum"] == errno.ENODATA


def test_no_response_and_unknown_keys(client: Client) -> None:
    client.send(type="request", topic="no.such", flags=2, future="key")
    client.send(type="request", topic="attr.get", matchtag=5, payload={"name": "size"}, future="key")
    assert client.receive()["matchtag"] == 5


def test_errors_of_the_table(client: Client) -> None:
    for errnum, topic, nodeid in [
        (errno.EHOSTUNREACH, "attr.get", 5),
        (errno.EHOSTUNREACH, "attr.get", -2),
        (errno.ENOSYS, "no.such", -1),
        (errno.EPROTO, "attr.get", -1),
        (errno.EPROTO, "log.dmesg", -1),
    ]:
        client.send(type="request", matchtag=1, topic=topic, nodeid=nodeid)
        assert client.receive()["errnum"] == errnum


def test_what_ends_a_connection(instance: Served) -> None:
    for message, errnum in [
        ({"type": "event"}, errno.EPROTO),
        ({"type": "request", "topic": "x.y"}, errno.EPROTO),
    ]:
        with Client(instance) as client:
            client.send(**message)
            last = client.receive()
            assert (last["type"], last["topic"], last["errnum"]) == ("control", "error", errnum)
            with pytest.raises(EOFError):
                client.receive()


def test_events(instance: Served, client: Client) -> None:
    client.send(type="request", topic="event.subscribe", matchtag=4, payload={"topic": "job-state"})
    assert client.receive() == {"type": "response", "topic": "event.subscribe", "matchtag": 4}
    with Client(instance) as other:
        for seq, topic in enumerate(["job-state.run", "other"], 1):
            other.send(
                type="request", topic="event.publish", matchtag=1, payload={"topic": topic, "payload": {}}
            )
            assert other.receive()["payload"] == {"seq": seq}
    event = client.receive()
    assert event == {
        "type": "event",
        "topic": "job-state.run",
        "seq": 1,
        "userid": instance.broker.owner,
        "rolemask": 5,
        "payload": {},
    }


def test_being_a_service(instance: Served, client: Client) -> None:
    client.send(type="request", topic="service.register", matchtag=1, payload={"service": "greeter"})
    assert client.receive() == {"type": "response", "topic": "service.register", "matchtag": 1}
    with Client(instance) as user:
        user.send(type="request", topic="greeter.hello", matchtag=1, payload={})
        request = client.receive()
        assert request == {
            "type": "request",
            "topic": "greeter.hello",
            "matchtag": request["matchtag"],
            "userid": instance.broker.owner,
            "rolemask": int(Role.OWNER | Role.LOCAL),
            "client": request["client"],
            "payload": {},
        }
        client.send(
            type="response", topic="greeter.hello", matchtag=request["matchtag"], payload={"text": "hello"}
        )
        assert user.receive()["payload"] == {"text": "hello"}

        user.send(type="request", topic="greeter.count", matchtag=2, flags=1)
        request = client.receive()
        assert request["flags"] == 1
        client.send(type="response", matchtag=request["matchtag"], payload=1)
        assert user.receive()["payload"] == 1
        user.send(type="control", topic="cancel", matchtag=2)
        assert client.receive() == {"type": "control", "topic": "cancel", "matchtag": request["matchtag"]}
        assert user.receive()["errnum"] == errno.ENODATA
    gone = client.receive()
    assert (gone["topic"], gone["payload"], gone["flags"]) == (
        "greeter.disconnect",
        {"client": request["client"]},
        2,
    )


def test_the_table_of_services_is_complete(client: Client) -> None:
    table = PAGE.partition("## Services that every broker has")[2]
    described = set(
        re.findall(r"`([a-z]+\.[a-z]+)`", "".join(re.findall(r"^\| `.*?\|", table, re.MULTILINE)))
    )
    client.send(type="request", topic="service.list", matchtag=1)
    services = client.receive()["payload"]["services"]
    common = {f"{name}.{method}" for name in services for method in ("ping", "stats")} - {"module.stats"}
    assert {
        f"{name}.{method}" for name, methods in services.items() for method in methods
    } - common == described
