from __future__ import annotations

from typing import Any

import pytest

from bourn.config import Config
from bourn.errors import BournError, ConfigError
from bourn.hookspecs.ingest import SubmitInfo
from bourn.plugins import PluginManager
from bourn.testing import check_frobnicator, check_validator, submit_info
from bourn_plugins import (
    ingest_constraints,
    ingest_defaults,
    ingest_feasibility,
    ingest_require_instance,
    ingest_schema,
)
from bourn_plugins.ingest_constraints import constraints
from bourn_plugins.ingest_defaults import defaults
from bourn_plugins.ingest_feasibility import feasibility
from bourn_plugins.ingest_require_instance import require_instance
from bourn_plugins.ingest_schema import schema
from tests.unit.ingest.fakes import jobspec

QUEUES = {
    "policy": {"jobspec": {"defaults": {"system": {"duration": "1h", "queue": "batch", "bank": "b"}}}},
    "queues": {
        "batch": {},
        "debug": {"policy": {"jobspec": {"defaults": {"system": {"duration": 600}}}}},
        "gpu": {"requires": ["a100", "fast"]},
    },
}


def info(config: dict[str, Any] | None = None, reason: str | None = None) -> SubmitInfo:
    return SubmitInfo(1000, 1, 16, 0, Config(config or {}), lambda tree: reason)


