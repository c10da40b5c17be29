"""The commands of `bourn resource-query` about jobs: matching, installing, cancelling, listing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bourn.errors import BournError
from bourn_plugins.sched_graph.query.install import install, partial_cancel
from bourn_plugins.sched_graph.query.session import RULE, complain, read_file
from bourn_plugins.sched_graph.walk.traverser import Op, Outcome, Result

if TYPE_CHECKING:
    from bourn_plugins.sched_graph.query.session import Session

_OPS = {op.value: op for op in Op}
_FORMATS = ("jgf", "jgf_shorthand", "rv1exec")


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


def release_part(session: Session, words: list[str]) -> bool:
    """Release a part of a job."""
    if not 4 <= len(words) <= 5:
        complain("ERROR: malformed command")
        return True
    job, format, file = _number(words[1]), words[2], words[3]
    if format not in _FORMATS:
        complain(f"ERROR: unsupported reader {format}")
        return True
    content = read_file(file)
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
        if partial_cancel(session.traverser, job, format, content):
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
    elif words[2] not in _FORMATS:
        complain(f"ERROR: unsupported reader {words[2]}")
    else:
        job, at, duration = (_number(word) for word in words[4:])
        _install(session, words[2], words[3], job, at, duration, reserve=words[1] == "reserve")
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


def _number(text: str) -> int:
    """Return the integer at the start of a text, 0 if there is none."""
    digits = text.lstrip("+-")
    end = next((i for i, c in enumerate(digits) if not c.isdigit()), len(digits))
    number = int(digits[:end] or 0)
    return -number if text.startswith("-") else number


def _install(
    session: Session, format: str, file: str, job: int, at: int, duration: int, *, reserve: bool = False
) -> None:
    """Install what an R in a file says for a job, whole or not at all, and print it."""
    content = read_file(file)
    if content is None:
        return
    record = session.jobs.get(job)
    if record is not None and record.state in ("ALLOCATED", "RESERVED"):
        complain("ERROR: existing Jobid ")
        return
    if at < 0 or duration <= 0:
        complain(f"ERROR: invalid time ({at}, {duration})")
        return
    begin = time.perf_counter()
    try:
        selected = install(session.traverser, format, content, job, at, at + duration, reserve=reserve)
        result = Result(Outcome.MATCHED, at, at + duration, selected)
    except BournError as error:
        complain("ERROR: traverser run () returned error ")
        complain(f"ERROR: {file}: {error.message}")
        result = Result(Outcome.BUSY, at)
    elapsed = time.perf_counter() - begin
    session.write(result.selected, result.at, result.end)
    session.tell_schedule(job, file, result.outcome is Outcome.MATCHED, result, elapsed)
    session.next_job = job + 1
