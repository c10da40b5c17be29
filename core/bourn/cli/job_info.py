"""`bourn job` id, info, eventlog, last, list-ids, stats, taskmap, timeleft: what is known of jobs."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

from bourn.cli.eventprint import LOGS, EventPrinter, add_event_options
from bourn.client import events, job
from bourn.client.handle import Handle
from bourn.errors import BournError
from bourn.model.jobid import JobID

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from bourn.cli.parser import Commands
    from bourn.model.taskmap import TaskMap

FORMS = ("dec", "hex", "dothex", "kvs", "f58", "f58plain", "words", "emoji")


def add_commands(commands: Commands) -> None:
    """Add the sub-commands."""
    command = commands.add("hostpids", "print where a job's tasks run, as HOST:PID")
    command.add_argument("-d", "--delimiter", default=",", metavar="TEXT", help="what stands between (,)")
    command.add_argument("-r", "--ranks", default="all", metavar="IDSET", help="of these tasks only")
    command.add_argument("jobid", metavar="JOBID")
    command.set_defaults(run=_hostpids)
    command = commands.add("id", "convert job ids")
    command.add_argument("-t", "--to", default="dec", metavar="FORM", help=f"one of {', '.join(FORMS)}")
    command.add_argument("jobids", nargs="*", metavar="JOBID", help="(default: lines of standard input)")
    command.set_defaults(run=_id)
    command = commands.add("info", "print what is known of a job, or its jobspec, R, or another record")
    command.add_argument("-o", "--original", action="store_true", help="the jobspec as it was submitted")
    command.add_argument("jobid", metavar="JOBID")
    command.add_argument(
        "key",
        nargs="?",
        metavar="KEY",
        help="jobspec, R, J, eventlog, guest.exec.eventlog, guest.output, usage ... (default: a summary)",
    )
    command.set_defaults(run=_info)
    command = commands.add("eventlog", "print a job's events")
    add_event_options(command)
    command.add_argument("-F", "--follow", action="store_true", help="wait for further events")
    command.add_argument(
        "-p", "--path", default="eventlog", metavar="PATH", help="another log, as exec or output"
    )
    command.add_argument("jobid", metavar="JOBID")
    command.set_defaults(run=_eventlog)
    command = commands.add("last", "print the ids of your latest jobs")
    command.add_argument(
        "slice", nargs="?", default="1", metavar="N|[SLICE]", help="how many, or a slice as [1:3]"
    )
    command.set_defaults(run=_last)
    command = commands.add("list-ids", "print what is known of jobs as JSON")
    command.add_argument("jobids", nargs="+", metavar="JOBID")
    command.set_defaults(run=_list_ids)
    command = commands.add("stats", "count jobs by state and result")
    command.set_defaults(run=_stats)
    command = commands.add("taskmap", "say which tasks run on which nodes")
    how = command.add_mutually_exclusive_group()
    how.add_argument("--taskids", metavar="NODE", help="print the tasks of a node of the job")
    how.add_argument("--ntasks", metavar="NODE", help="print the number of tasks of a node of the job")
    how.add_argument("--nodeid", metavar="TASK", help="print the node that a task runs on")
    how.add_argument("--hostname", metavar="TASK", help="print the host that a task runs on")
    how.add_argument("--to", choices=["raw", "pmi", "multiline"], help="print it in another form")
    command.add_argument("target", metavar="JOBID|TASKMAP")
    command.set_defaults(run=_taskmap)
    command = commands.add("timeleft", "print the seconds that a job has left")
    command.add_argument("-H", "--human", action="store_true", help="print it as 1.5h")
    command.add_argument("jobid", nargs="?", metavar="JOBID", help="(default: the job that this runs in)")
    command.set_defaults(run=_timeleft)


def _words(words: list[str]) -> Iterable[str]:
    return words or (word for line in sys.stdin for word in line.split())


def _id(args: argparse.Namespace) -> int:
    for word in _words(args.jobids):
        print(JobID.parse(word).encode(args.to))
    return 0


def _info(args: argparse.Namespace) -> int:
    id = JobID.parse(args.jobid)
    if args.key is None:
        return _summary(id)
    key = LOGS.get(args.key, args.key)
    with Handle() as h:
        if key == "usage":
            value = _of_exec_log(h, id, key)
        elif key in events.LOGS:
            return _print_log(h, id, args.key, key)
        else:
            value = job.lookup(h, id, "J" if args.original and key == "jobspec" else key)
    if value is None:
        raise BournError(f"job {args.jobid} has no '{args.key}'")
    if isinstance(value, str):
        sys.stdout.write(value if value.endswith("\n") else value + "\n")
    else:
        print(json.dumps(value, separators=(",", ":"), ensure_ascii=False))
    return 0


def _print_log(h: Handle, id: JobID, word: str, path: str) -> int:
    empty = True
    for text in events.log_text(h, id, path):
        sys.stdout.write(text)
        empty = False
    if empty:
        raise BournError(f"job {id} has no '{word}'")
    return 0


def _hostpids(args: argparse.Namespace) -> int:
    from bourn.model.idset import parse_mask

    chosen = -1 if args.ranks == "all" else parse_mask(args.ranks)
    with Handle() as h:
        tasks = h.rpc("job-exec.pids", {"id": int(JobID.parse(args.jobid))}).get()["tasks"]
    print(args.delimiter.join(f"{host}:{pid}" for host, rank, pid in tasks if chosen >> rank & 1))
    return 0


def _summary(id: JobID) -> int:
    """Print what a person wants to know of a job."""
    from bourn.cli.jobfacts import FACTS, LONG, facts

    with Handle() as h:
        record = job.job_list_id(h, id).record
    print(f"{'job':>16}  {id} {record.get('name', '')}")
    for name, text in facts(record, (*FACTS, *LONG)):
        print(f"{name:>16}  {text}")
    return 0


def _eventlog(args: argparse.Namespace) -> int:
    from bourn.client.events import watch_batches

    id = JobID.parse(args.jobid)
    printer = EventPrinter(args.format, args.time_format)
    with Handle() as h:
        for batch in watch_batches(h, id, LOGS.get(args.path, args.path), follow=args.follow):
            print("\n".join([printer.line(event) for event in batch]), flush=True)
    return 0


def _last(args: argparse.Namespace) -> int:
    from bourn.client.joblist import JobList

    text = args.slice.strip("[]")
    try:
        parts = [int(part) if part else None for part in text.split(":")]
        window = slice(0, parts[0]) if len(parts) == 1 and "[" not in args.slice else None
        if window is None:
            window = slice(*parts) if len(parts) > 1 else slice(parts[0], (parts[0] or 0) + 1 or None)
    except (ValueError, TypeError):
        raise BournError(f"'{args.slice}' is neither a number nor a slice such as [0:3]") from None
    with Handle() as h:
        ids = [r["id"] for chunk in JobList(h, attrs=["id"], user=os.getuid()).chunks() for r in chunk]
    # Ids grow with the time of submission.
    ids.sort(reverse=True)
    if not ids:
        raise BournError("you have no jobs")
    for id in ids[window]:
        print(JobID(id))
    return 0


def _list_ids(args: argparse.Namespace) -> int:
    with Handle() as h:
        for word in args.jobids:
            print(json.dumps(job.job_list_id(h, JobID.parse(word)).record, ensure_ascii=False))
    return 0


def _stats(args: argparse.Namespace) -> int:
    with Handle() as h:
        print(json.dumps(h.rpc("job-list.stats").get(), indent=1))
    return 0


def _taskmap(args: argparse.Namespace) -> int:
    from bourn.model.taskmap import TaskMap

    R = None
    if args.target.startswith(("[", "{", "(")):
        taskmap = TaskMap(args.target)
    else:
        id = JobID.parse(args.target)
        with Handle() as h:
            taskmap = _taskmap_of(h, id)
            R = job.lookup(h, id, "R")
    if args.taskids is not None:
        print(taskmap.tasks(_number(args.taskids)))
    elif args.ntasks is not None:
        print(taskmap.ntasks_on(_number(args.ntasks)))
    elif args.nodeid is not None:
        print(taskmap.node(_number(args.nodeid)))
    elif args.hostname is not None:
        from bourn.model.rset import ResourceSet

        if R is None:
            raise BournError("--hostname needs a job id")
        print(ResourceSet.from_dict(R).nodelist[taskmap.node(_number(args.hostname))])
    elif args.to == "multiline":
        for task in range(taskmap.ntasks):
            print(f"{task}: {taskmap.node(task)}")
    else:
        print(taskmap.pmi() if args.to == "pmi" else taskmap.raw() if args.to == "raw" else taskmap)
    return 0


def _taskmap_of(h: Handle, id: JobID) -> TaskMap:
    """Return the task map that the job's shells have told; on one node it is known anyhow."""
    from bourn.model.taskmap import TaskMap

    info = job.job_list_id(h, id)
    if info.nnodes == 1:
        return TaskMap.from_nodes([0] * info.ntasks)
    found = _of_exec_log(h, id, "taskmap")
    if found is None:
        raise BournError(f"job {id} has no task map yet")
    return TaskMap(found["map"] if isinstance(found, dict) else found)


def _of_exec_log(h: Handle, id: JobID, key: str) -> Any:
    """Return what the last event with `key` in its context says of it; None if there is none."""
    from bourn.client.events import watch_batches

    found = None
    for batch in watch_batches(h, id, "guest.exec.eventlog", follow=False):
        for event in batch:
            found = event.get("context", {}).get(key, found)
    return found


def _number(text: str) -> int:
    if not text.isdigit():
        raise BournError(f"'{text}' is no number of a task or node")
    return int(text)


def _timeleft(args: argparse.Namespace) -> int:
    word = args.jobid or os.environ.get("BOURN_JOB_ID")
    if not word:
        raise BournError("name a job: this doesn't run in one")
    with Handle() as h:
        left = job.timeleft(h, JobID.parse(word))
    if args.human:
        from bourn.model.duration import format_duration

        print(format_duration(left))
    else:
        print("unlimited" if left == float("inf") else int(left))
    return 0
