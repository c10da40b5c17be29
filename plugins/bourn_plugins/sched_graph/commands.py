"""The commands of `bourn resource-query`. Each takes a session and words, and returns False to quit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from bourn.errors import BournError
from bourn.model.idset import IdSet
from bourn_plugins.sched_graph import changes
from bourn_plugins.sched_graph.find import find
from bourn_plugins.sched_graph.session import RULE, complain
from bourn_plugins.sched_graph.traverser import Op

if TYPE_CHECKING:
    from collections.abc import Callable

    from bourn_plugins.sched_graph.session import Session

_OPS = {op.value: op for op in Op}


@frozen
class Command:
    """A command, its abbreviation and its line of help."""

    name: str
    short: str
    run: Callable[[Session, list[str]], bool]
    note: str


def match(session: Session, words: list[str]) -> bool:
    """Match one jobspec."""
    if len(words) != 3:
        complain("ERROR: malformed command")
    elif words[1] not in _OPS:
        complain(f"ERROR: unknown subcmd {words[1]}")
    else:
        session.match(_OPS[words[1]], words[2])
    return True


def multi_match(session: Session, words: list[str]) -> bool:
    """Match several jobspecs, until the first that finds nothing."""
    if len(words) <= 3:
        complain("ERROR: malformed command")
    elif words[1] not in _OPS:
        complain(f"ERROR: unknown subcmd {words[1]}")
    else:
        for file in words[2:]:
            if not session.match(_OPS[words[1]], file):
                break
    return True


def find_vertices(session: Session, words: list[str]) -> bool:
    """Print the vertices that meet criteria."""
    if len(words) < 2:
        complain("ERROR: malformed command: ")
        return True
    criteria = " ".join(words[1:])
    try:
        found = find(session.traverser, criteria)
        if not found and session.writer.name in ("rlite", "rv1", "rv1_nosched", "rv1_shorthand"):
            raise BournError("find writer emit: nothing was found")
        session.write(found)
    except BournError as error:
        complain(f"find: ERROR: {error.message}")
        return True
    session.say(RULE, f'INFO: EXPRESSION="{criteria}"', RULE)
    return True


def cancel(session: Session, words: list[str]) -> bool:
    """Release a job."""
    if not 2 <= len(words) <= 3:
        complain("ERROR: malformed command")
        return True
    job = _number(words[1])
    record = session.jobs.get(job)
    if record is None or record.state not in ("ALLOCATED", "RESERVED"):
        complain(f"cancel: ERROR: nonexistent job {job}")
        return True
    session.traverser.cancel(job)
    record.state = "CANCELED"
    if words[2:] == ["stats"]:
        _tell_visits(session, "CANCEL")
    return True


def partial_cancel(session: Session, words: list[str]) -> bool:
    """Release a part of a job."""
    if not 4 <= len(words) <= 5:
        complain("ERROR: malformed command")
        return True
    job, format, file = _number(words[1]), words[2], words[3]
    if format not in ("jgf", "jgf_shorthand", "rv1exec"):
        complain(f"ERROR: unsupported reader {format}")
        return True
    content = changes.read_file(file)
    if content is None:
        return True
    record = session.jobs.get(job)
    if record is None or record.state not in ("ALLOCATED", "RESERVED"):
        complain(f"ERROR: nonexistent job {job}")
        return True
    if record.state == "RESERVED":
        complain("ERROR: reservations not currently supported by partial cancel")
        return True
    try:
        if changes.partial_cancel(session.traverser, job, format, content):
            record.state = "CANCELED"
    except BournError as error:
        complain(f"ERROR: {file}: {error.message}")
        complain(f"ERROR: error encountered while removing job {job}")
    if words[4:] == ["stats"]:
        _tell_visits(session, "PARTIAL CANCEL")
    return True


def _tell_visits(session: Session, what: str) -> None:
    traverser = session.traverser
    session.say(
        RULE,
        f'INFO: {what} PREORDER COUNT="{traverser.preorder}"',
        f'INFO: {what} POSTORDER COUNT="{traverser.postorder}"',
        RULE,
    )


def update(session: Session, words: list[str]) -> bool:
    """Install an R that was matched elsewhere."""
    if len(words) != 7:
        complain("ERROR: malformed command")
    elif words[1] not in ("allocate", "reserve"):
        complain(f"ERROR: unknown subcmd {words[1]}")
    elif words[2] not in ("jgf", "jgf_shorthand", "rv1exec"):
        complain(f"ERROR: unsupported reader {words[2]}")
    else:
        job, at, duration = (_number(word) for word in words[4:])
        changes.update(session, words[2], words[3], job, at, duration, reserve=words[1] == "reserve")
    return True


def attach(session: Session, words: list[str]) -> bool:
    """Add a subgraph."""
    if len(words) != 2:
        complain("ERROR: malformed command")
        return True
    content = changes.read_file(words[1])
    if content is not None:
        try:
            changes.attach(session.traverser, content)
        except BournError as error:
            complain("ERROR: can't attach JGF subgraph ")
            complain(f"ERROR: {words[1]}: {error.message}")
    return True


def remove(session: Session, words: list[str]) -> bool:
    """Remove a subgraph, by path or by ranks."""
    if len(words) != 3:
        complain("ERROR: malformed command")
        return True
    if words[2] not in ("true", "false"):
        complain("ERROR: invalid path boolean input ")
        return True
    traverser = session.traverser
    try:
        if words[2] == "true":
            vertices = traverser.graph.by_path(words[1])[-1:]
        else:
            vertices = changes.rank_roots(traverser.graph, IdSet(words[1]))
        if not vertices:
            raise BournError(f"there is no {words[1]} in the graph")
        changes.remove(traverser, vertices, release=words[2] == "false")
    except BournError as error:
        complain("ERROR: can't remove subgraph ")
        complain(f"ERROR: {error.message}")
    return True


def set_property(session: Session, words: list[str]) -> bool:
    """Set a property of the vertices of a path."""
    if len(words) != 3:
        complain("ERROR: malformed command")
        return True
    key, equals, value = words[2].partition("=")
    if not key or not equals or not value:
        session.say("Incorrect input format. ", "Please use `set-property <resource> PROPERTY=VALUE`.")
        return True
    vertices = session.traverser.graph.by_path(words[1])
    if not vertices:
        session.say(f"Couldn't find path {words[1]} in resource graph.")
    for vertex in vertices:
        vertex.properties = {**(vertex.properties or {}), key: value}
    return True


def get_property(session: Session, words: list[str]) -> bool:
    """Print the properties of the vertices of a path."""
    if len(words) != 2:
        complain("ERROR: malformed command")
        return True
    vertices = session.traverser.graph.by_path(words[1])
    if not vertices:
        session.say(f"Could not find path {words[1]} in resource graph.")
    for vertex in vertices:
        if vertex.properties:
            session.say(*(f"{key}={value}" for key, value in sorted(vertex.properties.items())))
        else:
            session.say(f"No properties were found for {words[1]} (vtx's uniq_id={vertex.uniq_id}).")
    return True


def set_status(session: Session, words: list[str]) -> bool:
    """Set the vertices of a path up or down."""
    if len(words) != 3:
        complain("ERROR: malformed command")
        return True
    vertices = session.traverser.graph.by_path(words[1])
    if not vertices:
        session.say(f"Could not find path {words[1]} in resource graph.")
    elif words[2] not in ("up", "down"):
        complain("ERROR: unrecognized status")
    else:
        session.traverser.mark(vertices, words[2] == "up")
    return True


def get_status(session: Session, words: list[str]) -> bool:
    """Print the status of the vertices of a path."""
    if len(words) != 2:
        complain("ERROR: malformed command")
        return True
    vertices = session.traverser.graph.by_path(words[1])
    if not vertices:
        session.say(f"Could not find path {words[1]} in resource graph.")
    session.say(*(f"{words[1]} is {'up' if vertex.up else 'down'}" for vertex in vertices))
    return True


def list_jobs(session: Session, words: list[str]) -> bool:
    """Print all jobs."""
    for job in sorted(session.jobs):
        _tell_job(session, job)
    return True


def info(session: Session, words: list[str]) -> bool:
    """Print one job."""
    if len(words) != 2:
        complain("ERROR: malformed command")
    elif _number(words[1]) not in session.jobs:
        print(f"ERROR: jobid doesn't exist: {words[1]}")
    else:
        _tell_job(session, _number(words[1]))
    return True


def _tell_job(session: Session, job: int) -> None:
    record = session.jobs[job]
    print(f"INFO: {record.id}, {record.state}, {record.at}, {record.file}, {record.overhead:g}")


def stat(session: Session, words: list[str]) -> bool:
    """Print match times."""
    if len(words) != 1:
        complain("ERROR: malformed command")
        return True
    number = len(session.jobs)
    print(f"INFO: Num. of Jobs Matched: {number}")
    print(f"INFO: Min. Match Time: {session.fastest:g}")
    print(f"INFO: Max. Match Time: {session.slowest:g}")
    print(f"INFO: Avg. Match Time: {session.total_time / number if number else 0:g}")
    return True


def cat(session: Session, words: list[str]) -> bool:
    """Print a file."""
    if len(words) != 2:
        complain("ERROR: malformed command")
        return True
    content = changes.read_file(words[1])
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


def _number(text: str) -> int:
    """Return the integer at the start of a text, 0 if there is none."""
    digits = text.lstrip("+-")
    end = next((i for i, c in enumerate(digits) if not c.isdigit()), len(digits))
    number = int(digits[:end] or 0)
    return -number if text.startswith("-") else number


_OP_NOTE = " | ".join(_OPS)
COMMANDS = (
    Command("match", "m", match, f"Match a jobspec: match ({_OP_NOTE}) jobspec"),
    Command(
        "multi-match",
        "M",
        multi_match,
        "Match jobspecs until one fails: multi-match OP jobspec1 jobspec2 ...",
    ),
    Command(
        "update",
        "u",
        update,
        "Install resources that were matched elsewhere: "
        "update (allocate | reserve) (jgf | jgf_shorthand | rv1exec) file jobid starttime duration",
    ),
    Command("attach", "j", attach, "Attach a JGF subgraph: attach jgf_file"),
    Command(
        "remove", "r", remove, "Remove a subgraph: remove (/path/to/vertex | idset of ranks) (true | false)"
    ),
    Command(
        "find",
        "f",
        find_vertices,
        "Find resources: find status={up|down} sched-now={allocated|free} sched-future={reserved|free} "
        "agfilter={true|false} names=hostlist jobid-alloc=jobid jobid-span=jobid jobid-tag=jobid "
        "jobid-reserved=jobid property=name, joined by and, or, parentheses",
    ),
    Command("cancel", "c", cancel, "Cancel an allocation or reservation: cancel jobid [stats]"),
    Command(
        "partial-cancel",
        "pc",
        partial_cancel,
        "Release a part of an allocation: partial-cancel jobid (jgf | jgf_shorthand | rv1exec) file [stats]",
    ),
    Command("set-property", "p", set_property, "Add a property: set-property PATH PROPERTY=VALUE"),
    Command("get-property", "g", get_property, "Print the properties: get-property PATH"),
    Command("set-status", "t", set_status, "Set a vertex up or down: set-status PATH (up | down)"),
    Command("get-status", "e", get_status, "Print a vertex's status: get-status PATH"),
    Command("list", "l", list_jobs, "List all jobs: list"),
    Command("info", "i", info, "Print a job: info jobid"),
    Command("stat", "s", stat, "Print match times: stat"),
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
