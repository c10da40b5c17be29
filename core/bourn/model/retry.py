"""When a job that failed is run again: `attributes.system.retry`, {"limit": 3, "on": ["exit", "SIGBUS"]}.

`limit` is how often at most. `on` says after what: `exit` (any status but 0), a status or a range of them as
`75` or `10-20`, `signal` (any) or a signal's name, `node` (a node was lost), `exec` (the job couldn't be
started, or its shell failed), `timeout`. Without `on` it is `exit`, `signal` and `node`. A job that was
cancelled never is. Light to import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DEFAULT_ON = ("exit", "signal", "node")
_EXCEPTIONS = {"exec": "exec", "node-failure": "node", "timelimit": "timeout", "timeout": "timeout"}
KINDS = ("exit", "signal", "node", "exec", "timeout")
MAX_LIMIT = 1000


def parse_retry_on(text: str, option: str = "--retry-on") -> list[str]:
    """Return the conditions of an option, comma-separated; BournError names a wrong one."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    for word in words:
        reason = wrong(word)
        if reason is not None:
            from bourn.errors import BournError

            raise BournError(f"{option}={text}: {reason}")
    return words


def wrong(word: object) -> str | None:
    """Say what is wrong with a condition; None if it is one."""
    if not isinstance(word, str):
        return f"{word!r} is no condition: it must be a string"
    if word in KINDS or _range(word) is not None or _signal(word) is not None:
        return None
    from bourn.errors import suggest

    return (
        f"'{word}' is no condition{suggest(word, KINDS)}; right is an exit status (75, 10-20), a signal's "
        f"name, or one of {', '.join(KINDS)}"
    )


def cause(on: Iterable[str], waitstatus: int | None, exception: str | None) -> str | None:
    """Say in a word or two which of the conditions a job's end meets; None if it meets none.

    Args:
        on: the conditions.
        waitstatus: of its tasks, None if they never ran.
        exception: the type of the exception of severity 0 that ended it, None if its tasks ended by
            themselves.
    """
    if exception is not None:
        kind = _EXCEPTIONS.get(exception)
        return exception if kind is not None and kind in on else None
    if not waitstatus:
        return None
    signum, status = waitstatus & 0x7F, waitstatus >> 8
    if not signum and status > 128:
        # As shells report a signal.
        signum = status - 128 if status - 128 < 65 else 0
    for word in on:
        if word == "signal" and waitstatus & 0x7F:
            return f"signal {signum}"
        if signum and _signal(word) == signum:
            return f"signal {signum}"
        if not waitstatus & 0x7F:
            span = _range(word)
            if word == "exit" or (span is not None and span[0] <= status <= span[1]):
                return f"exit status {status}"
    return None


def due(retry: Mapping[str, Any], retries: int, waitstatus: int | None, exception: str | None) -> str | None:
    """Say why a job that has been run again `retries` times is to be run once more; None if it isn't."""
    if retries >= retry.get("limit", 0):
        return None
    return cause(retry.get("on") or DEFAULT_ON, waitstatus, exception)


def _range(word: str) -> tuple[int, int] | None:
    low, dash, high = word.partition("-")
    if not low.isdigit() or (dash and not high.isdigit()):
        return None
    first, last = int(low), int(high) if dash else int(low)
    return (first, last) if 1 <= first <= last <= 255 else None


def _signal(word: str) -> int | None:
    if not word[:1].isalpha():
        return None
    import signal

    name = word.upper()
    found = signal.Signals.__members__.get(name if name.startswith("SIG") else f"SIG{name}")
    return None if found is None else int(found)
