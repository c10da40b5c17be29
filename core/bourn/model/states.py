"""Job states and results with their abbreviations (RFC 21)."""

from __future__ import annotations

from enum import IntFlag

from bourn.errors import BournError, suggest


class State(IntFlag):
    """Where a job is in its life; values are bits so that sets of states are masks."""

    NEW = 1
    DEPEND = 2
    PRIORITY = 4
    SCHED = 8
    RUN = 16
    CLEANUP = 32
    INACTIVE = 64
    PENDING = 14
    RUNNING = 48
    ACTIVE = 62

    @property
    def abbrev(self) -> str:
        """One letter: N D P S R C I."""
        return _STATE_ABBREV[self]


class Result(IntFlag):
    """How an inactive job ended."""

    COMPLETED = 1
    FAILED = 2
    CANCELED = 4
    TIMEOUT = 8

    @property
    def abbrev(self) -> str:
        """Two letters or one: CD F CA TO."""
        return _RESULT_ABBREV[self]


_STATE_ABBREV = {
    State.NEW: "N",
    State.DEPEND: "D",
    State.PRIORITY: "P",
    State.SCHED: "S",
    State.RUN: "R",
    State.CLEANUP: "C",
    State.INACTIVE: "I",
}
_RESULT_ABBREV = {Result.COMPLETED: "CD", Result.FAILED: "F", Result.CANCELED: "CA", Result.TIMEOUT: "TO"}

STATE_NAMES = {int(s): s.name or "" for s in _STATE_ABBREV}
RESULT_NAMES = {int(r): r.name or "" for r in _RESULT_ABBREV}
STATE_ABBREVS = {int(s): a for s, a in _STATE_ABBREV.items()}
RESULT_ABBREVS = {int(r): a for r, a in _RESULT_ABBREV.items()}


def job_status(state: int, result: int = 0) -> str:
    """Return the word users see: the state's name, or the result's when the job is inactive."""
    if state == State.INACTIVE and result in RESULT_NAMES:
        return RESULT_NAMES[result]
    return STATE_NAMES[state]


def job_status_abbrev(state: int, result: int = 0) -> str:
    """Return `D P S R C`, or `CD F CA TO` when the job is inactive."""
    if state == State.INACTIVE and result in RESULT_ABBREVS:
        return RESULT_ABBREVS[result]
    return STATE_ABBREVS[state]


def parse_filter(words: str) -> tuple[int, int]:
    """Return (state mask, result mask) of names such as `pending,failed`, as `jobs -f` takes them.

    A result's name selects inactive jobs of that result; a result mask of 0 means any.
    """
    states = 0
    results = 0
    for word in words.replace(",", " ").split():
        name = word.upper()
        if name in State.__members__:
            states |= State[name]
        elif name in Result.__members__:
            states |= State.INACTIVE
            results |= Result[name]
        else:
            known = [n.lower() for n in (*State.__members__, *Result.__members__)]
            raise BournError(f"'{word}' is no job state or result{suggest(word.lower(), known)}")
    return states, results