def system(tree: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = tree["attributes"]["system"]
    return found


@pytest.mark.parametrize(
    ("given", "result"),
    [
        ({}, {"duration": 3600.0, "queue": "batch", "bank": "b"}),
        ({"queue": "debug"}, {"duration": 600.0, "queue": "debug", "bank": "b"}),
        ({"queue": "debug", "duration": 5}, {"duration": 5, "queue": "debug", "bank": "b"}),
        ({"bank": "mine"}, {"duration": 3600.0, "queue": "batch", "bank": "mine"}),
    ],
)
def test_defaults(given: dict[str, Any], result: dict[str, Any]) -> None:
    assert system(defaults(jobspec(**given), info(QUEUES))) == result


def test_defaults_without_a_policy_change_nothing() -> None:
    assert defaults(jobspec(), info()) == jobspec()


def test_a_queue_that_is_not_there_is_named() -> None:
    with pytest.raises(BournError, match="there is no queue 'debgu'; did you mean 'debug'"):
        defaults(jobspec(queue="debgu"), info(QUEUES))
    with pytest.raises(BournError, match="there is no queue 'x'; there are none"):
        defaults(jobspec(queue="x"), info())
    with pytest.raises(BournError, match="misses the key 'queue', and no queue is default; there are: a, b"):
        defaults(jobspec(), info({"queues": {"b": {}, "a": {}}}))


def test_a_wrong_policy_is_told() -> None:
    bad = {"policy": {"jobspec": {"defaults": {"system": {"duration": "soon"}}}}}
    with pytest.raises(ConfigError, match="default duration of jobs"):
        defaults(jobspec(), info(bad))
    with pytest.raises(ConfigError, match=r"\[policy.jobspec\] must be a table"):
        defaults(jobspec(), info({"policy": {"jobspec": 5}}))
    forever = {"policy": {"jobspec": {"defaults": {"system": {"duration": "inf"}}}}}
    assert system(defaults(jobspec(), info(forever)))["duration"] == 0.0


def test_constraints_of_the_queue_join_the_user_s() -> None:
    demand = {"properties": ["a100", "fast"]}
    assert system(constraints(jobspec(queue="gpu"), info(QUEUES)))["constraints"] == demand
    mine = {"ranks": ["0-3"]}
    joined = system(constraints(jobspec(queue="gpu", constraints=mine), info(QUEUES)))["constraints"]
    assert joined == {"and": [mine, demand]}
    again = jobspec(queue="gpu", constraints=demand)
    assert system(constraints(again, info(QUEUES)))["constraints"] == demand
    for untouched in (jobspec(), jobspec(queue="batch")):
        assert "constraints" not in system(constraints(untouched, info(QUEUES)))


def test_schema_and_feasibility() -> None:
    assert schema(jobspec(), info()) is None
    crowded = jobspec()
    crowded["tasks"][0]["count"] = {"total": 9}
    assert schema(crowded, info()) == (
        "tasks[0].count.total: 9 tasks are too many for 1 slot(s) of 1 core(s) each"
    )
    assert feasibility(jobspec(), info(reason="needs 3 nodes, the instance has 1")) == (
        "needs 3 nodes, the instance has 1"
    )


def sized(nodes: int | None, cores: int) -> dict[str, Any]:
    tree = jobspec()
    slot = tree["resources"][0]
    slot["with"][0]["count"] = cores
    if nodes:
        tree["resources"] = [{"type": "node", "count": nodes, "with": [slot]}]
    return tree


@pytest.mark.parametrize(
    ("table", "nodes", "cores", "refused"),
    [
        ({}, None, 1, "jobs must be instances of their own here"),
        ({"minnodes": 4}, 4, 1, "jobs of 4 nodes or more must be"),
        ({"minnodes": 4}, 3, 1, None),
        ({"minnodes": 4}, None, 64, "jobs of 64 cores or more must be"),
        ({"minnodes": 4}, None, 63, None),
        ({"mincores": 8}, 2, 4, "jobs of 8 cores or more must be"),
        ({"mincores": 8}, 50, 0, None),
    ],
)
def test_require_instance(table: dict[str, int], nodes: int | None, cores: int, refused: str | None) -> None:
    config = {"ingest": {"require-instance": table}}
    tree = sized(nodes, cores)
    reason = require_instance(tree, info(config))
    assert reason is None if refused is None else refused in (reason or "")
    for command in (["bourn", "start", "x"], ["/opt/bin/flux", "broker"], "bourn start x"):
        tree["tasks"][0]["command"] = command
        assert require_instance(tree, info(config)) is None


def test_a_batch_script_is_an_instance() -> None:
    assert require_instance(jobspec(files={"script": {}}), info()) is None


def test_the_stock_steps_keep_to_the_contract() -> None:
    queued = submit_info({**QUEUES, "ingest": {"require-instance": {"minnodes": 2}}})
    for module in (ingest_defaults, ingest_constraints):
        for frobnicator in module.bourn_frobnicators():
            check_frobnicator(frobnicator)
            check_frobnicator(frobnicator, info=queued)
    for module in (ingest_schema, ingest_feasibility, ingest_require_instance):
        for validator in module.bourn_validators():
            check_validator(validator, accepts=[jobspec()], info=queued)


def test_the_stock_steps_are_in_use_by_default_in_a_sensible_order() -> None:
    plugins = PluginManager()
    plugins.load(Config({}))
    frobnicators = plugins.named("bourn_frobnicators").values()
    validators = plugins.named("bourn_validators").values()
    assert [step.value.name for step in frobnicators if step.value.default][:2] == ["defaults", "constraints"]
    assert [step.value.name for step in validators if step.value.default][:2] == ["schema", "feasibility"]
    assert "require-instance" in {step.value.name for step in validators if not step.value.default}


def test_more_tasks_than_the_slots_can_hold() -> None:
    tree = jobspec()
    tree["resources"] = [
        {"type": "slot", "count": 2, "label": "task", "with": [{"type": "core", "count": 2}]}
    ]
    tree["tasks"][0].update(slot="task", count={"total": 4})
    assert schema(tree, info()) is None
    tree["tasks"][0]["count"] = {"total": 5}
    assert schema(tree, info()) == (
        "tasks[0].count.total: 5 tasks are too many for 2 slot(s) of 2 core(s) each"
    )
    # Nodes that are asked for may hold any number.
    tree["resources"] = [{"type": "node", "count": 1, "with": tree["resources"]}]
    assert schema(tree, info()) is None
