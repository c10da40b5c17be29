"""Opens a trace file, and finds out in which format it is."""

from __future__ import annotations

import gzip
import os
from typing import TYPE_CHECKING

from bourn.errors import BournError
from bourn_plugins.simulate.jsonl import read_jsonl
from bourn_plugins.simulate.swf import TraceFile, read_swf

if TYPE_CHECKING:
    from collections.abc import Sequence

FORMATS = ("swf", "jsonl")


def trace_format(lines: Sequence[str]) -> str:
    """Return the format of a trace by its first line that says something."""
    first = next((line.lstrip() for line in lines if line.strip()), "")
    return "jsonl" if first.startswith("{") else "swf"


def read_lines(path: str) -> list[str]:
    """Return the lines of a text file, gzipped or not; BournError names the file."""
    try:
        with open(path, "rb") as stream:
            content = stream.read()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
        return content.decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise BournError(f"{path}: not UTF-8 text: {error.reason} at byte {error.start}") from None
    except (EOFError, gzip.BadGzipFile) as error:
        raise BournError(f"{path}: not whole as a gzip file: {error}") from None
    except OSError as error:
        raise BournError(f"{path}: {os.strerror(error.errno or 0)}") from None


def read_trace(path: str, lines: Sequence[str], format: str, cores_per_node: int = 0) -> TraceFile:
    """Read the jobs of a trace; BournError begins with file and line."""
    try:
        found = read_swf(lines, cores_per_node) if format == "swf" else TraceFile(read_jsonl(lines))
    except BournError as error:
        raise BournError(f"{path}:{error.message}") from None
    if not found.jobs:
        raise BournError(f"{path}: there is no job in it that ran")
    return found
