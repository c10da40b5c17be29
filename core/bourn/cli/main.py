"""`bourn VERB ...`: find the verb's module, import it alone, run it, and print what went wrong in one line.

A verb is one row of `VERBS`: the module that serves it (and its function, `main` unless named) and a summary
for `bourn help`. Nothing but the verb's own module is imported, so that `bourn run true` starts fast. The
function takes the arguments after the verb and returns the exit status.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from bourn.errors import BournError

if TYPE_CHECKING:
    from collections.abc import Callable

VERBS: dict[str, tuple[str, str]] = {
    "start": ("start", "bring up an instance and run a command or shell in it"),
    "submit": ("submit", "submit jobs and print their ids"),
    "run": ("run", "run a job and exit with its status"),
    "bulksubmit": ("bulksubmit", "submit jobs made from a template and inputs"),
    "batch": ("batch", "submit a script that runs in an instance of its own"),
    "alloc": ("alloc", "get an instance of your own to work in"),
    "jobs": ("jobs", "list jobs"),
    "job": ("job", "attach to, wait for, inspect and change jobs"),
    "cancel": ("cancel", "cancel jobs"),
    "resubmit": ("resubmit", "submit jobs again, or the members of an array that failed"),
    "update": ("update", "change attributes of a pending job"),
    "watch": ("watch", "follow jobs until they finish"),
    "top": ("top", "show an instance and its jobs in full screen"),
    "pgrep": ("pgrep", "find jobs by name"),
    "pkill": ("pgrep:pkill", "cancel jobs by name"),
    "queue": ("queue", "list and control queues"),
    "resource": ("resource", "list, drain, undrain and change resources"),
    "housekeeping": ("housekeeping", "see and end what runs on nodes after jobs"),
    "module": ("module", "list, load and remove broker modules"),
    "plugins": ("plugins", "list plugins and their state"),
    "kvs": ("kvs", "read and write the key-value store"),
    "archive": ("archive", "keep files where jobs on all nodes can take them from"),
    "event": ("event", "publish and subscribe to events"),
    "exec": ("exec", "run a command on ranks, outside of any job"),
    "keygen": ("keygen", "make the authority of an instance of several hosts"),
    "overlay": ("overlay", "look at the tree of brokers"),
    "uri": ("uri", "print the address of an instance"),
    "proxy": ("uri:proxy", "run a command against another instance"),
    "relay": ("relay", "stand between an ssh:// address and an instance on this host"),
    "parent": ("uri:parent", "run a bourn command against the instance above (also: bourn --parent)"),
    "tree": ("tree", "raise, show and end a tree of child instances"),
    "grow": ("grow", "borrow resources from the parent instance"),
    "shrink": ("grow:shrink", "give borrowed resources back to the parent instance"),
    "pstree": ("pstree", "show the tree of jobs and nested instances"),
    "ping": ("ping", "measure the latency to a service"),
    "config": ("config", "show and reload the configuration"),
    "getattr": ("attr:getattr_main", "print a broker attribute"),
    "setattr": ("attr:setattr_main", "set a broker attribute"),
    "lsattr": ("attr:lsattr_main", "list broker attributes"),
    "uptime": ("instance:uptime", "print how the instance is doing"),
    "dmesg": ("instance:dmesg", "print the broker's log"),
    "version": ("instance:version", "print versions"),
    "shutdown": ("instance:shutdown", "shut the instance down"),
    "env": ("instance:env", "run a command in, or print, Bourn's environment"),
    "dump": ("dump:dump", "save the store to a file"),
    "restore": ("dump:restore", "load the store from a file"),
    "hostlist": ("hostlist", "compute with host lists"),
    "R": ("rset", "make and read resource sets"),
    "multi-prog": ("multi_prog", "in a parallel job, run another program for each task"),
    "completion": ("completion", "print what a shell needs to complete commands"),
    "lptest": ("lptest", "print a pattern of text"),
}

SECTIONS = {
    "Run": ("start", "run", "submit", "bulksubmit", "resubmit", "batch", "alloc"),
    "Follow": ("jobs", "top", "watch", "job", "pgrep", "pstree"),
    "Change": ("cancel", "update", "pkill", "queue"),
    "Resources": ("resource", "housekeeping", "exec", "R", "hostlist"),
    "Instances": (
        *("uri", "proxy", "parent", "tree", "overlay", "uptime", "dmesg", "shutdown", "keygen"),
        *("config", "getattr", "setattr", "lsattr", "module", "plugins", "version", "env"),
    ),
    "Data": ("kvs", "archive", "event", "ping", "dump", "restore"),
    "Tools": ("multi-prog", "completion", "lptest"),
}
"""How `bourn help` orders them."""


def main(argv: list[str] | None = None) -> int:
    """Run one command line and return its exit status; no traceback reaches the user."""
    args = sys.argv[1:] if argv is None else argv
    if None in (sys.stdin, sys.stdout, sys.stderr):
        _open_standard_streams()
    if os.environ.get("PYTHONUNBUFFERED"):
        _write_all()
    if (sys.stdout.encoding or "utf-8").lower() not in ("utf-8", "utf8"):
        _write_ascii()
    verb, rest = (args[0], args[1:]) if args else ("help", [])
    if verb in ("-h", "--help"):
        verb = "help"
    elif verb in ("-V", "--version"):
        verb = "version"
    elif verb in ("-p", "--parent"):
        verb = "parent"
    name = "bourn"
    try:
        run = _resolve(verb)
        name = "bourn" if verb == "help" else f"bourn-{verb}"
        status = run(rest)
        sys.stdout.flush()
    except BournError as error:
        return _complain(name, error.message)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output left: no message, and none from the interpreter's last flush either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _complain(name, f"{where}{error.strerror or error}")
    return status


def _open_standard_streams() -> None:
    """Open what our caller has closed, lest the next file or socket takes its number: it would be read, or
    written to, as standard input or output.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            fd = os.open(os.devnull, os.O_RDWR)  # it gets the lowest number that is free
            os.set_inheritable(fd, True)
            setattr(sys, name, open(fd, mode, closefd=False, encoding="utf-8"))  # noqa: SIM115


