"""A broker that dies right after any of its commits: whoever starts on what is durable then brings every job
that was acknowledged to its end, once."""

from __future__ import annotations

import json
import signal
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import trio

from bourn.model.jobspec_build import from_command
from tests.integration.robust.whole_broker import whole_broker
from tests.soak.eventlog import ONCE, faults

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bourn.testing.broker import MemoryBroker

LASTS = 60.0
CONFIG: dict[str, Any] = {
    "store": {"backend": "sqlite"},
    "job-manager": {
        "prolog": {"command": ["true"]},
        "epilog": {"command": ["true"]},
        "housekeeping": {"command": ["true"]},
    },
}
Acknowledged = dict[int, frozenset[str]]
"""The jobs by then, and which of their events have been told to somebody."""


def spec(duration: float = 0.01, status: int = 0, **extra: Any) -> dict[str, Any]:
    obj: dict[str, Any] = from_command(
        ["sleep" if duration == LASTS else "true"], environment={}, cwd="/", **extra
    )
    obj["attributes"]["system"]["exec"] = {"test": {"run_duration": duration, "wait_status": status}}
    return obj


class Life:
    """A broker that leaves a copy of its database at each commit, with what it has told by then."""

    def __init__(self, broker: MemoryBroker, folder: Path) -> None:
        self.broker = broker
        self.folder = folder
        self.told: list[Acknowledged] = []
        self.jobs: dict[int, set[str]] = {}
        store = broker.provider("store").store
        self._database = broker.broker.statedir / "bourn.sqlite"
        write = store.write

        def copying(batch: Any, done: Callable[[Any], None] | None = None) -> None:
            def copy(error: Any) -> None:
                self._copy()
                if done is not None:
                    done(error)

            write(batch, copy)

        store.write = copying

    def _copy(self) -> None:
        path = self.folder / str(len(self.told))
        path.mkdir()
        with (
            closing(sqlite3.connect(self._database)) as ours,
            closing(sqlite3.connect(path / "bourn.sqlite")) as theirs,
        ):
            ours.backup(theirs)
        self.told.append({id: frozenset(names) for id, names in self.jobs.items()})

    async def listen(self) -> None:
        async with self.broker.stream("job-manager.journal", {"full": True}) as journal:
            async for news in journal:
                for entry in news.get("events", ()):
                    self.jobs.setdefault(entry["id"], set()).add(entry["entry"]["name"])

    async def submit(self, *specs: dict[str, Any]) -> list[int]:
        body = {"jobspecs": list(specs), "jobs": [{"jobspec": number} for number in range(len(specs))]}
        ids: list[int] = (await self.broker.rpc("job-ingest.submit", body))["ids"]
        for id in ids:
            self.jobs.setdefault(id, set())
        return ids


async def work(life: Life) -> None:
    """Have jobs of all kinds at all stages at once."""
    broker = life.broker
    (first, lasting, _again) = await life.submit(
        spec(), spec(LASTS), spec(status=3 << 8, retries=1, retry_on=["exit"])
    )
    after = spec()
    after["attributes"]["system"]["dependencies"] = [{"scheme": "afterany", "value": str(first)}]
    (held,) = await life.submit(after)
    await life.submit(*[spec(num_tasks=4) for _ in range(2)])
    await until(lambda: "start" in life.jobs[lasting])
    await broker.rpc("job-manager.kill", {"id": lasting, "signum": signal.SIGCONT})
    await broker.rpc("job-manager.raise", {"id": lasting, "type": "cancel", "severity": 0})
    await until(lambda: "clean" in life.jobs[held])
    await broker.rpc("job-manager.drain")


async def until(condition: Callable[[], bool]) -> None:
    with trio.fail_after(60):
        while not condition():  # noqa: ASYNC110
            await trio.sleep(0.005)


async def end_all(broker: MemoryBroker) -> None:
    with trio.fail_after(60):
        for job in list(broker.provider("job-manager").engine.jobs.values()):
            if job.name == "sleep":
                await broker.rpc("job-manager.raise", {"id": job.id, "type": "cancel", "severity": 0})
        await broker.rpc("job-manager.drain")
        while (await broker.rpc("sched.resource-status"))["allocated"]:  # noqa: ASYNC110
            await trio.sleep(0.005)


async def check(broker: MemoryBroker, told: Acknowledged) -> None:
    for id, before in told.items():
        text = (await broker.rpc("job-info.lookup", {"id": id, "keys": ["eventlog"]}))["eventlog"]
        names = [json.loads(line)["name"] for line in text.splitlines()]
        assert before <= set(names), (id, before, names)
        if "retry" not in names:
            assert faults(text) == [], id
        assert names[-1] == "clean"
        assert all(names.count(name) <= 1 + names.count("retry") for name in ONCE), names


def test_whatever_commit_was_the_last_all_jobs_end_once(tmp_path: Path) -> None:
    async def main() -> None:
        copies = tmp_path / "copies"
        copies.mkdir()
        (tmp_path / "state").mkdir()
        async with whole_broker(CONFIG, tmp_path / "state") as broker, trio.open_nursery() as nursery:
            life = Life(broker, copies)
            nursery.start_soon(life.listen)
            await work(life)
            await end_all(broker)
            nursery.cancel_scope.cancel()
        assert len(life.told) > 20
        for number, told in enumerate(life.told):
            async with whole_broker(CONFIG, copies / str(number)) as broker:
                await end_all(broker)
                await check(broker, told)

    trio.run(main)
