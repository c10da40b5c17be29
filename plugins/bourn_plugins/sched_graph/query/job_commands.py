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


def match(session: Session, words: list[str]) -> None:
    """Match one jobspec, or several until the first that finds nothing."""
    word, *files = words
    if word not in _OPS:
        raise BournError(f"unknown subcmd {word}")
    for file in files:
        if not session.match(_OPS[word], file):
            break


def cancel(session: Session, words: list[str]) -> None:
    """Release a job."""
    job = _number(words[0])
    record = session.jobs.get(job)
    if record is None or not record.holds:
        complain(f"cancel: ERROR: nonexistent job {job}")
        return
    session.traverser.cancel(job)
    record.state = "CANCELED"
    if words[1:] == ["stats"]:
        _tell_visits(session, "CANCEL")


def release_part(session: Session, words: list[str]) -> None:
    """Release a part of a job."""
    job, format, file = _number(words[0]), words[1], words[2]
    if format not in _FORMATS:
        raise BournError(f"unsupported reader {format}")
    content = read_file(file)
    record = session.jobs.get(job)
    if record is None or not record.holds:
        raise BournError(f"nonexistent job {job}")
    if record.state == "RESERVED":
        raise BournError("reservations not currently supported by partial cancel")
    try:
        if partial_cancel(session.traverser, job, format, content):
            record.state = "CANCELED"
    except BournError as error:
        complain(f"ERROR: {file}: {error.message}")
        complain(f"ERROR: error encountered while removing job {job}")
    if words[3:] == ["stats"]:
        _tell_visits(session, "PARTIAL CANCEL")


def _tell_visits(session: Session, what: str) -> None:
    traverser = session.traverser
    session.say(
        RULE,
        f'INFO: {what} PREORDER COUNT="{traverser.preorder}"',
        f'INFO: {what} POSTORDER COUNT="{traverser.postorder}"',
        RULE,
    )


def update(session: Session, words: list[str]) -> None:
    """Install an R that was matched elsewhere."""
    op, format, file, *numbers = words
    if op not in ("allocate", "reserve"):
        raise BournError(f"unknown subcmd {op}")
    if format not in _FORMATS:
        raise BournError(f"unsupported reader {format}")
    job, at, duration = (_number(word) for word in numbers)
    _install(session, format, file, job, at, duration, reserve=op == "reserve")


def list_jobs(session: Session, words: list[str]) -> None:
    """Print all jobs."""
    for job in sorted(session.jobs):
        _tell_job(session, job)


def info(session: Session, words: list[str]) -> None:
    """Print one job."""
    if _number(words[0]) not in session.jobs:
        print(f"ERROR: jobid doesn't exist: {words[0]}")
    else:
        _tell_job(session, _number(words[0]))


def _tell_job(session: Session, job: int) -> None:
    record = session.jobs[job]
    print(f"INFO: {record.id}, {record.state}, {record.at}, {record.file}, {record.overhead:g}")


def stat(session: Session, words: list[str]) -> None:
    """Print match times."""
    number = len(session.jobs)
    print(f"INFO: Num. of Jobs Matched: {number}")
    print(f"INFO: Min. Match Time: {session.fastest:g}")
    print(f"INFO: Max. Match Time: {session.slowest:g}")
    print(f"INFO: Avg. Match Time: {session.total_time / number if number else 0:g}")


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
    record = session.jobs.get(job)
    if record is not None and record.holds:
        raise BournError("existing Jobid ")
    if at < 0 or duration <= 0:
        raise BournError(f"invalid time ({at}, {duration})")
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
