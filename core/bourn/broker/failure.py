"""What a broker says when it ends by a mistake of ours: one line, and a file with the traceback for those who
look into it.
"""

from __future__ import annotations

import errno
import os
import tempfile
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from bourn.errors import BournError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def one_line(statedir: Path | None) -> Iterator[None]:
    """Turn whatever leaves the block into one BournError.

    Of an unexpected exception the traceback goes into a file of `statedir` or, without one, of the directory
    for temporary files.
    """
    try:
        yield
    except (BournError, OSError):
        raise  # one line already
    except Exception as error:
        causes = leaves(error)
        unexpected = [cause for cause in causes if not isinstance(cause, BournError)]
        if unexpected:
            raise _unexpected(error, unexpected[0], statedir) from None
        if not causes:
            raise
        raise causes[0] from None


def leaves(error: BaseException) -> list[BaseException]:
    """Return the exceptions that a group consists of, at any depth, but for the marks of cancelled tasks."""
    if not isinstance(error, BaseExceptionGroup):
        return [] if isinstance(error, trio.Cancelled) else [error]
    return [leaf for inner in error.exceptions for leaf in leaves(inner)]


def _unexpected(error: Exception, cause: BaseException, statedir: Path | None) -> BournError:
    path = (statedir or Path(tempfile.gettempdir())) / f"bourn-failure-{os.getpid()}.log"
    try:
        # Not over a file or a link that is there: the directory may be everybody's.
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.writelines(traceback.format_exception(error))
        where = f"the details are in {path}"
    except OSError as problem:
        where = f"the details couldn't be kept in {path}: {problem.strerror}"
    text = " ".join(str(cause).split()) or "no reason given"
    what = f"the broker failed unexpectedly: {type(cause).__name__}: {text} ({where})"
    return BournError(what, errno.EIO)
