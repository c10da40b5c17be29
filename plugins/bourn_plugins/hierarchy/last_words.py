"""Why a child has ended, as far as its job tells. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from bourn.client.output import decode_output

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bourn_plugins.job_manager.job import Job

ENOUGH = 4096
"""Bytes at the end of its output that are looked at."""

_decode_lines = msgspec.json.Decoder().decode_lines


def last_words(job: Job, output: Iterable[str]) -> str:
    """Return the exception that ended a job, the signal, the last line that it wrote to its standard error,
    or its exit status; "" if there's nothing to say.

    `output` is the rows of its log `guest.output`.
    """
    if job.exception is not None and job.exception[1] == 0:
        kind, _, note = job.exception
        return note or kind
    status = job.waitstatus or 0
    told = "" if status & 0x7F else _last_line(output)
    if told or not status:
        return told
    from bourn.client.progress import describe

    return describe(status)


def _last_line(output: Iterable[str]) -> str:
    text = b""
    for row in output:
        for entry in _decode_lines(row):
            found = decode_output(entry)
            if found is not None and found.stream == "stderr":
                text = (text + found.data)[-ENOUGH:]
    return text.decode(errors="replace").strip().rpartition("\n")[2].strip()
