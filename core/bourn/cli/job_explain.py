"""`bourn job explain`: why jobs wait."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

from bourn.client import job
from bourn.client.handle import Handle
from bourn.client.joblist import JobList
from bourn.errors import RPCError
from bourn.model.duration import format_duration
from bourn.model.jobid import JobID
from bourn.model.states import RESULT_NAMES, State

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from bourn.cli.parser import Commands

_MANY = 3


def add_commands(commands: Commands) -> None:
    """Add the sub-command."""
    command = commands.add("explain", "say why jobs wait, and since when and until when")
    command.add_argument("--json", action="store_true", help="print a JSON object a line")
    command.add_argument("jobids", nargs="*", metavar="JOBID", help="(default: all that wait of yours)")
    command.set_defaults(run=_explain)


def _explain(args: argparse.Namespace) -> int:
    with Handle() as h:
        if args.jobids:
            records = [dict(job.job_list_id(h, JobID.parse(word)).record) for word in args.jobids]
        else:
            listed = JobList(h, user=os.getuid(), filters="pending")
            records = [record for chunk in listed.chunks() for record in chunk]
            records.sort(key=lambda record: (-record.get("priority", 0), record["id"]))
        known = _ask(h, [record["id"] for record in records])
        queues = {each["name"]: each for each in h.rpc("job-manager.queue-list").get()["queues"]}
    for record in records:
        answer = explanation(record, known.get(record["id"]), queues)
        if args.json:
            print(json.dumps(answer, ensure_ascii=False))
        else:
            print("\n".join(_lines(answer)))
    return 0


def _ask(h: Handle, ids: list[int]) -> dict[int, dict[str, Any]]:
    """Return what the scheduler says, by job; nothing if it is one that doesn't explain."""
    try:
        answer = h.rpc("sched.explain", {"ids": ids}).get()
    except RPCError:
        return {}
    return {each["id"]: each for each in answer["jobs"]}


def explanation(
    record: dict[str, Any], known: dict[str, Any] | None, queues: dict[str | None, dict[str, Any]]
) -> dict[str, Any]:
    """Put together why a job waits: from its record, what the scheduler says, and its queue."""
    state = State(record["state"])
    answer: dict[str, Any] = {"id": record["id"], "state": state.name, "queue": record.get("queue")}
    answer["t_submit"] = record.get("t_submit")
    queue = queues.get(record.get("queue"), {})
    if state is State.INACTIVE:
        answer["reason"] = f"it has ended: {RESULT_NAMES.get(record.get('result', 0), 'unknown').lower()}"
    elif state in State.RUNNING:
        answer["reason"] = "it runs" if state is State.RUN else "it ends"
    elif record.get("dependencies"):
        answer["reason"] = "depends on " + ", ".join(map(str, record["dependencies"]))
    elif record.get("urgency") == 0:
        answer["reason"] = "it is held: its urgency is 0"
    elif queue and not queue["start"]:
        why = f": {queue['stop_reason']}" if queue.get("stop_reason") else ""
        answer["reason"] = f"{_title(record)} is stopped{why}"
    elif known is not None:
        answer |= known
    else:
        notes = (record.get("annotations") or {}).get("sched") or {}
        answer["reason"] = notes.get("reason_pending") or "it waits for the scheduler"
        answer["t_estimate"] = notes.get("t_estimate")
    return answer


def _title(record: dict[str, Any]) -> str:
    return f"queue '{record['queue']}'" if record.get("queue") else "the queue"


def _lines(answer: dict[str, Any]) -> Iterable[str]:
    """Yield the explanation for a person."""
    yield f"{JobID(answer['id'])}: {answer['reason']}"
    now = time.time()
    if "position" in answer:
        where = f" in queue '{answer['queue']}'" if answer.get("queue") else ""
        yield f"    place {answer['position']} of {answer['waiting']}{where}"
    behind = answer.get("behind") or []
    if behind:
        names = ", ".join(str(JobID(id)) for id in behind[:_MANY])
        more = f" and {len(behind) - _MANY} more" if len(behind) > _MANY else ""
        yield f"    behind {names}{more}"
    estimate = answer.get("t_estimate")
    if estimate is not None:
        at = time.strftime("%b %d %H:%M:%S", time.localtime(estimate))
        yield f"    starts in {_span(estimate - now)} at the latest, {at}"
    if State[answer["state"]] in State.PENDING and answer.get("t_submit"):
        yield f"    submitted {_span(now - answer['t_submit'])} ago"


def _span(seconds: float) -> str:
    """Return a time as people say it: to a tenth of its unit."""
    return format_duration(float(f"{max(seconds, 0.0):.2g}"))
