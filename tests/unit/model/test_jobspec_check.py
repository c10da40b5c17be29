from __future__ import annotations

import copy
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bourn.errors import JobspecError
from bourn.model.jobspec_check import check_jobspec, check_v1
from tests.unit.model.jobspecs import core, jobspec, node, slot

GPU = {"type": "gpu", "count": 1}


def refusal(obj: object) -> tuple[str, str]:
    with pytest.raises(JobspecError) as caught:
        check_jobspec(obj)
    assert caught.value.message == f"{caught.value.path}: {caught.value.reason}".removeprefix(": ")
    return caught.value.path, caught.value.reason


def changed(path: str, value: object, obj: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a jobspec with the value at a dotted path replaced; `...` deletes it."""
    obj = copy.deepcopy(obj or jobspec(node(1, slot(1, core(2), GPU))))
    *parents, last = path.split(".")
    here: Any = obj
    for part in parents:
        here = here[int(part) if part.isdigit() else part]
    if value is ...:
        del here[last]
    elif isinstance(here, list):
        here[int(last)] = value
    else:
        here[last] = value
    return obj


@pytest.mark.parametrize(
    "obj",
    [
        jobspec(),
        jobspec(node(2, slot(3, core(4), GPU))),
        jobspec(slot({"min": 1, "max": 8, "operator": "*", "operand": 2}, node("4,9", exclusive=False))),
        jobspec(slot("2+"), {"type": "storage", "count": 4, "unit": "TB", "id": "x"}),
        jobspec(count={"total": 5}),
        jobspec(count={"per_resource": {"type": "core", "count": 2}}),
        changed("tasks.0.command", "app -x"),
        changed("attributes", None),
        changed("attributes.user", {"anything": [1, {}]}),
        changed("attributes.system.whatever", 5),
        changed("version", 9999),
        jobspec(
            system={
                "environment": {"A": "x", "B": None},
                "dependencies": [
                    {"scheme": "afterok", "value": "1"},
                    {"scheme": "string", "value": "a", "type": "in"},
                ],
                "constraints": {"and": [{"ranks": ["0"]}]},
                "job": {"name": "n"},
                "shell": {"options": {"x": {"y": 1}}},
                "files": {"script": {"mode": 33216, "data": "#!"}},
                "queue": "q",
                "preemptible-after": 1.5,
            }
        ),
    ],
)
def test_what_is_right(obj: dict[str, Any]) -> None:
    before = copy.deepcopy(obj)
    check_jobspec(obj)
    assert obj == before


@pytest.mark.parametrize(
    ("path", "value", "where", "reason"),
    [
        ("resources", ..., "", "misses the key 'resources'"),
        ("taks", [], "", "unknown key 'taks'; did you mean 'tasks'?"),
        ("version", 0, "version", "must be an integer from 1"),
        ("version", True, "version", "must be an integer from 1"),
        ("resources", [], "resources", "must be a list of at least one resource, not an empty list"),
        ("resources.0", "node", "resources[0]", "a resource must be a dictionary"),
        ("resources.0.type", ..., "resources[0]", "misses the key 'type'"),
        ("resources.0.type", "", "resources[0].type", "must be a non-empty string"),
        ("resources.0.cuont", 1, "resources[0]", "unknown key 'cuont'; did you mean 'count'?"),
        ("resources.0.with.0.with.1.count", 0, "resources[0].with[0].with[1].count", "0 is less than 1"),
        (
            "resources.0.with.0.with.1.count",
            "3-1",
            "resources[0].with[0].with[1].count",
            "max 1 is less than min 3",
        ),
        ("resources.0.with.0.with.0.unit", 5, "resources[0].with[0].with[0].unit", "must be a string"),
        ("resources.0.exclusive", "yes", "resources[0].exclusive", "must be true or false"),
        ("resources.0.with", {}, "resources[0].with", "must be a list of resources"),
        (
            "resources.0.with.0.label",
            ...,
            "resources[0].with[0]",
            "misses the key 'label', which a slot must have",
        ),
        ("resources.0.with.0.with", [], "resources[0].with[0]", "misses the key 'with'"),
        ("resources.0.label", "task", "resources[0].with[0].label", "'task' is taken already"),
        ("tasks", [], "tasks", "must be a list of at least one task"),
        ("tasks.0", None, "tasks[0]", "a task must be a dictionary"),
        ("tasks.0.command", ..., "tasks[0]", "misses the key 'command'"),
        ("tasks.0.command", [], "tasks[0].command", "must be a non-empty list of strings"),
        ("tasks.0.command", ["a", 5], "tasks[0].command[1]", "must be a string, not 5"),
        ("tasks.0.command", ["a\0"], "tasks[0].command[0]", "null byte"),
        ("tasks.0.slot", ..., "tasks[0]", "misses the key 'slot'"),
        ("tasks.0.slot", 1, "tasks[0].slot", "must be a string"),
        ("tasks.0.slot", "tusk", "tasks[0].slot", "'tusk' is the label of no slot; did you mean 'task'?"),
        ("tasks.0.count", ..., "tasks[0]", "misses the key 'count'"),
        ("tasks.0.count", {}, "tasks[0].count", "must be a dictionary with exactly one of"),
        (
            "tasks.0.count",
            {"perslot": 1},
            "tasks[0].count",
            "unknown key 'perslot'; did you mean 'per_slot'?",
        ),
        ("tasks.0.count", {"total": 0}, "tasks[0].count.total", "must be an integer from 1"),
        (
            "tasks.0.count",
            {"per_resource": 1},
            "tasks[0].count.per_resource",
            "must be a dictionary with type",
        ),
        (
            "tasks.0.count",
            {"per_resource": {"type": "core", "count": 0}},
            "tasks[0].count.per_resource.count",
            "must be an integer",
        ),
        ("tasks.0.atributes", {}, "tasks[0]", "unknown key 'atributes'; did you mean 'attributes'?"),
        (
            "tasks.0.attributes",
            {"environment": {"A": 1}},
            "tasks[0].attributes.environment.A",
            "must be a string",
        ),
        ("tasks.0.distribution", 1, "tasks[0].distribution", "must be a string"),
        ("attributes", 5, "attributes", "must be a dictionary with system and user"),
        ("attributes.sytem", {}, "attributes", "unknown key 'sytem'; did you mean 'system'?"),
        ("attributes.system", None, "attributes.system", "must be a dictionary, not null"),
        ("attributes.user", 1, "attributes.user", "must be a dictionary"),
        (
            "attributes.system.duration",
            -1,
            "attributes.system.duration",
            "must be a number of seconds from 0",
        ),
        ("attributes.system.duration", "1h", "attributes.system.duration", "must be a number of seconds"),
        (
            "attributes.system.duration",
            float("nan"),
            "attributes.system.duration",
            "must be a number of seconds",
        ),
        ("attributes.system.cwd", "", "attributes.system.cwd", "must be a non-empty string"),
        ("attributes.system.environment", [], "attributes.system.environment", "must be a dictionary"),
        (
            "attributes.system.environment",
            {"A": 1},
            "attributes.system.environment.A",
            "must be a string, or null",
        ),
        ("attributes.system.environment", {"A=B": "1"}, "attributes.system.environment.A=B", "has no '='"),
        ("attributes.system.environment", {"A": "\0"}, "attributes.system.environment.A", "null byte"),
        ("attributes.system.job", {"name": 1}, "attributes.system.job.name", "must be a string"),
        ("attributes.system.job", 1, "attributes.system.job", "must be a dictionary"),
        ("attributes.system.shell", 1, "attributes.system.shell", "must be a dictionary"),
        (
            "attributes.system.shell",
            {"options": 1},
            "attributes.system.shell.options",
            "must be a dictionary",
        ),
        ("attributes.system.files", 1, "attributes.system.files", "must be a dictionary of files"),
        ("attributes.system.files", {"a": 1}, "attributes.system.files.a", "must be a dictionary with mode"),
        ("attributes.system.dependencies", {}, "attributes.system.dependencies", "must be a list"),
        ("attributes.system.dependencies", [1], "attributes.system.dependencies[0]", "must be a dictionary"),
        ("attributes.system.dependencies", [{"scheme": "a"}], "attributes.system.dependencies[0]", "'value'"),
        (
            "attributes.system.dependencies",
            [{"scheme": "a", "value": 1}],
            "attributes.system.dependencies[0].value",
            "must be a string",
        ),
        (
            "attributes.system.dependencies",
            [{"scheme": "a", "value": "b", "type": "on"}],
            "attributes.system.dependencies[0].type",
            "must be in, out or inout",
        ),
        (
            "attributes.system.dependencies",
            [{"scheme": "a", "value": "b", "scope": "all"}],
            "attributes.system.dependencies[0].scope",
            "must be user or global",
        ),
        (
            "attributes.system.constraints",
            {"or": [{"prop": []}]},
            "attributes.system.constraints.or[0]",
            "unknown operator 'prop'",
        ),
    ],
)
def test_what_is_wrong_is_said_with_the_path(path: str, value: object, where: str, reason: str) -> None:
    at, why = refusal(changed(path, value))
    assert at == where
    assert reason in why


def test_what_is_no_dictionary_at_all() -> None:
    assert refusal(None)[1].startswith("a jobspec must be a dictionary")
    assert "'xxxx" in refusal("x" * 100)[1]


def test_a_bottomless_tree_is_refused() -> None:
    deep: dict[str, Any] = core()
    for _ in range(100):
        deep = {"type": "rack", "count": 1, "with": [deep]}
    assert "nested more than" in refusal(jobspec(deep))[1]


@pytest.mark.parametrize(
    ("obj", "where"),
    [
        (jobspec(), ""),
        (jobspec(node(2, slot(1, core(), GPU)), count={"total": 3}), ""),
        (changed("version", 2), "version"),
        (jobspec(slot(1), node(1)), "resources"),
        (jobspec({"type": "rack", "count": 1, "with": [slot(1)]}), "resources[0].type"),
        (jobspec(node("1-2", slot(1))), "resources[0].count"),
        (jobspec(node(1, slot("2+"))), "resources[0].with[0].count"),
        (jobspec(node(1, core(), slot(1))), "resources[0].with"),
        (jobspec(slot(1, node(1))), "resources[0].with[0].type"),
        (jobspec(slot(1, GPU)), "resources[0].with"),
        (jobspec(slot(1, core("1-2"))), "resources[0].with[0].count"),
        (jobspec(slot(1, {**core(), "with": [GPU]})), "resources[0].with[0].with"),
        (jobspec(count={"per_slot": 2}), "tasks[0].count"),
        (changed("attributes.system.duration", ...), "attributes.system"),
        (changed("attributes", None), "attributes.system"),
        ({**jobspec(), "tasks": jobspec()["tasks"] * 2}, "tasks"),
    ],
)
def test_version_1(obj: dict[str, Any], where: str) -> None:
    check_jobspec(obj)
    if where:
        with pytest.raises(JobspecError) as caught:
            check_v1(obj)
        assert caught.value.path == where
    else:
        check_v1(obj)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "count", "with", "label", "min", "x"]), inner, max_size=4)
    ),
    max_leaves=6,
)
PATHS = """
version resources resources.0 resources.0.count resources.0.with resources.0.with.0.with.0
tasks tasks.0 tasks.0.count tasks.0.slot tasks.0.command
attributes attributes.system attributes.system.environment attributes.system.dependencies
attributes.system.constraints
""".split()  # noqa: SIM905


@given(st.sampled_from(PATHS), json_values)
def test_garbage_anywhere_is_accepted_or_refused(path: str, value: object) -> None:
    with suppress(JobspecError):
        check_jobspec(changed(path, value))
