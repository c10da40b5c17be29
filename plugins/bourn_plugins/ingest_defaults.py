"""Frobnicator `defaults`: fills in what the policy says for jobs that say nothing.

[policy.jobspec.defaults.system]
duration = "1h"
queue = "batch"

[queues.debug.policy.jobspec.defaults.system]
duration = "10m"
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.errors import BournError, ConfigError, JobspecError, suggest
from bourn.hookspecs import hookimpl
from bourn.hookspecs.ingest import Frobnicator, SubmitInfo
from bourn.model.duration import parse_duration
from bourn.model.overrides import LABELS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def defaults(jobspec: dict[str, Any], info: SubmitInfo) -> dict[str, Any]:
    """Set system attributes that are missing; those of the job's queue go before the general ones."""
    raw = info.config.raw
    queues = raw.get("queues", {})
    general = _defaults(raw, "")
    system = jobspec["attributes"]["system"]
    name = system.get("queue") or general.get("queue")
    if name is not None and name not in queues:
        raise JobspecError(
            "attributes.system.queue", f"there is no queue '{name}'{suggest(str(name), queues)}"
        )
    if name is None and queues:
        there = ", ".join(sorted(queues))
        raise JobspecError(
            "attributes.system", f"misses the key 'queue', and no queue is default; there are: {there}"
        )
    of_queue = _defaults(queues[name], f"queues.{name}.") if name is not None else {}
    for key, value in {**general, **of_queue}.items():
        if key == "duration":
            # 0 is what a job has whose user set no limit.
            if not system.get("duration"):
                system["duration"] = _seconds(value, name)
        else:
            system.setdefault(key, value)
    if name is not None:
        system.setdefault("queue", name)
    return jobspec


def _defaults(table: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    path = prefix
    here: Any = table
    for key in ("policy", "jobspec", "defaults", "system"):
        path += f"{key}."
        here = here.get(key, {})
        if not isinstance(here, dict):
            raise ConfigError(f"configuration: [{path[:-1]}] must be a table")
    table_: dict[str, Any] = here
    return table_


def _seconds(value: object, queue: object) -> float:
    try:
        seconds = parse_duration(value)  # type: ignore[arg-type]
    except (BournError, TypeError, ValueError) as err:
        raise ConfigError(f"configuration: the default duration of jobs (queue {queue}): {err}") from None
    return 0.0 if seconds == float("inf") else seconds


@hookimpl(tryfirst=True)
def bourn_frobnicators() -> Iterable[Frobnicator]:
    """Register `defaults`."""
    yield Frobnicator(
        "defaults",
        defaults,
        default=True,
        pure=True,
        ignores=LABELS,
    )
