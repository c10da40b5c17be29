"""`bourn uptime`, `dmesg`, `version`, `shutdown`, `env`: the instance itself."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from bourn.cli.parser import Parser
from bourn.client.handle import Handle
from bourn.errors import BournError, RPCError


def uptime(argv: list[str]) -> int:
    """Print time, state, age, owner, depth, size, and what is amiss."""
    parser = Parser(prog="bourn uptime", description="Print how the instance is doing.")
    parser.parse_args(argv)
    from bourn.cli.format import short_duration

    with Handle() as h:
        info = h.rpc("broker.uptime").get()
        notes = _notes(h)
    owner = _user(info["owner"])
    line = f" {time.strftime('%H:%M:%S')} {info['state']} {short_duration(info['uptime'])},"
    print(
        f"{line}  owner {owner},  depth {info['level']},  size {info['size']}"
        + "".join(f",  {n}" for n in notes)
    )
    return 0


def _notes(h: Handle) -> list[str]:
    """Return what keeps the instance from working as usual; services that aren't there say nothing."""
    notes = []
    try:
        queues = h.rpc("job-manager.queue-list").get()["queues"]
        if any(not queue["enable"] for queue in queues):
            notes.append("submit disabled")
        if any(not queue["start"] for queue in queues):
            notes.append("scheduling stopped")
        from bourn.model.idset import IdSet

        drained = sum(len(IdSet(entry["ranks"])) for entry in h.rpc("resource.status").get()["drain"])
        if drained:
            notes.append(f"{drained} drained")
    except RPCError:
        pass
    return notes


def _user(userid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(userid).pw_name
    except KeyError:
        return str(userid)


def dmesg(argv: list[str]) -> int:
    """Print the ring buffer of the broker's log."""
    parser = Parser(prog="bourn dmesg", description="Print the broker's log.")
    parser.add_argument("-C", "--clear", action="store_true", help="empty it")
    parser.add_argument("-c", "--read-clear", action="store_true", help="print, then empty it")
    parser.add_argument("-f", "--follow", action="store_true", help="wait for further entries")
    parser.add_argument("-n", "--new", action="store_true", help="with --follow, only new entries")
    parser.add_argument("-H", "--human", action="store_true", help="print local times")
    args = parser.parse_args(argv)
    with Handle() as h:
        if not args.clear:
            first = True
            for reply in h.rpc("log.dmesg", {"follow": args.follow or args.new}, streaming=True):
                if not (first and args.new):
                    _print_entries(reply["entries"], args.human)
                first = False
        if args.clear or args.read_clear:
            h.rpc("log.clear").get()
    return 0


def _print_entries(entries: list[dict[str, Any]], human: bool) -> None:
    for entry in entries:
        stamp = entry["timestamp"]
        moment = time.localtime(stamp) if human else time.gmtime(stamp)
        text = time.strftime("%b%d %H:%M:%S" if human else "%Y-%m-%dT%H:%M:%S", moment)
        when = f"[{text}]" if human else f"{text}.{int(stamp % 1 * 1e6):06d}Z"
        print(f"{when} {entry['name']}.{entry['level']}[{entry['rank']}]: {entry['text']}", flush=True)


def version(argv: list[str]) -> int:
    """Print the versions of the command and, in an instance, of its broker."""
    parser = Parser(prog="bourn version", description="Print versions.")
    parser.parse_args(argv)
    from bourn._version import __version__

    print(f"commands:  {__version__}")
    print(f"python:    {sys.version.split()[0]}")
    if os.environ.get("BOURN_URI"):
        try:
            with Handle() as h:
                print(f"broker:    {h.rpc('attr.get', {'name': 'version'}).get()['value']}")
                print(f"BOURN_URI: {os.environ['BOURN_URI']}")
        except BournError as error:
            print(f"broker:    {error.message}")
    return 0


def shutdown(argv: list[str]) -> int:
    """End the instance, and wait until it has."""
    parser = Parser(prog="bourn shutdown", description="Shut the instance down.")
    parser.add_argument("--background", action="store_true", help="don't wait for the end")
    parser.add_argument(
        "--keep-jobs",
        "--keep",
        action="store_true",
        help="leave running jobs running: the next start on the state directory takes them up",
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing")
    parser.add_argument("-y", "--yes", action="store_true", help="(accepted; nothing is asked)")
    args = parser.parse_args(argv)
    with Handle() as h:
        h.rpc("broker.shutdown", {"keep": args.keep_jobs}).get()
        if not args.background:
            _until_gone(h)
    return 0


def _until_gone(h: Handle) -> None:
    """Wait until the broker hangs up; an open stream ends with the connection."""
    try:
        for _ in h.rpc("log.dmesg", {"follow": True}, streaming=True):
            pass
    except (BournError, OSError):
        pass


def env(argv: list[str]) -> int:
    """Print Bourn's variables, or run a command with them."""
    parser = Parser(prog="bourn env", description="Print Bourn's environment, or run a command in it.")
    parser.add_argument("command", nargs="*", metavar="COMMAND")
    args, rest = parser.parse_known_args(argv)
    words = [*args.command, *rest]
    if words and words[0] == "--":
        words = words[1:]
    if words:
        os.execvp(words[0], words)
    for name in sorted(os.environ):
        if name.startswith("BOURN_"):
            print(f"{name}={os.environ[name]}")
    return 0
