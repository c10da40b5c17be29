"""job-ingest behind a broker's router, with a third party's validator found as an installed package."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import pytest

from bourn.broker.module import Module
from bourn.config import Config
from bourn.errors import RPCError
from bourn.hookspecs.modules import ModuleSpec
from bourn.plugins import PluginManager
from bourn.testing import fake_distribution, memory_broker
from bourn_plugins.job_ingest import bourn_modules
from tests.unit.ingest.fakes import JobManager, Store, jobspec, wrap

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bourn.errors import BournError
    from bourn.model.interned import IngestedJob

SOURCE = """
from bourn.hookspecs import hookimpl
from bourn.hookspecs.ingest import Validator

def check(jobspec, info):
    project = jobspec["attributes"]["system"]["project"]
    return None if project != "x" else "project x is closed"

@hookimpl
def bourn_validators():
    yield Validator("has-project", check, default=True)
"""


class FakeStore(Module):
    store = Store()


class FakeManager(Module):
    """Everything is durable at once."""

    manager = JobManager()

    def submit(
        self, jobs: list[IngestedJob], done: Callable[[BournError | None], None], arrays: object = ()
    ) -> None:
        self.manager.submit(jobs, done)
        self.manager.land()


SPECS = (ModuleSpec("store", FakeStore), ModuleSpec("job-manager", FakeManager), *bourn_modules())


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PluginManager:
    """What is installed, and a package `site` besides."""
    entry_points = {"bourn.plugins": {"site": "site_rules"}}
    fake_distribution(tmp_path, "site", "2.5", plugins=entry_points, modules={"site_rules": SOURCE})
    monkeypatch.syspath_prepend(str(tmp_path))
    manager = PluginManager()
    manager.load(Config({}))
    return manager


def request(**system: Any) -> dict[str, Any]:
    return {"jobspecs": [jobspec(**system)], "jobs": [{"jobspec": 0}]}


async def test_an_installed_validator_refuses_and_when_it_fails_is_named(plugins: PluginManager) -> None:
    async with memory_broker(*SPECS, plugins=plugins) as broker, broker.client() as client:
        with pytest.raises(RPCError, match=r"^project x is closed$") as refused:
            await client.rpc("job-ingest.submit", request(project="x"))
        assert refused.value.errnum == errno.EINVAL
        with pytest.raises(RPCError, match=r"plugin 'site' \(site 2.5\): validator 'has-project': KeyError"):
            await client.rpc("job-ingest.submit", request())
        answer = await client.rpc("job-ingest.submit", request(project="y"))
        assert len(answer["ids"]) == 1
        stats = await broker.rpc("job-ingest.stats")
        assert stats["validators"] == ["schema", "feasibility", "has-project"]
    (record,) = (r for r in plugins.records if r.name == "site")
    assert any("KeyError" in error for error in record.errors)


GARBAGE: list[Any] = [
    None,
    [],
    {"jobspecs": [None], "jobs": [{"jobspec": 0}]},
    {"jobspecs": [], "jobs": [0]},
    {"jobspecs": ["a.b.c"], "jobs": [{"jobspec": 0}]},
]


async def test_garbage_is_answered_with_an_error(plugins: PluginManager) -> None:
    async with memory_broker(*SPECS, plugins=plugins) as broker, broker.client() as client:
        for payload in GARBAGE:
            with pytest.raises(RPCError):
                await client.rpc("job-ingest.submit", payload)
        assert await client.rpc("job-ingest.submit", {"jobspecs": [], "jobs": []}) == {"ids": []}


async def test_a_jobspec_signed_by_somebody_else_is_refused(plugins: PluginManager) -> None:
    payload = {"jobspecs": [wrap(jobspec(), 12345)], "jobs": [{"jobspec": 0}]}
    async with memory_broker(*SPECS, plugins=plugins) as broker, broker.client() as client:
        with pytest.raises(RPCError, match="is refused: signed by user 12345") as refused:
            await client.rpc("job-ingest.submit", payload)
        assert refused.value.errnum == errno.EPERM
