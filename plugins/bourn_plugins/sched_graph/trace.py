"""Traces for the simulator: Standard Workload Format, JSON lines, and made-up workloads."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

from bourn.errors import BournError, suggest
from bourn_plugins.sched_graph.simulate import SimJob

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_KEYS = {
    "id",
    "submit",
    "runtime",
    "duration",
    "nodes",
    "cores",
    "gpus",
    "slots",
    "exclusive",
    "priority",
    "name",
    "jobspec",
    "constraints",
}


def read_trace(file: str) -> list[SimJob]:
    """Read a file, ``.swf`` or JSON lines; BournError has the line that is wrong."""
    try:
        with open(file, encoding="utf-8") as stream:
            lines = stream.read().splitlines()
    except OSError as error:
        raise BournError(f"{file}: {error.strerror}") from None
    parse = _swf if file.endswith(".swf") else _json_line
    shared: dict[str, dict[str, Any]] = {}
    jobs: list[SimJob] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip()[0] in ";#":
            continue
        try:
            job = parse(line, len(jobs) + 1)
        except (BournError, ValueError, KeyError, TypeError) as error:
            raise BournError(f"{file}, line {number}: {error}") from None
        if job is not None:
            key = json.dumps(job.jobspec, sort_keys=True)
            job.jobspec = shared.setdefault(key, job.jobspec)
            jobs.append(job)
    return jobs


def _swf(line: str, number: int) -> SimJob | None:
    """Read a line of 18 fields; -1 is unknown. Jobs that never ran are left out."""
    fields = line.split()
    if len(fields) < 9:
        raise BournError(f"must have at least 9 fields, not {len(fields)}")
    values = [float(field) for field in fields[:9]]
    runtime, processors = values[3], int(values[7] if values[7] > 0 else values[4])
    if runtime < 0 or processors < 1:
        return None
    duration = values[8] if values[8] > 0 else runtime
    spec = make_jobspec({"slots": processors, "cores": 1, "duration": max(duration, runtime, 1)})
    return SimJob(int(values[0]), values[1], runtime, spec, name=fields[0])


def _json_line(line: str, number: int) -> SimJob:
    item = json.loads(line)
    if not isinstance(item, dict):
        raise BournError("must be an object")
    for key in item:
        if key not in _KEYS:
            raise BournError(f"unknown key '{key}'{suggest(key, _KEYS)}")
    runtime = float(item["runtime"])
    spec = item.get("jobspec") or make_jobspec({"duration": runtime, **item})
    return SimJob(
        int(item.get("id", number)),
        float(item.get("submit", 0)),
        runtime,
        spec,
        int(item.get("priority", 16)),
        str(item.get("name", "")),
    )


def make_jobspec(want: Mapping[str, Any]) -> dict[str, Any]:
    """Return the jobspec of ``nodes``, ``slots``, ``cores`` and ``gpus`` per slot, and so on."""
    children = [{"type": "core", "count": int(want.get("cores", 1))}]
    if want.get("gpus"):
        children.append({"type": "gpu", "count": int(want["gpus"])})
    resource: dict[str, Any] = {
        "type": "slot",
        "count": int(want.get("slots", 1)),
        "label": "task",
        "with": children,
    }
    if want.get("nodes"):
        resource = {"type": "node", "count": int(want["nodes"]), "with": [resource]}
        if want.get("exclusive", "cores" not in want):
            resource["exclusive"] = True
    system: dict[str, Any] = {"duration": want.get("duration", 0)}
    if want.get("constraints"):
        system["constraints"] = want["constraints"]
    return {
        "version": 9999,
        "resources": [resource],
        "tasks": [{"command": ["app"], "slot": "task", "count": {"per_slot": 1}}],
        "attributes": {"system": system},
    }


def queue_depth(seed: int, nodes: int, cores: int) -> list[SimJob]:
    """41 jobs of equal run time in random order.

    1 needs 4 nodes, 2 need 3, 4 need 2, 10 need 1, 8 half a node and 16 a quarter.
    """
    kinds: list[tuple[int, dict[str, Any]]] = [
        (1, {"nodes": 4}),
        (2, {"nodes": 3}),
        (4, {"nodes": 2}),
        (10, {"nodes": 1}),
        (8, {"cores": max(1, cores // 2)}),
        (16, {"cores": max(1, cores // 4)}),
    ]
    specs = [(number, make_jobspec({"duration": 100, **want})) for number, want in kinds]
    order = [spec for number, spec in specs for _ in range(number)]
    random.Random(seed).shuffle(order)
    return [SimJob(i, 0.0, 100.0, spec) for i, spec in enumerate(order, start=1)]


def co_schedule(seed: int, nodes: int, cores: int) -> list[SimJob]:
    """Three times nine jobs for each node: a CPU job, four GPU simulations, four analyses of two sizes."""
    small = max(1, cores // 11)
    analyses = [small // 2 or 1, small // 2 or 1, small, small]
    big = max(1, cores - 4 * small - sum(analyses))
    kinds = [
        ("cpu", {"cores": big}),
        *[("gpu", {"cores": small, "gpus": 1})] * 4,
        *[(f"analysis{size}", {"cores": size}) for size in analyses],
    ]
    specs = {json.dumps(want): make_jobspec({"duration": 1200, **want}) for _, want in kinds}
    dice = random.Random(seed)
    jobs: list[SimJob] = []
    for wave in range(3):
        for _ in range(nodes):
            for name, want in kinds:
                runtime = dice.uniform(900, 1100) if wave else dice.uniform(100, 1100)
                spec = specs[json.dumps(want)]
                jobs.append(SimJob(len(jobs) + 1, 0.0, runtime, spec, name=name))
    return jobs


WORKLOADS: dict[str, Callable[[int, int, int], list[SimJob]]] = {
    "queue-depth": queue_depth,
    "co-schedule": co_schedule,
}