def _write_all() -> None:
    """Give back the buffers that PYTHONUNBUFFERED takes away: without one a write may be cut short, and the
    rest of it is lost.
    """
    import io

    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper) and isinstance(stream.buffer, io.RawIOBase):
            encoding, errors = stream.encoding, stream.errors
            buffer = io.BufferedWriter(stream.detach())
            setattr(sys, name, io.TextIOWrapper(buffer, encoding, errors, line_buffering=True))


def _write_ascii() -> None:
    """Print what the terminal's encoding lacks as something near: job ids as `f...`, which work as well."""
    import codecs
    import io

    def nearest(error: UnicodeError) -> tuple[str, int]:
        assert isinstance(error, UnicodeEncodeError)
        text = error.object[error.start : error.end]
        return "".join("f" if c == "ƒ" else "?" for c in text), error.end

    codecs.register_error("bourn", nearest)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="bourn")


def _complain(name: str, message: str) -> int:
    try:
        sys.stdout.flush()
        print(f"{name}: error: {message}", file=sys.stderr, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def _resolve(verb: str) -> Callable[[list[str]], int]:
    """Return the function that serves `verb`; a verb that isn't stock may come from an installed plugin."""
    from importlib import import_module

    if verb == "help":
        return _help
    entry = VERBS.get(verb)
    if entry is None:
        return _plugin_command(verb)
    module_name, _, function = entry[0].partition(":")
    module = import_module(f"bourn.cli.{module_name}")
    command: Callable[[list[str]], int] = getattr(module, function or "main")
    return command


def _plugin_command(verb: str) -> Callable[[list[str]], int]:
    from bourn.cli.extend import plugin_commands
    from bourn.errors import suggest

    commands = plugin_commands()
    if verb in commands:
        return commands[verb].run
    hint = suggest(verb, [*VERBS, *commands])
    raise BournError(f"no such command '{verb}'{hint if 'did you mean' in hint else '; see `bourn help`'}")


def _help(args: list[str]) -> int:
    """Print the commands, what is to be known of one, or a topic."""
    from bourn.cli import topics

    if args and args[0] == "topics":
        print("\n".join(topics.NAMES))
        return 0
    if args:
        text = topics.topic(args[0])
        if text is None:
            return _resolve(args[0])([*args[1:], "--help"])
        print(text)
        return 0
    from bourn.cli.extend import plugin_commands

    more = plugin_commands()
    width = max(map(len, [*VERBS, *more]))
    lines = ["usage: bourn COMMAND [OPTIONS]"]
    listed = {verb for verbs in SECTIONS.values() for verb in verbs}
    others = tuple(verb for verb in VERBS if verb not in listed)
    for heading, verbs in {**SECTIONS, "Tools": SECTIONS["Tools"] + others}.items():
        lines += ["", heading, *(f"  {verb:<{width}}  {VERBS[verb][1]}" for verb in verbs)]
    if more:
        lines += ["", "From plugins"]
        lines += [f"  {verb:<{width}}  {command.summary}" for verb, command in sorted(more.items())]
    lines += ["", "`bourn COMMAND --help` explains a command, `bourn help TOPIC` what they have in common:"]
    lines += [f"  {', '.join(topics.NAMES)}", "", "`bourn start` gives you an instance, and a shell in it."]
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
