"""The commands of `bourn resource-query`. Each takes a session and the words after its name."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from attrs import frozen

from bourn.errors import BournError
from bourn_plugins.sched_graph.query import graph_commands as graph
from bourn_plugins.sched_graph.query import job_commands as jobs
from bourn_plugins.sched_graph.query.session import read_file
from bourn_plugins.sched_graph.walk.traverser import Op

if TYPE_CHECKING:
    from collections.abc import Callable

    from bourn_plugins.sched_graph.query.session import Session


@frozen
class Command:
    """A command, its abbreviation and its line of help."""

    name: str
    short: str
    run: Callable[[Session, list[str]], None]
    note: str
    least: int = 0
    """Words after its name, at least and at most."""
    most: float = math.inf

    def obey(self, session: Session, words: list[str]) -> None:
        """Run it; `BournError` says what is wrong."""
        if not self.least <= len(words) <= self.most:
            raise BournError("malformed command")
        self.run(session, words)


def cat(session: Session, words: list[str]) -> None:
    """Print a file."""
    for line in read_file(words[0]).decode(errors="replace").splitlines():
        print(line)
    print(f"INFO: Jobspec in {words[0]}")


def help_text(session: Session, words: list[str]) -> None:
    """Print the help of one command, or of all."""
    wanted = words[0] if len(words) == 1 else None
    shown = [each for each in COMMANDS if wanted in (None, each.name, each.short)]
    for each in shown:
        print(f"INFO: {each.name} ({each.short}) -- {each.note}")
    if not shown:
        print(f"ERROR: unknown command: {wanted}")


def quit_session(session: Session, words: list[str]) -> None:
    """Leave."""
    session.over = True


_OP_NOTE = " | ".join(op.value for op in Op)
COMMANDS = (
    Command("match", "m", jobs.match, f"Match a jobspec: match ({_OP_NOTE}) jobspec", 2, 2),
    Command(
        "multi-match",
        "M",
        jobs.match,
        "Match jobspecs until one fails: multi-match OP jobspec1 jobspec2 ...",
        3,
    ),
    Command(
        "update",
        "u",
        jobs.update,
        "Install resources that were matched elsewhere: "
        "update (allocate | reserve) (jgf | jgf_shorthand | rv1exec) file jobid starttime duration",
        6,
        6,
    ),
    Command("attach", "j", graph.attach, "Attach a JGF subgraph: attach jgf_file", 1, 1),
    Command(
        "remove",
        "r",
        graph.remove,
        "Remove a subgraph: remove (/path/to/vertex | idset of ranks) (true | false)",
        2,
        2,
    ),
    Command(
        "find",
        "f",
        graph.find_vertices,
        "Find resources: find status={up|down} sched-now={allocated|free} sched-future={reserved|free} "
        "agfilter={true|false} names=hostlist jobid-alloc=jobid jobid-span=jobid jobid-tag=jobid "
        "jobid-reserved=jobid property=name, joined by and, or, parentheses",
        1,
    ),
    Command("cancel", "c", jobs.cancel, "Cancel an allocation or reservation: cancel jobid [stats]", 1, 2),
    Command(
        "partial-cancel",
        "pc",
        jobs.release_part,
        "Release a part of an allocation: partial-cancel jobid (jgf | jgf_shorthand | rv1exec) file [stats]",
        3,
        4,
    ),
    Command(
        "set-property", "p", graph.set_property, "Add a property: set-property PATH PROPERTY=VALUE", 2, 2
    ),
    Command("get-property", "g", graph.get_property, "Print the properties: get-property PATH", 1, 1),
    Command(
        "set-status", "t", graph.set_status, "Set a vertex up or down: set-status PATH (up | down)", 2, 2
    ),
    Command("get-status", "e", graph.get_status, "Print a vertex's status: get-status PATH", 1, 1),
    Command("list", "l", jobs.list_jobs, "List all jobs: list"),
    Command("info", "i", jobs.info, "Print a job: info jobid", 1, 1),
    Command("stat", "s", jobs.stat, "Print match times: stat", 0, 0),
    Command("cat", "a", cat, "Print a jobspec: cat jobspec", 1, 1),
    Command("help", "h", help_text, "Print this, or the help of one command: help [command]"),
    Command("quit", "q", quit_session, "Leave: quit"),
)


def lookup(word: str) -> Command | None:
    """Return the command of a name or an abbreviation."""
    for command in COMMANDS:
        if word in (command.name, command.short):
            return command
    return None
