"""Check a jobspec (RFC 14) given as plain dictionaries: fast, and an error names the path of the bad field.

Every accepted job passes through `check_jobspec`, so the common case is a handful of type tests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.errors import JobspecError, suggest
from bourn.model.count import check_count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, NoReturn

_TOP = frozenset(("resources", "tasks", "attributes", "version"))
_VERTEX = frozenset(("type", "count", "unit", "exclusive", "with", "label", "id"))
_TASK = frozenset(("command", "slot", "count", "attributes", "distribution"))
_TASK_REQUIRED = ("command", "slot", "count")
_TASK_COUNT = ("per_slot", "per_resource", "total")
_ATTRIBUTES = frozenset(("system", "user"))
_MAX_DEPTH = 64


def check_jobspec(obj: object) -> None:
    """Raise JobspecError at the first field that breaks RFC 14; any tree of resources is allowed."""
    if type(obj) is not dict:
        _bad("", f"a jobspec must be a dictionary with {', '.join(sorted(_TOP))}, not {_kind(obj)}")
    _keys(obj, "", _TOP, _TOP)
    version = obj["version"]
    if type(version) is not int or version < 1:
        _bad("version", f"must be an integer from 1, not {version!r}")
    resources = obj["resources"]
    if type(resources) is not list or not resources:
        _bad("resources", f"must be a list of at least one resource, not {_kind(resources)}")
    labels: dict[str, dict[str, Any]] = {}
    for i, vertex in enumerate(resources):
        _check_vertex(vertex, f"resources[{i}]", labels, 0)
    tasks = obj["tasks"]
    if type(tasks) is not list or not tasks:
        _bad("tasks", f"must be a list of at least one task, not {_kind(tasks)}")
    for i, task in enumerate(tasks):
        _check_task(task, f"tasks[{i}]", labels)
    attributes = obj["attributes"]
    if attributes is not None:
        _dictionary(attributes, "attributes", "a dictionary with system and user")
        if not attributes.keys() <= _ATTRIBUTES:
            _keys(attributes, "attributes", _ATTRIBUTES, ())
        system = _dictionary(attributes.get("system", _EMPTY), "attributes.system")
        for key, value in system.items():
            check = _SYSTEM.get(key)
            if check is not None:
                check(value, f"attributes.system.{key}")
        _dictionary(attributes.get("user", _EMPTY), "attributes.user")


def check_v1(obj: dict[str, Any]) -> None:
    """Raise JobspecError where a jobspec that `check_jobspec` accepts isn't of version 1 (RFC 25)."""
    if obj["version"] != 1:
        _bad("version", "must be 1")
    if len(obj["resources"]) != 1:
        _bad("resources", "must have exactly one resource in version 1")
    if len(obj["tasks"]) != 1:
        _bad("tasks", "must have exactly one task in version 1")
    vertex, path = obj["resources"][0], "resources[0]"
    _integer_count(vertex, path)
    if vertex["type"] == "node":
        if [child["type"] for child in vertex.get("with", ())] != ["slot"]:
            _bad(f"{path}.with", "must be exactly one slot in version 1")
        vertex, path = vertex["with"][0], f"{path}.with[0]"
        _integer_count(vertex, path)
    elif vertex["type"] != "slot":
        _bad(f"{path}.type", f"must be 'node' or 'slot' in version 1, not {vertex['type']!r}")
    for i, child in enumerate(vertex["with"]):
        where = f"{path}.with[{i}]"
        if child["type"] not in ("core", "gpu"):
            _bad(f"{where}.type", f"must be 'core' or 'gpu' in version 1, not {child['type']!r}")
        _integer_count(child, where)
        if child.get("with"):
            _bad(f"{where}.with", "is not allowed in version 1")
    if sorted(child["type"] for child in vertex["with"]) not in (["core"], ["core", "gpu"]):
        _bad(f"{path}.with", "must be one core vertex and at most one gpu vertex in version 1")
    count = obj["tasks"][0]["count"]
    if "total" not in count and count.get("per_slot") != 1:
        _bad("tasks[0].count", "must be per_slot 1 or a total in version 1")
    if "duration" not in ((obj["attributes"] or {}).get("system") or {}):
        _bad("attributes.system", "misses the key 'duration', which version 1 requires (0 is unlimited)")


def check_system_value(key: str, value: object) -> None:
    """Check the value of one key of attributes.system; unknown keys take any value (RFC 14)."""
    check = _SYSTEM.get(key)
    if check is not None:
        check(value, f"attributes.system.{key}")


def check_environment_value(name: str, value: object) -> None:
    """Check one variable of attributes.system.environment: text, or null to unset it."""
    if type(value) is not str and value is not None:
        _bad(
            f"attributes.system.environment.{name}",
            f"must be a string, or null to unset it, not {_kind(value)}",
        )
    if not name or "=" in name or "\0" in name or (value and "\0" in value):
        _bad(
            f"attributes.system.environment.{name}",
            "a variable's name has no '=', and neither part a null byte",
        )


