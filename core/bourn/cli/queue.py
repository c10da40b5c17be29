"""`bourn queue`: list queues, open and close them for submission and for scheduling (RFC 33)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.cli.format import Template, field_lookup, named
from bourn.cli.parser import Parser
from bourn.client.handle import Handle
from bourn.errors import BournError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

FORMATS = {
    "default": "?:{queue:<8.8} {submit:<6} {sched:<5} {defaults.time!F:>8h} {limits.time!F:>8h} "
    "{limits.nodes:>8} {limits.cores:>8} {limits.gpus:>6}",
}


def main(argv: list[str]) -> int:
    """Run the sub-command."""
    args = _parser().parse_args(argv)
    run: Callable[[Handle, argparse.Namespace], int | None] = args.run
    with Handle() as h:
        return run(h, args) or 0


def _parser() -> Parser:
    parser = Parser(prog="bourn queue", description="List queues, open and close them.")
    commands = parser.add_commands()
    command = commands.add("status", "say whether queues take and start jobs")
    command.add_argument("-q", "--queue", metavar="NAME", help="one queue (default: all)")
    command.add_argument("-v", "--verbose", action="store_true", help="count the jobs, too")
    command.set_defaults(run=_status)
    command = commands.add("list", "list queues and their limits")
    command.add_argument("-q", "--queue", metavar="NAME", help="one queue (default: all)")
    command.add_argument("-n", "--no-header", action="store_true", help="print no headings")
    command.add_argument("-o", "--format", default="default", help="an output format")
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=_list)
    for name, summary, reason in (
        ("enable", "take new jobs", False),
        ("disable", "refuse new jobs", True),
        ("start", "start jobs as resources allow", False),
        ("stop", "start no more jobs", True),
    ):
        command = commands.add(name, summary)
        command.add_argument("-q", "--queue", metavar="NAME", help="which queue")
        command.add_argument("-a", "--all", action="store_true", help="all queues")
        command.add_argument("--quiet", action="store_true", help="print nothing")
        command.add_argument(
            "-v", "--verbose", action="store_true", help="print the state of all queues afterwards"
        )
        if reason:
            command.add_argument("reason", nargs="*", metavar="REASON")
        if name in ("disable", "stop"):
            command.add_argument("-m", "--message", help="the reason")
        if name in ("start", "stop"):
            command.add_argument("--nocheckpoint", action="store_true", help="don't keep this over a restart")
        command.set_defaults(run=_change)
    for name, summary in (
        ("drain", "wait until no job is left"),
        ("idle", "wait until no job runs or is being freed"),
    ):
        command = commands.add(name, summary)
        command.add_argument("-t", "--timeout", metavar="FSD", help="give up after this time")
        command.add_argument("--quiet", action="store_true", help="print nothing")
        command.set_defaults(run=_wait)
    return parser


def _queues(h: Handle, name: str | None) -> list[dict[str, Any]]:
    """Return the queues as [{name, enable, start, reasons ...}]; the anonymous one has no name."""
    queues: list[dict[str, Any]] = h.rpc("job-manager.queue-list").get()["queues"]
    if name is None:
        return queues
    found = [queue for queue in queues if queue.get("name") == name]
    if not found:
        from bourn.errors import suggest

        names = [queue["name"] for queue in queues if queue.get("name")]
        raise BournError(f"no such queue '{name}'{suggest(name, names)}")
    return found


def _status(h: Handle, args: argparse.Namespace) -> None:
    for queue in _queues(h, args.queue):
        name = f"{queue['name']}: " if queue.get("name") else ""
        for what, on, reason in (
            ("Job submission is", ("enabled", "disabled"), "disable_reason"),
            ("Scheduling is", ("started", "stopped"), "stop_reason"),
        ):
            state = queue["enable"] if what.startswith("Job") else queue["start"]
            why = f": {queue[reason]}" if not state and queue.get(reason) else ""
            print(f"{name}{what} {on[0] if state else on[1]}{why}")
    if args.verbose:
        stats = h.rpc("job-manager.stats").get()
        print(f"{stats.get('pending', 0)} pending jobs")
        print(f"{stats.get('running', 0)} running jobs")


def _list(h: Handle, args: argparse.Namespace) -> None:
    queues = _queues(h, args.queue)
    if args.json:
        import json

        print(json.dumps(queues))
        return

    def limit(kind: str) -> Callable[[dict[str, Any]], str]:
        def text(queue: dict[str, Any]) -> str:
            sizes = (queue.get("limits") or {}).get("job-size") or {}
            low, high = (sizes.get(end, {}).get(kind) for end in ("min", "max"))
            return f"{0 if low is None else low}-{'inf' if high is None else high}"

        return text

    fields: dict[str, tuple[str, Callable[[Any], Any]]] = {
        "queue": ("QUEUE", lambda q: q.get("name") or ""),
        "submit": ("SUBMIT", lambda q: "yes" if q["enable"] else "no"),
        "sched": ("SCHED", lambda q: "yes" if q["start"] else "no"),
        "defaults.time": ("TDEFAULT", lambda q: _seconds((q.get("defaults") or {}).get("duration"))),
        "limits.time": ("TLIMIT", lambda q: _seconds((q.get("limits") or {}).get("duration"))),
        "limits.nodes": ("NNODES", limit("nnodes")),
        "limits.cores": ("NCORES", limit("ncores")),
        "limits.gpus": ("NGPUS", limit("ngpus")),
    }
    template = Template(named(args.format, FORMATS, "queue"), field_lookup(fields))
    template.fit(queues)
    if not args.no_header:
        print(template.header())
    for line in template.rows(queues):
        print(line)


def _seconds(duration: object) -> float:
    from bourn.model.duration import parse_duration

    return parse_duration(duration) if isinstance(duration, str | int | float) else 0.0


def _change(h: Handle, args: argparse.Namespace) -> None:
    names = [queue["name"] for queue in _queues(h, args.queue) if queue.get("name")]
    if names and args.queue is None and not args.all:
        raise BournError(
            f"there are several queues: name one with --queue, or --all; there are: {', '.join(names)}"
        )
    payload: dict[str, Any] = {"name": args.queue} if args.queue else {}
    if args.command in ("disable", "stop"):
        reason = args.message or " ".join(args.reason)
        if reason:
            payload["reason"] = reason
    if getattr(args, "nocheckpoint", False):
        payload["nocheckpoint"] = True
    h.rpc(f"job-manager.queue-{args.command}", payload).get()
    if args.verbose:
        args.queue, args.verbose = None, False
        _status(h, args)


def _wait(h: Handle, args: argparse.Namespace) -> int:
    from bourn.model.duration import parse_duration

    timeout = parse_duration(args.timeout) if args.timeout else None
    try:
        h.rpc(f"job-manager.{args.command}").get(timeout)
    except TimeoutError:
        raise BournError(f"timeout: jobs are left after {args.timeout}") from None
    return 0
