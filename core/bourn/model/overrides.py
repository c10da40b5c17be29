"""Dotted keys laid over a jobspec: how one job of a batch differs, or what `jobspec-update` says (RFC 21)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.errors import JobspecError
from bourn.model.jobspec_check import check_environment_value, check_system_value

if TYPE_CHECKING:
    from collections.abc import Mapping

_ENVIRONMENT = "attributes.system.environment."
_JOB = "attributes.system.job."
_SYSTEM = "attributes.system."
_USER = "attributes.user."

CHECKED = (_ENVIRONMENT, _JOB)
"""Where `check_overrides` sees all that can be wrong; elsewhere the whole jobspec must be looked at."""

LABELS = (_ENVIRONMENT, _JOB, _USER)
"""What jobs of a batch usually differ in: neither resources nor queue nor limits hang on it."""


def apply_overrides(obj: Mapping[str, Any], overrides: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the jobspec with `overrides` laid over it; only the tables on their paths are copied.

    What is not copied is shared with `obj`, which stays as it is. A path may name an environment variable or
    a file with dots in it: what follows `environment.` or `files.` is one key.
    """
    new = dict(obj)
    # Tables made here, by id: those may be written to. The value keeps the id from being given out again.
    own: dict[int, dict[str, Any]] = {}
    for path, value in (overrides or {}).items():
        parents, last = split_path(path)
        here = new
        for part in parents:
            child: Any = here.get(part)
            if id(child) not in own:
                if child is not None and not isinstance(child, dict):
                    raise JobspecError(path, f"'{part}' is a value, not a table")
                child = here[part] = dict(child or {})
                own[id(child)] = child
            here = child
        here[last] = value
    return new


def split_path(path: str) -> tuple[list[str], str]:
    """Return the tables on the way and the last key of a dotted path."""
    for table in (_ENVIRONMENT, "attributes.system.files."):
        if path.startswith(table) and len(path) > len(table):
            return table[:-1].split("."), path[len(table) :]
    *parents, last = path.split(".")
    if not last or "" in parents:
        raise JobspecError(path, "the key has an empty part")
    return parents, last


def check_overrides(overrides: object) -> None:
    """Raise JobspecError if a submission sets, for one job, a key or value that it may not.

    Allowed is what lies under `attributes.system.` and `attributes.user.`; values are held to the same rules
    as in a jobspec as far as they can be seen here; the whole is checked by who applies them.
    """
    if not isinstance(overrides, dict):
        raise JobspecError("set", f"must be a dictionary of dotted keys, not {type(overrides).__name__}")
    for path, value in overrides.items():
        if path.startswith(_ENVIRONMENT):
            check_environment_value(path[len(_ENVIRONMENT) :], value)
        elif path.startswith(_JOB):
            if not isinstance(value, str):
                raise JobspecError(path, f"must be a string, not {value!r}")
            if "." in path[len(_JOB) :] or path == _JOB:
                raise JobspecError(path, "is not a key right under attributes.system.job")
        elif path.startswith(_SYSTEM) and len(path) > len(_SYSTEM):
            check_system_value(path[len(_SYSTEM) :], value)
        elif not path.startswith(_USER):
            raise JobspecError(
                path,
                "only keys under attributes.system. and attributes.user. can be set for one job of a batch",
            )