def _check_vertex(vertex: Any, path: str, labels: dict[str, dict[str, Any]], depth: int) -> None:
    if type(vertex) is not dict:
        _bad(path, f"a resource must be a dictionary with type and count, not {_kind(vertex)}")
    if not vertex.keys() <= _VERTEX or "type" not in vertex or "count" not in vertex:
        _keys(vertex, path, _VERTEX, ("type", "count"))
    kind = vertex["type"]
    if type(kind) is not str or not kind:
        _bad(f"{path}.type", f"must be a non-empty string, not {kind!r}")
    count = vertex["count"]
    if (type(count) is not int or count < 1) and (reason := check_count(count)):
        _bad(f"{path}.count", reason)
    children = vertex.get("with")
    if len(vertex) > 2:
        for key in ("label", "unit", "id"):
            if key in vertex and type(vertex[key]) is not str:
                _bad(f"{path}.{key}", f"must be a string, not {_kind(vertex[key])}")
        if type(vertex.get("exclusive", True)) is not bool:
            _bad(f"{path}.exclusive", f"must be true or false, not {vertex['exclusive']!r}")
        if "label" in vertex:
            label = vertex["label"]
            if label in labels:
                _bad(f"{path}.label", f"'{label}' is taken already; labels must be unique")
            labels[label] = vertex
        if children is not None:
            if type(children) is not list:
                _bad(f"{path}.with", f"must be a list of resources, not {_kind(children)}")
            if depth >= _MAX_DEPTH:
                _bad(f"{path}.with", f"is nested more than {_MAX_DEPTH} deep")
            for i, child in enumerate(children):
                _check_vertex(child, f"{path}.with[{i}]", labels, depth + 1)
    if kind == "slot":
        if "label" not in vertex:
            _bad(path, "misses the key 'label', which a slot must have")
        if not children:
            _bad(path, "misses the key 'with': a slot must have at least one resource")


def _check_task(task: Any, path: str, labels: dict[str, dict[str, Any]]) -> None:
    if type(task) is not dict:
        _bad(path, f"a task must be a dictionary with command, slot and count, not {_kind(task)}")
    if len(task) != 3 or not task.keys() <= _TASK:
        _keys(task, path, _TASK, _TASK_REQUIRED)
    command = task.get("command", _EMPTY)
    if type(command) is list and command:
        for i, arg in enumerate(command):
            if type(arg) is not str:
                _bad(f"{path}.command[{i}]", f"must be a string, not {_kind(arg)}")
            if "\0" in arg:
                _bad(f"{path}.command[{i}]", "must not have a null byte")
    elif type(command) is not str or not command:
        _keys(task, path, _TASK, _TASK_REQUIRED)
        _bad(f"{path}.command", f"must be a non-empty list of strings, not {_kind(command)}")
    slot = task.get("slot")
    vertex = labels.get(slot) if type(slot) is str else None
    if vertex is None or vertex["type"] != "slot":
        _keys(task, path, _TASK, _TASK_REQUIRED)
        if type(slot) is not str:
            _bad(f"{path}.slot", f"must be a string, not {_kind(slot)}")
        slots = [label for label, v in labels.items() if v["type"] == "slot"]
        _bad(f"{path}.slot", f"'{slot}' is the label of no slot{suggest(slot, slots)}")
    count = task["count"]
    if type(count) is not dict or len(count) != 1:
        _bad(
            f"{path}.count",
            f"must be a dictionary with exactly one of {', '.join(_TASK_COUNT)}, not {count!r}",
        )
    ((key, value),) = count.items()
    if key == "per_resource":
        if type(value) is not dict or value.keys() != {"type", "count"} or type(value["type"]) is not str:
            _bad(f"{path}.count.per_resource", f"must be a dictionary with type and count, not {value!r}")
        key, value = "per_resource.count", value["count"]
    elif key not in _TASK_COUNT:
        _bad(f"{path}.count", f"unknown key '{key}'{suggest(str(key), _TASK_COUNT)}")
    if type(value) is not int or value < 1:
        _bad(f"{path}.count.{key}", f"must be an integer from 1, not {value!r}")
    if len(task) > 3:
        if type(task.get("distribution", "")) is not str:
            _bad(f"{path}.distribution", f"must be a string, not {_kind(task['distribution'])}")
        attributes = _dictionary(task.get("attributes", _EMPTY), f"{path}.attributes")
        if "environment" in attributes:
            _check_environment(attributes["environment"], f"{path}.attributes.environment")


def _check_environment(value: object, path: str) -> None:
    for name, text in _dictionary(value, path, "a dictionary of strings").items():
        if (type(text) is not str and text is not None) or not name or "=" in name or "\0" in name:
            break
        if text is not None and "\0" in text:
            break
    else:
        return
    try:
        check_environment_value(name, text)
    except JobspecError as err:
        _bad(f"{path}.{name}", err.reason)


