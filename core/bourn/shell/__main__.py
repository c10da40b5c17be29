"""`python -m bourn.shell --socket PATH`: a shell host. Normally started by the shell-manager module of a
broker."""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
from contextlib import suppress

USAGE = """usage: python -m bourn.shell (--socket PATH | --fd N) [--dir PATH] [--grace SECONDS] [--spool PATH]
  --socket PATH    listen there (mode 0600)
  --fd N           listen on this inherited socket
  --unlink PATH    remove this at the end, as the name of the inherited socket; may be repeated
  --name NAME      what no other host is called; made up without it
  --dir PATH       where jobs' temporary directories are made (default $TMPDIR)
  --disable NAMES  shell plugins to leave out, with commas
  --private JOB    this is the host of one job only, started by the user's
  --plugin FILE    a file of further shell plugins for it; may be repeated
  --grace SECONDS  how long to live on, with the jobs, when the broker is gone (default 0)
  --timeout SECS   after how long the host of one job that doesn't answer is killed (default 60)
  --spool PATH     a directory for what jobs write while the broker is gone; without one, they wait
  --spool-limit N  how many bytes of it to keep there (default 1 GiB)"""


def main(argv: list[str]) -> int:
    """Run a host until its broker ends it."""
    options = {"--socket": "", "--fd": "", "--dir": "", "--grace": "0", "--disable": ""}
    options |= {
        "--private": "",
        "--spool": "",
        "--spool-limit": str(1 << 30),
        "--timeout": "60",
        "--name": "",
    }
    files: dict[str, list[str]] = {"--plugin": [], "--unlink": []}
    words = iter(argv)
    for word in words:
        value = next(words, None)
        if word in files and value is not None:
            files[word].append(value)
            continue
        if word not in options or value is None:
            print(f"bourn.shell: {word}: unknown, or a value is missing\n{USAGE}", file=sys.stderr)
            return 2
        options[word] = value
    path = options["--socket"]
    if bool(path) == bool(options["--fd"]):
        print(USAGE, file=sys.stderr)
        return 2
    # 0, 1 and 2 are never given to anything else, and what the host prints goes to the broker's log.
    listener = socket.socket(fileno=int(options["--fd"])) if options["--fd"] else _listen(path)
    os.set_inheritable(listener.fileno(), False)

    from bourn.shell.host import Host
    from bourn.shell.orphans import adopt_orphans
    from bourn.shell.plugins import add_files, load_plugins
    from bourn.shell.spool import Spool

    adopt_orphans()
    # Terminals are the users'; a task's limit of CPU time may touch the host for an instant.
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGXCPU):
        signal.signal(ignored, signal.SIG_IGN)
    disabled = options["--disable"].split(",")
    plugins, problems = load_plugins(disabled)
    host = Host(
        listener,
        options["--dir"],
        add_files(plugins, files["--plugin"]),
        grace=float(options["--grace"]),
        spool=Spool(options["--spool"], int(options["--spool-limit"])) if options["--spool"] else None,
        name=options["--name"],
        timeout=float(options["--timeout"]),
        disabled=disabled,
        private=bool(options["--private"]),
    )
    for level, text in problems:
        host.message(level, text)
    signal.signal(signal.SIGTERM, lambda *_: host.end())
    # A host makes no garbage but what jobs leave: there is no use in looking at all that it started with.
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)
    try:
        host.run()
    finally:
        for name in [path, *files["--unlink"]]:
            with suppress(OSError):
                os.unlink(name)
    return 0


def _listen(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    mask = os.umask(0o177)
    try:
        listener.bind(path)
    finally:
        os.umask(mask)
    listener.listen(4)
    return listener


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    # All is put away; the interpreter's own tidying would only keep the end of an instance waiting.
    os._exit(code)
