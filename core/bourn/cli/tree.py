"""`bourn tree`: raise a tree of child instances, to which submitted jobs are handed down; show and end it."""

from __future__ import annotations

import json
import os
from argparse import REMAINDER
from typing import TYPE_CHECKING, Any

from bourn.cli.parser import Parser
from bourn.errors import BournError

if TYPE_CHECKING:
    from argparse import Namespace

    from bourn.client.handle import Handle

DESCRIPTION = """\
Show the tree of child instances below this one. With -T raise one: over the resources of this
instance or, with a command, of a new one that ends when the command does. Jobs are submitted
to the root as ever, and run in the leaves.
"""
_KEYS = {
    "policy": "policy",
    "misfits": "misfits",
    "on_child_failure": "on-child-failure",
    "min": "min",
    "max": "max",
    "idle": "idle",
}


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = _parser()
    args = parser.parse_args(argv)
    command: list[str] = args.command_line
    if command[:1] == ["--"]:
        command = command[1:]
    table = _table(args)
    if args.topology is None and (table or command):
        parser.error("name the tree's shape: -T SHAPE, as -T 2x4")
    if args.topology is not None and (command or not os.environ.get("BOURN_URI")):
        return _start(table, args, command)
    if args.conf or args.config_path or args.setattr or args.test_size != 1:
        parser.error("--conf, -c, -S and -s are for a new instance: name its command")
    from bourn.client.handle import Handle

    with Handle() as h:
        if args.topology is not None:
            h.rpc("hierarchy.raise", {"hierarchy": table}).get()
        elif args.remove:
            h.rpc("hierarchy.remove").get()
        elif args.json:
            print(json.dumps(_grown(h, args.level)))
        else:
            _show(_grown(h, args.level))
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog="bourn tree", usage="bourn tree [OPTIONS] [-T SHAPE [COMMAND...]]", description=DESCRIPTION
    )
    add = parser.add_argument
    add("-T", "--topology", metavar="SHAPE", help="children by level: 4, 2x4, nodexcore, [2x2@3,.]")
    add("-p", "--policy", metavar="NAME", help="which child gets a job (round-robin)")
    add("--misfits", metavar="WHAT", help="run or refuse jobs that fit no child (run)")
    add("--on-child-failure", metavar="WHAT", help="retry or fail the jobs of a child that died (retry)")
    add("--min", type=int, metavar="N", help="raise N children, and others on load (all)")
    add("--max", type=int, metavar="N", help="at most N children at a time (all)")
    add("--idle", metavar="DURATION", help="how long a child beyond --min may be idle (1m)")
    add(
        "--child-conf",
        action="append",
        default=[],
        metavar="KEY=VALUE|FILE",
        help="configure the children: a key, or a TOML file",
    )
    add("--remove", action="store_true", help="end the children when they have done what they have")
    add("-L", "--level", type=int, metavar="N", help="show N levels")
    add("--json", action="store_true", help="print JSON")
    group = parser.add_argument_group("a new instance").add_argument
    for names, metavar, text in (
        (["-c", "--config-path"], "PATH", "a TOML file, or a directory of them"),
        (["--conf"], "KEY=VALUE|FILE", "set a key, or read a TOML file"),
        (["-S", "--setattr"], "ATTR=VALUE", "set a broker attribute"),
    ):
        group(*names, action="append", default=[], metavar=metavar, help=text)
    group("-s", "--test-size", type=int, default=1, metavar="N", help="brokers to start on this machine")
    add("command_line", nargs=REMAINDER, metavar="COMMAND", help="what to run in a new instance")
    return parser


def _table(args: Namespace) -> dict[str, Any]:
    """Return `[hierarchy]` as the options say."""
    table = {key: getattr(args, name) for name, key in _KEYS.items() if getattr(args, name) is not None}
    if args.topology is not None:
        table["shape"] = args.topology
    if args.child_conf:
        from bourn.config.loading import merge, parse_override

        table["child"] = merge([parse_override(text) for text in args.child_conf])
    return table


def _start(table: dict[str, Any], args: Namespace, command: list[str]) -> int:
    from bourn.cli.start import main as start

    conf = [f"hierarchy.{key}={_toml(value)}" for key, value in table.items()]
    options = [f"--conf={text}" for text in (*conf, *args.conf)]
    options += [f"--config-path={path}" for path in args.config_path]
    options += [f"--setattr={text}" for text in args.setattr]
    return start([*options, f"--test-size={args.test_size}", "--", *command])


def _toml(value: Any) -> str:
    """Return a value as it stands in one line of TOML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str | bool) else str(value)


def _grown(h: Handle, levels: int | None) -> dict[str, Any]:
    """Return the status of an instance with that of each child under `tree`."""
    from bourn.client.handle import Handle

    status: dict[str, Any] = h.rpc("hierarchy.status").get()
    for child in status["children"]:
        if child["below"] and child["state"] == "up" and levels != 1:
            try:
                with Handle(child["uri"]) as below:
                    child["tree"] = _grown(below, None if levels is None else levels - 1)
            except BournError as error:
                child["error"] = error.message
    return status


def _show(status: dict[str, Any]) -> None:
    if not status["shape"]:
        raise BournError("this instance has no children; `bourn tree -T SHAPE` raises some")
    print(_own(status))
    _show_below(status, "")


def _own(status: dict[str, Any]) -> str:
    text = f"{status['shape']}, {status['policy']}: {status['waiting']} waiting"
    return text + (f", {status['own']} for the instance itself" if status["own"] else "")


def _show_below(status: dict[str, Any], lead: str) -> None:
    from bourn.model.jobid import JobID

    for child in status["children"]:
        last = child is status["children"][-1]
        id = f" {JobID(child['id'])}" if child["id"] else ""
        nodes = f"{child['nnodes']} nodes, " if child["nnodes"] > 1 else ""
        cores = f"{child['ncores']} core{'s' if child['ncores'] != 1 else ''}"
        gpus = f", {child['ngpus']} gpu{'s' if child['ngpus'] != 1 else ''}" if child["ngpus"] else ""
        line = f"{child['index']}{id} {child['state']}: {nodes}{cores}{gpus}"
        line += f"; {child['pending']} pending, {child['running']} running, {child['done']} done"
        below = child.get("tree")
        if below:
            line += f"; {_own(below)}"
        elif child.get("error"):
            line += f"; {child['error']}"
        elif child["note"]:
            line += f"; {child['note']}"
        print(f"{lead}{'└── ' if last else '├── '}{line}")
        if below:
            _show_below(below, lead + ("    " if last else "│   "))
