"""Jobspecs and their company, as conformance checks and plugin authors' tests need them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from bourn.config import Config
from bourn.hookspecs.ingest import SubmitInfo
from bourn.hookspecs.sched import AllocRequest
from bourn.model.interned import InternedJobspec, InternTable
from bourn.model.jobspec_build import from_command, set_attr

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["alloc_request", "interned", "jobspec", "jobspecs", "resource_set", "submit_info"]

_TABLE = InternTable()


def jobspec(*command: str, system: Mapping[str, Any] | None = None, **shape: Any) -> dict[str, Any]:
    """Return a valid jobspec.

    `command` is `true` by default; `shape` goes to `bourn.model.jobspec_build.from_command` (num_tasks,
    cores_per_task, num_nodes, ...); `system` lies over ``attributes.system``.
    """
    made: dict[str, Any] = from_command(list(command) or ["true"], **shape)
    for key, value in (system or {}).items():
        set_attr(made, f"system.{key}", value)
    return made


def jobspecs() -> dict[str, dict[str, Any]]:
    """Return jobspecs that every plugin must be able to look at, by what is special about each."""
    canonical = jobspec()
    canonical["version"] = 1
    canonical["resources"] = [
        {
            "type": "rack",
            "count": 2,
            "with": [
                {
                    "type": "slot",
                    "count": {"min": 1, "max": 4, "operator": "+", "operand": 1},
                    "label": "task",
                    "with": [{"type": "node", "count": 1, "with": [{"type": "core", "count": 2}]}],
                },
            ],
        },
        {"type": "storage", "count": 4, "unit": "TB"},
    ]
    bare = jobspec()
    bare["attributes"] = {"system": {"duration": 0}}
    return {
        "one core": jobspec(),
        "nothing but the duration": bare,
        "two nodes, four tasks, a GPU each": jobspec(num_nodes=2, num_tasks=4, gpus_per_task=1),
        "a queue, a time limit, user attributes": jobspec(system={"queue": "batch", "duration": 60.0}),
        "canonical, not of version 1's shape": canonical,
    }


def submit_info(config: Mapping[str, Any] | None = None, **changes: Any) -> SubmitInfo:
    """Return what comes with a submission by user 1000; `config` is the configuration's tables."""
    known: dict[str, Any] = {"userid": 1000, "rolemask": 2, "urgency": 16, "flags": 0}
    return SubmitInfo(**{**known, "config": Config(config or {}), **changes})


def interned(obj: dict[str, Any]) -> InternedJobspec:
    """Return a jobspec as the job manager, schedulers and exec methods get it."""
    return _TABLE.intern(msgspec.json.encode(obj), obj)


def alloc_request(
    id: int = 1, obj: dict[str, Any] | None = None, *, priority: int = 16, t_submit: float = 0.0, **rest: Any
) -> AllocRequest:
    """Return a scheduler's request; the jobspec asks for one core unless given."""
    return AllocRequest(id, priority, rest.pop("userid", 1000), t_submit, interned(obj or jobspec()), **rest)


def resource_set(nodes: int = 4, cores: int = 4, gpus: int = 0) -> dict[str, Any]:
    """Return an R (RFC 20) of equal nodes ``n0``, ``n1``, ..."""
    children = {"core": f"0-{cores - 1}"} | ({"gpu": f"0-{gpus - 1}"} if gpus else {})
    return {
        "version": 1,
        "execution": {
            "R_lite": [{"rank": f"0-{nodes - 1}" if nodes > 1 else "0", "children": children}],
            "nodelist": [f"n[0-{nodes - 1}]" if nodes > 1 else "n0"],
            "starttime": 0,
            "expiration": 0,
        },
    }
