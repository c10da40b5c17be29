"""Whatever is sent to whatever method: an answer or an error in words, and every module lives on."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

import trio

from bourn.broker.request import Request
from bourn.broker.roles import OWNER_HERE
from bourn.model.jobspec_build import from_command
from tests.integration.robust.whole_broker import whole_broker

if TYPE_CHECKING:
    from bourn.broker.services import Endpoint
    from bourn.testing.broker import MemoryBroker

HUGE = 10**30
WHOLE: list[Any] = [None, True, 0, -1, 3.5, HUGE, "", "x", [], [1, 2], [None], {}, {"": None}, {"x": 1}]
VALUES: list[Any] = [
    None, True, 0, -1, 1, 1.5, HUGE, -HUGE, 2**63, 2**64 - 1, "", "x", "é", "0-3", "all", "\0", "../..",
    [], [None], [1], [-1], [HUGE], ["x"], [[]], [{}], {}, {"a": 1}, {"a": {"b": [HUGE]}}, float("inf"),
]  # fmt: skip
PLAUSIBLE = {
    "id": 1, "name": "x", "topic": "x", "urgency": 16, "type": "cancel", "severity": 0, "note": "",
    "signum": 15, "updates": {}, "memo": {}, "targets": "0", "path": "eventlog", "keys": ["R"], "key": "a",
    "namespace": "primary", "filters": [], "attrs": [], "ranks": "0", "data": "x", "value": "1",
}  # fmt: skip
_KEY = re.compile(r'\.get\(\s*"([A-Za-z_-]+)"|payload\["([A-Za-z_-]+)"\]|"([a-z_]+)" in ')


class Asker:
    """Takes answers and waits for none."""

    def __init__(self) -> None:
        self.errors: list[str] = []

    def reply(self, request: Request, payload: object) -> None: ...

    def fail(self, request: Request, errnum: int, text: str) -> None:
        assert isinstance(errnum, int)
        self.errors.append(text)

    def keep(self, request: Request) -> None: ...

    def release(self, request: Request) -> None: ...

    async def drained(self) -> None: ...


def keys_of(endpoint: Endpoint) -> set[str]:
    """Return the keys that a method's module looks for in payloads."""
    source = inspect.getsource(inspect.getmodule(endpoint.function) or object)
    return {next(filter(None, found)) for found in _KEY.findall(source)}


async def ask(broker: MemoryBroker, endpoint: Endpoint, payload: object) -> list[str]:
    asker = Asker()
    request = Request(
        endpoint.topic,
        payload,
        asker,
        userid=broker.broker.owner,
        rolemask=OWNER_HERE,
        flags=endpoint.streaming,
    )
    broker.broker.send(request)
    for _ in range(6):
        await trio.lowlevel.checkpoint()
    request.cancel()
    return [f"{payload!r:.100}: {text}" for text in asker.errors if "failed in" in text]


def test_weird_payloads_to_every_method() -> None:
    async def main() -> None:
        async with whole_broker() as broker:
            spec = from_command(["true"])
            reply = await broker.rpc("job-ingest.submit", {"jobspecs": [spec], "jobs": [{"jobspec": 0}] * 3})
            good = {**PLAUSIBLE, "id": reply["ids"][0]}
            endpoints = dict(broker.broker.services.endpoints)
            del endpoints["broker.shutdown"]
            assert len(endpoints) > 100
            wrong: list[str] = []
            for endpoint in endpoints.values():
                for payload in WHOLE:
                    wrong += await ask(broker, endpoint, payload)
                if endpoint.topic.endswith((".ping", ".stats")):
                    continue
                for key in sorted(keys_of(endpoint)):
                    for value in VALUES:
                        wrong += await ask(broker, endpoint, {key: value})
                        wrong += await ask(broker, endpoint, {**good, key: value})
            assert not wrong, "\n".join(wrong[:20])
            assert {live.state for live in broker.broker.host.live.values()} == {"running"}

    trio.run(main)
