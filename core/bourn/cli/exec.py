"""`bourn exec`: run a command on ranks, outside of any job."""

from __future__ import annotations

import errno
import os
import select
import signal
import sys
from argparse import REMAINDER
from base64 import b64decode, b64encode
from typing import Any

from bourn.cli.parser import Parser
from bourn.client.handle import Future, Handle
from bourn.errors import BournError, RPCError

DESCRIPTION = """\
Run a command on ranks of the instance, as its owner, outside of any job.
Standard input goes to all of them. The exit status is the highest of theirs.
"""


def main(argv: list[str]) -> int:
    """Run the command and pass input, output and signals on."""
    parser = Parser(prog="bourn exec", description=DESCRIPTION)
    add = parser.add_argument
    add(
        "-r",
        "--rank",
        default="all",
        metavar="IDSET",
        help="ranks to run on, or all (that are online; default)",
    )
    add("-x", "--exclude", default="", metavar="IDSET", help="ranks to leave out")
    add("-d", "--dir", default=None, metavar="PATH", help="working directory (default: this one)")
    add("-l", "--labelio", action="store_true", help="put the rank before each line")
    add("-n", "--noinput", action="store_true", help="give the command no standard input")
    add("-q", "--quiet", action="store_true", help="don't say which ranks failed")
    add("command_line", nargs=REMAINDER, metavar="COMMAND", help="what to run")
    args = parser.parse_args(argv)
    command: list[str] = args.command_line
    if command[:1] == ["--"]:
        command = command[1:]
    if not command:
        raise BournError("no command is given")
    from bourn.model.idset import IdSet

    with Handle() as h:
        everyone = IdSet(h.rpc("groups.get", {"name": "broker.online"}, nodeid=0).get()["members"])
        ranks = everyone if args.rank == "all" else IdSet(args.rank)
        ranks -= IdSet(args.exclude)
        if not ranks:
            raise BournError("no rank is left to run on")
        payload = {"command": command, "cwd": args.dir or os.getcwd(), "stdin": not args.noinput}
        return Execution(h, ranks, payload, label=args.labelio, quiet=args.quiet).run()


class Execution:
    """A command on some ranks."""

    def __init__(self, h: Handle, ranks: Any, payload: dict[str, Any], *, label: bool, quiet: bool) -> None:
        self._h = h
        self._label = label
        self._quiet = quiet
        self._streams: dict[int, Future] = {
            rank: h.rpc("rexec.exec", payload, nodeid=rank, streaming=True) for rank in ranks
        }
        self._pids: dict[int, int] = {}
        self._partial: dict[tuple[int, str], bytes] = {}
        self._writes: list[Future] = []
        self._input = bool(payload["stdin"])
        self._failures: dict[str, list[int]] = {}
        self._waiting_for_start = len(self._streams)
        self._signals: list[int] = []
        self._status = 0

    def run(self) -> int:
        """Go on until all have ended; return the exit status."""
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, lambda number, _frame: self._signals.append(number))
        wake_r, wake_w = os.pipe()
        os.set_blocking(wake_w, False)
        signal.set_wakeup_fd(wake_w, warn_on_full_buffer=False)
        try:
            while True:
                self._take()
                if not self._streams:
                    break
                fds = [self._h.fileno(), wake_r]
                self._writes = [write for write in self._writes if not write.is_ready()]
                if self._input and not self._waiting_for_start and not self._writes:
                    fds.append(0)
                for fd in select.select(fds, [], [])[0]:
                    if fd == self._h.fileno():
                        self._h.poll()
                    elif fd == wake_r:
                        os.read(wake_r, 64)
                    else:
                        self._feed()
                while self._signals:
                    self._kill(self._signals.pop())
        finally:
            signal.set_wakeup_fd(-1)
        for (rank, name), data in self._partial.items():
            if data:
                self._print(rank, name, data)
        if not self._quiet:
            for reason, ranks in sorted(self._failures.items()):
                from bourn.model.idset import IdSet

                print(f"bourn-exec: rank {IdSet(ranks)}: {reason}", file=sys.stderr)
        return self._status

    def _take(self) -> None:
        for rank, stream in list(self._streams.items()):
            while stream.is_ready():
                try:
                    reply = stream.get()
                except RPCError as error:
                    del self._streams[rank]
                    if rank not in self._pids:
                        self._waiting_for_start -= 1
                    self._pids.pop(rank, None)
                    if error.errnum != errno.ENODATA:
                        status = {errno.ENOENT: 127, errno.EACCES: 126}.get(error.errnum, 1)
                        self._fail(rank, status, error.message)
                    break
                stream.reset()
                self._reply(rank, reply)

    def _reply(self, rank: int, reply: dict[str, Any]) -> None:
        if reply["type"] == "started":
            self._pids[rank] = reply["pid"]
            self._waiting_for_start -= 1
        elif reply["type"] == "output":
            text = reply["data"]
            data = b64decode(text) if reply.get("encoding") == "base64" else text.encode()
            self._output(rank, reply["stream"], data)
        elif reply["status"]:
            status = reply["status"]
            if status & 0x7F:
                self._fail(rank, 128 + (status & 0x7F), signal.strsignal(status & 0x7F) or f"signal {status}")
            else:
                self._fail(rank, status >> 8, f"exit {status >> 8}")

    def _fail(self, rank: int, status: int, reason: str) -> None:
        self._status = max(self._status, status)
        self._failures.setdefault(reason, []).append(rank)

    def _output(self, rank: int, name: str, data: bytes) -> None:
        if self._label:
            # Whole lines only, so that those of two ranks don't mix.
            whole, newline, rest = (self._partial.get((rank, name), b"") + data).rpartition(b"\n")
            self._partial[rank, name] = rest
            data = whole + newline
        if data:
            self._print(rank, name, data)

    def _print(self, rank: int, name: str, data: bytes) -> None:
        out = sys.stdout.buffer if name == "stdout" else sys.stderr.buffer
        if self._label:
            data = b"".join(b"%d: %s" % (rank, line) for line in data.splitlines(keepends=True))
        out.write(data)
        out.flush()

    def _feed(self) -> None:
        data = os.read(0, 65536)
        payload = {"data": b64encode(data).decode(), "encoding": "base64", "eof": not data}
        self._input = bool(data)
        for rank, pid in self._pids.items():
            self._writes.append(self._h.rpc("rexec.write", {"pid": pid, **payload}, nodeid=rank))

    def _kill(self, signum: int) -> None:
        for rank, pid in self._pids.items():
            self._h.rpc("rexec.kill", {"pid": pid, "signum": signum}, nodeid=rank, noresponse=True)
