from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

import trio

from tests.integration.job_manager.served import instance, submit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from bourn.testing.broker import MemoryBroker


def real_time(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run a test on a clock that processes keep to."""

    @functools.wraps(test)
    def run(**fixtures: Any) -> None:
        trio.run(functools.partial(test, **fixtures))

    return run


def script(text: str, **keys: Any) -> dict[str, Any]:
    return {"command": ["sh", "-c", text], **keys}


async def log_of(broker: MemoryBroker, id: int) -> list[dict[str, Any]]:
    await broker.rpc("job-manager.drain")
    found = await broker.rpc("job-info.lookup", {"id": id, "keys": ["eventlog"]})
    return [json.loads(line) for line in found["eventlog"].split("\n")[:-1]]


def names(log: list[dict[str, Any]]) -> str:
    return " ".join(entry["name"] for entry in log)


@real_time
async def test_prolog_and_epilog_run_around_a_job(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    line = f'echo "$0 $BOURN_JOB_ID $BOURN_JOB_USERID $BOURN_JOB_RANKS" >> {trace}'
    table = {kind: {"command": ["sh", "-c", line, kind]} for kind in ("prolog", "epilog")}
    async with instance({"job-manager": table}) as broker:
        (id,) = await submit(broker)
        log = await log_of(broker, id)
        assert names(log) == (
            "submit validate depend priority alloc prolog-start prolog-finish start finish epilog-start "
            "release epilog-finish free clean"
        )
        userid = broker.broker.owner
    kinds = [text.split() for text in trace.read_text().splitlines()]
    assert [(kind[0], kind[2:]) for kind in kinds] == [
        ("prolog", [str(userid), "0"]),
        ("epilog", [str(userid), "0"]),
    ]


@real_time
async def test_a_prolog_that_fails_ends_the_job_and_drains_its_nodes() -> None:
    async with instance({"job-manager": {"prolog": script("exit 3")}}) as broker:
        (id,) = await submit(broker)
        log = await log_of(broker, id)
        assert names(log).endswith("alloc prolog-start exception prolog-finish free clean")
        (exception,) = [entry["context"] for entry in log if entry["name"] == "exception"]
        assert (exception["type"], exception["note"]) == ("prolog", "prolog failed with status 3")
        status = await broker.rpc("resource.status")
        assert "prolog failed with status 3" in json.dumps(status)


@real_time
async def test_a_prolog_that_is_not_there_is_named() -> None:
    table = {"prolog": {"command": ["/no/such/prolog"]}}
    async with instance({"job-manager": table}) as broker:
        (id,) = await submit(broker)
        log = await log_of(broker, id)
        (exception,) = [entry["context"] for entry in log if entry["name"] == "exception"]
        assert exception["note"] == "prolog: /no/such/prolog: No such file or directory"


@real_time
async def test_a_cancelled_job_ends_its_prolog() -> None:
    async with instance({"job-manager": {"prolog": script("exec sleep 1000", timeout="inf")}}) as broker:
        (id,) = await submit(broker)
        async with broker.stream("job-info.eventlog-watch", {"id": id}) as replies:
            async for reply in replies:
                if "prolog-start" in reply["event"]:
                    break
        await broker.rpc("job-manager.raise", {"id": id})
        log = await log_of(broker, id)
        assert names(log).endswith("prolog-start exception prolog-finish free clean")


@real_time
async def test_a_prolog_that_takes_too_long_is_ended() -> None:
    table = {"prolog": script("exec sleep 1000", timeout=0.01)}
    async with instance({"job-manager": table}) as broker:
        (id,) = await submit(broker)
        log = await log_of(broker, id)
        (exception,) = [entry["context"] for entry in log if entry["name"] == "exception"]
        assert exception["note"] == "prolog took longer than 0.01 s"


async def test_changes_of_state_are_published() -> None:
    async with instance() as broker, broker.client() as handle, handle.subscribe("job-state") as events:
        (id,) = await submit(broker)
        seen: list[str] = []
        while "INACTIVE" not in seen:
            event = await anext(events)
            seen += [state for job, state, _ in event.payload["transitions"] if job == id]
        assert seen == ["DEPEND", "PRIORITY", "SCHED", "RUN", "CLEANUP", "INACTIVE"]


async def test_a_job_must_fit_into_the_instances_life(monkeypatch: Any) -> None:
    import pytest

    from bourn.errors import RPCError
    from bourn_plugins.resource.module import Resource
    from tests.integration.job_manager.served import jobspec

    async with instance() as broker:
        manager = broker.provider("job-manager")
        monkeypatch.setattr(Resource, "expiration", property(lambda self: manager.clock() + 100.0))
        with pytest.raises(RPCError, match="exceeds what the instance has left"):
            await submit(broker, spec=jobspec(duration=3600.0))
        await submit(broker, spec=jobspec(duration=10.0))