def _check_seconds(value: object, path: str) -> None:
    # `inf` and `nan` fail the comparison; JSON has neither, but a caller in the same process may.
    if (type(value) is not int and type(value) is not float) or not 0 <= value < 1e18:
        _bad(path, f"must be a number of seconds from 0, not {value!r}")


def _check_text(value: object, path: str) -> None:
    if type(value) is not str or not value or "\0" in value:
        _bad(path, f"must be a non-empty string, not {_kind(value)}")


def _check_job(value: object, path: str) -> None:
    for key, text in _dictionary(value, path).items():
        if type(text) is not str:
            _bad(f"{path}.{key}", f"must be a string, not {_kind(text)}")


def _check_shell(value: object, path: str) -> None:
    _dictionary(_dictionary(value, path).get("options", _EMPTY), f"{path}.options")


def _check_files(value: object, path: str) -> None:
    for name, entry in _dictionary(value, path, "a dictionary of files").items():
        _dictionary(entry, f"{path}.{name}", "a dictionary with mode and data")


def _check_dependencies(value: object, path: str) -> None:
    if type(value) is not list:
        _bad(path, f"must be a list of dependencies, not {_kind(value)}")
    for i, dependency in enumerate(value):
        where = f"{path}[{i}]"
        _dictionary(dependency, where, "a dictionary with scheme and value")
        for key in ("scheme", "value"):
            if key not in dependency:
                _bad(where, f"misses the key '{key}'")
            # The time of `begin-time` is a number in what others write.
            allowed = (
                (str, float, int) if (key, dependency.get("scheme")) == ("value", "begin-time") else (str,)
            )
            if type(dependency[key]) not in allowed:
                _bad(f"{where}.{key}", f"must be a string, not {_kind(dependency[key])}")
        if dependency.get("type", "in") not in ("in", "out", "inout"):
            _bad(f"{where}.type", f"must be in, out or inout, not {dependency['type']!r}")
        if dependency.get("scope", "user") not in ("user", "global"):
            _bad(f"{where}.scope", f"must be user or global, not {dependency['scope']!r}")


def _check_constraints(value: object, path: str) -> None:
    from bourn.model.constraint import check_constraint

    check_constraint(value, path)


def _check_retry(value: object, path: str) -> None:
    from bourn.model.retry import MAX_LIMIT, wrong

    retry = _dictionary(value, path, "a dictionary with limit and, optionally, on")
    _keys(retry, path, ("limit", "on"), ("limit",))
    limit = retry["limit"]
    if type(limit) is not int or not 0 <= limit <= MAX_LIMIT:
        _bad(f"{path}.limit", f"must be an integer from 0 to {MAX_LIMIT}, not {limit!r}")
    on = retry.get("on", [])
    if type(on) is not list:
        _bad(f"{path}.on", f"must be a list of conditions, not {_kind(on)}")
    for i, word in enumerate(on):
        reason = wrong(word)
        if reason is not None:
            _bad(f"{path}.on[{i}]", reason)


_SYSTEM: dict[str, Callable[[object, str], None]] = {
    "bank": _check_text,
    "constraints": _check_constraints,
    "cwd": _check_text,
    "dependencies": _check_dependencies,
    "duration": _check_seconds,
    "environment": _check_environment,
    "files": _check_files,
    "job": _check_job,
    "preemptible-after": _check_seconds,
    "project": _check_text,
    "queue": _check_text,
    "retry": _check_retry,
    "shell": _check_shell,
}
SYSTEM_KEYS = frozenset(_SYSTEM) | {"alloc-bypass", "exec", "hierarchy"}
"""Attributes of the system that mean something to Bourn."""
_EMPTY: dict[str, Any] = {}


def _integer_count(vertex: dict[str, Any], path: str) -> None:
    if type(vertex["count"]) is not int:
        _bad(f"{path}.count", f"must be an integer in version 1, not {vertex['count']!r}")


def _keys(obj: dict[str, Any], path: str, known: Iterable[str], required: Iterable[str]) -> None:
    """Raise if a key is unknown or a required one missing."""
    allowed = set(known)
    for key in obj:
        if key not in allowed:
            _bad(path, f"unknown key '{key}'{suggest(str(key), allowed)}")
    for key in sorted(required):
        if key not in obj:
            _bad(path, f"misses the key '{key}'")


def _dictionary(value: object, path: str, what: str = "a dictionary") -> dict[str, Any]:
    if type(value) is not dict:
        _bad(path, f"must be {what}, not {_kind(value)}")
    return value


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if value in ([], {}, ""):
        return "an empty " + {list: "list", dict: "dictionary", str: "string"}[type(value)]
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _bad(path: str, reason: str) -> NoReturn:
    raise JobspecError(path, reason)
