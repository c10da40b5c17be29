"""The commands of `bourn resource-query`. Each takes a session and words, and returns False to quit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from bourn_plugins.sched_graph.query import graph_commands as graph
from bourn_plugins.sched_graph.query import job_commands as jobs
from bourn_plugins.sched_graph.query.session import complain, read_file
from bourn_plugins.sched_graph.walk.traverser import Op

if TYPE_CHECKING:
    from collections.abc import Callable

    from bourn_plugins.sched_graph.query.session import Session


@frozen
class Command:
    """A command, its abbreviation and its line of help."""

    name: str
    short: str
    run: Callable[[Session, list[str]], bool]
    note: str


def cat(session: Session, words: list[str]) -> bool:
    """Print a file."""
    if len(words) != 2:
        complain("ERROR: malformed command")
        return True
    content = read_file(words[1])
    if content is not None:
        for line in content.decode(errors="replace").splitlines():
            print(line)
        print(f"INFO: Jobspec in {words[1]}")
    return True


def help_text(session: Session, words: list[str]) -> bool:
    """Print the help of one command, or of all."""
    wanted = words[1] if len(words) == 2 else None
    shown = [each for each in COMMANDS if wanted in (None, each.name, each.short)]
    for each in shown:
        print(f"INFO: {each.name} ({each.short}) -- {each.note}")
    if not shown:
        print(f"ERROR: unknown command: {wanted}")
    return True


def quit_session(session: Session, words: list[str]) -> bool:
    """Leave."""
    return False


_OP_NOTE = " | ".join(op.value for op in Op)
COMMANDS = (
    Command("match", "m", jobs.match, f"Match a jobspec: match ({_OP_NOTE}) jobspec"),
    Command(
        "multi-match",
        "M",
        jobs.multi_match,
        "Match jobspecs until one fails: multi-match OP jobspec1 jobspec2 ...",
    ),
    Command(
        "update",
        "u",
        jobs.update,
        "Install resources that were matched elsewhere: "
        "update (allocate | reserve) (jgf | jgf_shorthand | rv1exec) file jobid starttime duration",
    ),
    Command("attach", "j", graph.attach, "Attach a JGF subgraph: attach jgf_file"),
    Command(
        "remove",
        "r",
        graph.remove,
        "Remove a subgraph: remove (/path/to/vertex | idset of ranks) (true | false)",
    ),
    Command(
        "find",
        "f",
        graph.find_vertices,
        "Find resources: find status={up|down} sched-now={allocated|free} sched-future={reserved|free} "
        "agfilter={true|false} names=hostlist jobid-alloc=jobid jobid-span=jobid jobid-tag=jobid "
        "jobid-reserved=jobid property=name, joined by and, or, parentheses",
    ),
    Command("cancel", "c", jobs.cancel, "Cancel an allocation or reservation: cancel jobid [stats]"),
    Command(
        "partial-cancel",
        "pc",
        jobs.release_part,
        "Release a part of an allocation: partial-cancel jobid (jgf | jgf_shorthand | rv1exec) file [stats]",
    ),
    Command("set-property", "p", graph.set_property, "Add a property: set-property PATH PROPERTY=VALUE"),
    Command("get-property", "g", graph.get_property, "Print the properties: get-property PATH"),
    Command("set-status", "t", graph.set_status, "Set a vertex up or down: set-status PATH (up | down)"),
    Command("get-status", "e", graph.get_status, "Print a vertex's status: get-status PATH"),
    Command("list", "l", jobs.list_jobs, "List all jobs: list"),
    Command("info", "i", jobs.info, "Print a job: info jobid"),
    Command("stat", "s", jobs.stat, "Print match times: stat"),
    Command("cat", "a", cat, "Print a jobspec: cat jobspec"),
    Command("help", "h", help_text, "Print this, or the help of one command: help [command]"),
    Command("quit", "q", quit_session, "Leave: quit"),
)


def lookup(word: str) -> Command | None:
    """Return the command of a name or an abbreviation."""
    for command in COMMANDS:
        if word in (command.name, command.short):
            return command
    return None
