"""Doing something to each of several jobs; one that fails doesn't keep it from the others."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from bourn.errors import BournError
from bourn.model.jobid import JobID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bourn.client.handle import Future


def each(command: str, words: Iterable[str | JobID], send: Callable[[JobID], Future]) -> int:
    """Call `send` for each id, wait for all answers, and return the exit status."""
    ids = [JobID.parse(str(word)) for word in words]
    futures = [send(id) for id in ids]
    status = 0
    for future in futures:
        try:
            future.get()
        except BournError as error:
            print(f"{command}: error: {error.message}", file=sys.stderr)
            status = 1
    return status
