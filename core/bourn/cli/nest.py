"""What `bourn batch` and `bourn alloc` share: a nested instance's options, and the jobspec that starts it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.cli import jobspec_args, options
from bourn.errors import BournError
from bourn.model import jobspec_build as build

if TYPE_CHECKING:
    from argparse import Namespace

    from bourn.cli.parser import Parser
    from bourn.client.handle import Handle
    from bourn.model.jobid import JobID

DUMP = "bourn-{{id}}-dump.tar"
"""Where `--dump` without a name saves the instance's jobs."""


def add_options(parser: Parser) -> None:
    """Add the options of both commands."""
    add = parser.add_argument_group("resources").add_argument
    add("-N", "--nodes", metavar="N", help="number of nodes")
    add("-n", "--nslots", metavar="N", help="number of slots of the instance (default 1)")
    add("-c", "--cores-per-slot", metavar="N", help="cores of each slot (default 1)")
    add("-g", "--gpus-per-slot", metavar="N", help="GPUs of each slot (default 0)")
    add("-x", "--exclusive", action="store_true", help="take whole nodes")
    parser.set_defaults(taskmap=None)
    group = parser.add_argument_group("instance")
    options.repeated(group, "", "--conf", "KEY=VALUE|FILE", "configure the instance: a key, or a TOML file")
    options.repeated(group, "", "--broker-opts", "OPT,...", "options of `bourn start`, separated by commas")
    group.add_argument(
        "--dump", nargs="?", const=DUMP, metavar="FILE", help=f"save the instance's jobs at its end ({DUMP})"
    )
    options.add_job_options(parser)


def broker_opts(args: Namespace) -> list[str]:
    """Return the options of the instance's `bourn start`."""
    opts = [word for text in args.broker_opts for word in text.split(",") if word]
    if args.dump:
        opts.append(f"-Sstore.dump={args.dump}")
    return opts


def shape(args: Namespace) -> dict[str, Any]:
    """Return the arguments of `build.from_nest_command` that say how much the instance gets."""
    nodes, slots = jobspec_args.number(args, "nodes"), jobspec_args.number(args, "nslots")
    if args.exclusive and not nodes:
        raise BournError("--exclusive can only be set with a node count")
    if nodes and slots and nodes > slots:
        raise BournError(f"--nodes={nodes} must not be greater than --nslots={slots}")
    if not nodes and not slots and args.cores_per_slot is None and args.gpus_per_slot is None:
        raise BournError("the size of the instance isn't given: use -n SLOTS or -N NODES")
    return {
        "num_nodes": nodes,
        "num_slots": slots or nodes or 1,
        "cores_per_slot": jobspec_args.number(args, "cores_per_slot") or 1,
        "gpus_per_slot": jobspec_args.number(args, "gpus_per_slot", least=0),
        "exclusive": args.exclusive,
        "broker_opts": broker_opts(args),
        "conf": configuration(args.conf),
    }


def configuration(texts: list[str]) -> dict[str, Any] | None:
    """Return the instance's configuration, read now: the files may have changed when the job starts."""
    if not texts:
        return None
    from bourn.config.loading import merge, parse_override

    return merge([parse_override(text) for text in texts])


def nested(args: Namespace, command: list[str]) -> dict[str, Any]:
    """Return the jobspec of an instance that runs `command`."""
    return jobspec_args.assemble(args, lambda extra: build.from_nest_command(command, **shape(args), **extra))


def wait_for_uri(h: Handle, id: JobID) -> str:
    """Wait until the instance that a job is tells its address; BournError if the job ends before."""
    from bourn.client.events import watch_log

    why = ""
    for event in watch_log(h, id):
        context = event.get("context") or {}
        if event["name"] == "memo" and context.get("uri"):
            return str(context["uri"])
        if event["name"] == "exception" and context.get("severity") == 0:
            why = f": {context.get('note') or context.get('type')}"
        if event["name"] == "finish":
            break
    raise BournError(f"job {id} ended before its instance was up{why}")
