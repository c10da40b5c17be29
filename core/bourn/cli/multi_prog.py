"""`bourn multi-prog`: each task of a parallel job becomes the program that a file names for its rank."""

from __future__ import annotations

import os
import re
import shlex
import sys
from typing import TYPE_CHECKING

from bourn.cli.parser import Parser
from bourn.errors import BournError
from bourn.model.idset import IdSet

if TYPE_CHECKING:
    from collections.abc import Iterable

_TAG = re.compile(r"%(.)")


def main(argv: list[str]) -> int:
    """Become the program of this task, or print those of some tasks."""
    parser = Parser(
        prog="bourn multi-prog",
        usage="bourn multi-prog [OPTIONS] FILE",
        description="Run the program that FILE names for this task. Each line is RANKS COMMAND...: an idset "
        "of task ranks, or * for all others, and a command as for a shell, in which %%t is the task's rank "
        "and %%o its place among RANKS. As in: bourn run -n4 bourn multi-prog FILE",
    )
    parser.add_argument("-n", "--dry-run", metavar="RANKS", help="print the commands of these tasks")
    parser.add_argument("file", metavar="FILE")
    args = parser.parse_args(argv)
    try:
        with open(args.file, encoding="utf-8") as file:
            programs = Programs(file, args.file)
    except (OSError, UnicodeDecodeError) as error:
        raise BournError(f"{args.file}: {getattr(error, 'strerror', None) or error}") from None
    if args.dry_run is not None:
        for rank in IdSet(args.dry_run):
            print(f"{rank}: {shlex.join(programs.command(rank))}")
        return 0
    text = os.environ.get("BOURN_TASK_RANK", "")
    if not text.isdigit():
        raise BournError("this is no task of a job: BOURN_TASK_RANK isn't set")
    return _become(programs.command(int(text)))


class Programs:
    """What a file says, by task rank."""

    def __init__(self, lines: Iterable[str], path: str) -> None:
        self._path = path
        self._lines: list[tuple[IdSet | None, list[str]]] = []
        taken: dict[int, int] = {}
        for number, line in enumerate(lines, 1):
            where = f"{path}: line {number}"
            try:
                words = shlex.split(line, comments=True)
                ranks = None if not words or words[0] == "*" else IdSet(words[0])
            except (ValueError, BournError) as error:
                raise BournError(f"{where}: {error}") from None
            if not words:
                continue
            if len(words) < 2:
                raise BournError(f"{where}: no command follows the task ranks")
            for rank in ranks or ():
                if rank in taken:
                    raise BournError(f"{where}: task {rank} has a program already, in line {taken[rank]}")
                taken[rank] = number
            for tag in _TAG.findall("\0".join(words[1:])):
                if tag not in "to%":
                    raise BournError(f"{where}: %{tag}: right is %t, %o, or %% for a percent sign")
            self._lines.append((ranks, words[1:]))

    def command(self, rank: int) -> list[str]:
        """Return the command of a task; BournError when no line is for it."""
        named = IdSet()
        for ranks, words in self._lines:
            if ranks is not None:
                if rank in ranks:
                    return _fill(words, rank, sum(other < rank for other in ranks))
                named |= ranks
        for ranks, words in self._lines:
            if ranks is None:
                return _fill(words, rank, rank - sum(other < rank for other in named))
        raise BournError(f"{self._path}: no line is for task {rank}")


def _fill(words: list[str], rank: int, offset: int) -> list[str]:
    values = {"t": str(rank), "o": str(offset), "%": "%"}
    return [_TAG.sub(lambda match: values[match[1]], word) for word in words]


def _become(command: list[str]) -> int:
    """Run the command in this process; returns only if it can't be started."""
    sys.stdout.flush()
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"bourn-multi-prog: error: {command[0]}: {error.strerror}", file=sys.stderr)
        return 127 if isinstance(error, FileNotFoundError) else 126
