"""`bourn dump` and `bourn restore`: save and load an instance's store."""

from __future__ import annotations

import base64
import contextlib
import os
import sys
from typing import IO, TYPE_CHECKING

from bourn.cli.parser import Parser
from bourn.client.handle import Handle

if TYPE_CHECKING:
    from collections.abc import Iterator

PIECE = 1 << 20


def dump(argv: list[str]) -> int:
    """Save the store to a file, which is there whole or not at all."""
    parser = Parser(prog="bourn dump", description="Save a consistent copy of the instance's store.")
    parser.add_argument("-q", "--quiet", action="store_true", help="don't say what was saved")
    parser.add_argument("file", metavar="FILE", help="a tar archive to write; `-` is standard output")
    args = parser.parse_args(argv)
    if args.file == "-":
        with Handle() as h:
            for piece in _pieces(h):
                sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
        return 0
    part = f"{args.file}.part"
    try:
        with Handle() as h, open(part, "wb") as file:
            for piece in _pieces(h):
                file.write(piece)
            size = file.tell()
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, args.file)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(part)
        raise
    if not args.quiet:
        print(f"saved {size} bytes to {args.file}", file=sys.stderr)
    return 0


def _pieces(h: Handle) -> Iterator[bytes]:
    for piece in h.rpc("store.dump", streaming=True):
        yield base64.b64decode(piece["data"])


def restore(argv: list[str]) -> int:
    """Load a file into the store of an instance that has had no jobs."""
    parser = Parser(
        prog="bourn restore",
        description="Load what `bourn dump` saved into an instance that has no jobs, for example\n"
        "`bourn start -S statedir=DIR bourn restore FILE`.\n"
        "Jobs that were active go on when an instance is next started on that directory.",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="don't say what was loaded")
    parser.add_argument("file", metavar="FILE", help="a dump; `-` is standard input")
    args = parser.parse_args(argv)
    with contextlib.ExitStack() as stack:
        file: IO[bytes] = sys.stdin.buffer if args.file == "-" else stack.enter_context(open(args.file, "rb"))
        h = stack.enter_context(Handle())
        while piece := file.read(PIECE):
            h.rpc("store.restore", {"data": base64.b64encode(piece).decode()}).get()
        rows = h.rpc("store.restore", {"data": ""}).get()["rows"]
    if not args.quiet:
        print(f"loaded {rows.get('job', 0)} jobs, {rows.get('active', 0)} of them active", file=sys.stderr)
    return 0
