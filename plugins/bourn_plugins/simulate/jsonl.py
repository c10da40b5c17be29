"""Reads a workload in JSON lines: an object a job.

{"nnodes": 2, "runtime": 600, "duration": 3600, "submit": 10}
{"jobspec": {...}, "runtime": 42.5, "name": "dock-7", "queue": "gpu"}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from bourn.errors import BournError, suggest
from bourn.model.duration import parse_duration
from bourn.model.interned import INTERNED
from bourn.model.jobspec_check import check_jobspec
from bourn_plugins.simulate.job import PRIORITY, Job, sized_jobspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bourn.model.interned import InternedJobspec

_SIZES = ("nnodes", "ncores", "ngpus")
_KEYS = {*_SIZES, "jobspec", "duration", "runtime", "submit", "name", "user", "queue", "priority"}
_decode = msgspec.json.Decoder().decode


def read_jsonl(lines: Iterable[str]) -> list[Job]:
    """Read a workload; empty lines are passed over. BournError begins with the number of the line.

    ``duration`` is the limit, ``runtime`` how long the job really runs (by default as long as it may),
    ``submit`` when it comes (0). Durations are seconds or text as ``1.5h`` (RFC 23). Sizes are totals, see
    `job.sized_jobspec`.
    """
    jobs: list[Job] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            jobs.append(_job(_object(line), str(len(jobs) + 1)))
        except BournError as error:
            raise BournError(f"{number}: {error.message}") from None
    return jobs


def _object(line: str) -> dict[str, Any]:
    try:
        entry = _decode(line)
    except msgspec.DecodeError as error:
        raise BournError(f"not JSON: {error}") from None
    if not isinstance(entry, dict):
        raise BournError("a job must be an object")
    for key in entry:
        if key not in _KEYS:
            raise BournError(f"{key}: unknown key{suggest(key, _KEYS)}")
    return entry


def _job(entry: dict[str, Any], name: str) -> Job:
    queue = entry.get("queue")
    if queue is not None and not isinstance(queue, str):
        raise BournError(f"queue: must be a string, not {queue!r}")
    limit = _seconds(entry, "duration", 0.0)
    spec = _jobspec(entry["jobspec"], entry) if "jobspec" in entry else _sized(entry, limit, queue)
    limit = spec.counts.duration
    if "runtime" not in entry and not limit:
        raise BournError("runtime: is missing, and there is no duration in its place")
    return Job(
        str(entry.get("name", name)),
        _seconds(entry, "submit", 0.0),
        _seconds(entry, "runtime", limit),
        spec,
        _integer(entry, "user", 0),
        queue or spec.system.get("queue"),
        _integer(entry, "priority", PRIORITY),
    )


def _jobspec(obj: Any, entry: dict[str, Any]) -> InternedJobspec:
    for key in (*_SIZES, "duration"):
        if key in entry:
            raise BournError(f"{key}: stands in the jobspec if there is one")
    try:
        check_jobspec(obj)
    except BournError as error:
        raise BournError(f"jobspec: {error.message}") from None
    return INTERNED.intern_obj(obj)


def _sized(entry: dict[str, Any], limit: float, queue: str | None) -> InternedJobspec:
    sizes = {key: _integer(entry, key, 0) for key in _SIZES}
    if not any(sizes.values()):
        raise BournError("a job needs a jobspec, or nnodes, ncores or ngpus")
    return sized_jobspec(**sizes, duration=limit, queue=queue)


def _integer(entry: dict[str, Any], key: str, default: int) -> int:
    value = entry.get(key, default)
    if type(value) is not int or value < 0:
        raise BournError(f"{key}: must be an integer from 0, not {value!r}")
    return value


def _seconds(entry: dict[str, Any], key: str, default: float) -> float:
    value = entry.get(key, default)
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise BournError(f"{key}: must be seconds or a duration, not {value!r}")
    try:
        seconds = parse_duration(value)
    except BournError as error:
        raise BournError(f"{key}: {error.message}") from None
    if not 0 <= seconds < float("inf"):
        raise BournError(f"{key}: must be a finite time from 0, not {value!r}")
    return seconds
