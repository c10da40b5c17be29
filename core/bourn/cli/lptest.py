"""`bourn lptest`: lines of a rotating pattern, to test output with."""

from __future__ import annotations

import sys

from bourn.cli.parser import Parser

PATTERN = "".join(map(chr, range(33, 127)))


def main(argv: list[str]) -> int:
    """Print COUNT lines of LENGTH characters, each one character further into the pattern."""
    parser = Parser(prog="bourn lptest", description="Print lines of a rotating pattern.")
    parser.add_argument("length", nargs="?", type=int, default=79, help="characters a line (79)")
    parser.add_argument("count", nargs="?", type=int, default=200, help="lines (200)")
    args = parser.parse_args(argv)
    wheel = PATTERN * (args.length // len(PATTERN) + 2)
    for line in range(args.count):
        start = line % len(PATTERN)
        sys.stdout.write(wheel[start : start + args.length] + "\n")
    return 0
