"""`bourn housekeeping`: see and end the command that runs on the nodes of jobs that are over."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from bourn.cli.format import Template, field_lookup, named
from bourn.cli.jobspec_args import parse_signal
from bourn.cli.parser import Parser
from bourn.client.handle import Handle
from bourn.errors import BournError, suggest
from bourn.model.idset import IdSet, parse_mask
from bourn.model.jobid import JobID

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

FORMATS = {"default": "{id.f58:>12} {nnodes:>6} {nactive:>7} {runtime!F:>8h} {ranks:>8} {nodelist}"}


def main(argv: list[str]) -> int:
    """Run the sub-command."""
    args = _parser().parse_args(argv)
    run: Callable[[Handle, argparse.Namespace], None] = args.run
    with Handle() as h:
        run(h, args)
    return 0


def _parser() -> Parser:
    parser = Parser(prog="bourn housekeeping", description="See and end housekeeping after jobs.")
    commands = parser.add_commands()
    command = commands.add("list", "list jobs that are over and whose nodes are being kept")
    command.add_argument(
        "-i", "--include", metavar="RANKS|HOSTS", help="only those that have some of these nodes"
    )
    command.add_argument("-n", "--no-header", action="store_true", help="print no headings")
    command.add_argument("-o", "--format", default="default", help="an output format")
    command.set_defaults(run=_list)
    command = commands.add("kill", "send a signal to the commands that run")
    command.add_argument("-s", "--signal", default="SIGTERM", metavar="SIG", help="which (SIGTERM)")
    command.add_argument("-t", "--targets", metavar="RANKS|HOSTS", help="only on these nodes")
    command.add_argument("-a", "--all", action="store_true", help="after all jobs")
    command.add_argument("jobids", nargs="*", metavar="JOBID", help="after these jobs")
    command.set_defaults(run=_kill)
    return parser


def _list(h: Handle, args: argparse.Namespace) -> None:
    tasks = h.rpc("job-manager.housekeeping-list").get()["tasks"]
    now = time.time()
    fields: dict[str, tuple[str, Callable[[dict[str, Any]], Any]]] = {
        **{f"id.{form}": ("JOBID", _id(form)) for form in ("f58", "dec", "hex", "words")},
        "id": ("JOBID", _id("f58")),
        "userid": ("UID", lambda task: task["userid"]),
        "nnodes": ("NNODES", lambda task: parse_mask(task["ranks"]).bit_count()),
        "nactive": ("#ACTIVE", lambda task: parse_mask(task["active"]).bit_count()),
        "active": ("ACTIVE", lambda task: task["active"]),
        "runtime": ("RUNTIME", lambda task: max(0.0, now - task["t_start"])),
        "t_start": ("T_START", lambda task: task["t_start"]),
        "ranks": ("RANKS", lambda task: task["ranks"]),
        "nodelist": ("NODELIST", lambda task: task["nodelist"]),
    }
    template = Template(named(args.format, FORMATS, "housekeeping"), field_lookup(fields))
    if args.include:
        wanted = parse_mask(_ranks(tasks, args.include))
        tasks = [task for task in tasks if parse_mask(task["ranks"]) & wanted]
    template.fit(tasks)
    if not args.no_header:
        print(template.header())
    for line in template.rows(tasks):
        print(line)


def _id(form: str) -> Callable[[dict[str, Any]], str]:
    return lambda task: JobID(task["id"]).encode(form)


def _kill(h: Handle, args: argparse.Namespace) -> None:
    if not (args.jobids or args.all or args.targets):
        raise BournError("say which: JOBIDs, --targets or --all")
    if args.jobids and args.all:
        raise BournError("give either JOBIDs or --all")
    payload: dict[str, Any] = {"signum": parse_signal(args.signal)}
    if args.jobids:
        payload["ids"] = [int(JobID.parse(word)) for word in args.jobids]
    if args.targets:
        tasks = h.rpc("job-manager.housekeeping-list").get()["tasks"]
        payload["ranks"] = _ranks(tasks, args.targets)
    if not h.rpc("job-manager.housekeeping-kill", payload).get()["count"]:
        raise BournError("no housekeeping runs there")


def _ranks(tasks: list[dict[str, Any]], targets: str) -> str:
    """Return the idset of nodes that housekeeping has, given by ranks or host names."""
    if targets[:1].isdigit():
        parse_mask(targets)
        return targets
    from bourn.model.hostlist import Hostlist

    rank_of = {
        host: rank
        for task in tasks
        for host, rank in zip(Hostlist(task["nodelist"]), IdSet(task["ranks"]), strict=True)
    }
    hosts = Hostlist(targets)
    for host in hosts:
        if host not in rank_of:
            raise BournError(f"no housekeeping has the host '{host}'{suggest(host, rank_of)}")
    return ",".join(str(rank_of[host]) for host in hosts)
