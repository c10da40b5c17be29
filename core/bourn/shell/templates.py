"""The `{{tag}}` templates of file names and environment variables."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from bourn.errors import BournError, suggest

if TYPE_CHECKING:
    from collections.abc import Callable

    from bourn.shell.job import ShellJob
    from bourn.shell.task import ShellTask

_TAG = re.compile(r"\{\{\s*([^{}\s]*)\s*\}\}")

_JOB: dict[str, Callable[[ShellJob], object]] = {
    "id": lambda job: job.f58,
    "jobid": lambda job: job.f58,
    "name": lambda job: job.name,
    "size": lambda job: job.place.size,
    "ntasks": lambda job: job.place.size,
    "nnodes": lambda job: job.place.nnodes,
    "node.id": lambda job: job.place.nodeid,
    "node.name": lambda job: os.uname().nodename.partition(".")[0],
    "node": lambda job: os.uname().nodename.partition(".")[0],
    "tmpdir": lambda job: job.tmpdir(),
}
_TASK: dict[str, Callable[[ShellTask], object]] = {
    "taskid": lambda task: task.rank,
    "task.id": lambda task: task.rank,
    "task.rank": lambda task: task.rank,
    "task.index": lambda task: task.local,
}
_NODE = ("node", "node.id", "node.name", "tmpdir")
TAGS = sorted(
    [*_JOB, *_TASK, "id.dec", "id.hex", "id.dothex", "id.f58", "id.f58plain", "id.words", "id.emoji"]
)


def is_template(text: str) -> bool:
    """Return whether `text` holds a tag."""
    return "{{" in text


def per_task(text: str) -> bool:
    """Return whether `text` comes out differently for each task."""
    return any(tag in _TASK for tag in _TAG.findall(text))


def per_node(text: str) -> bool:
    """Return whether `text` comes out differently on each node."""
    return any(tag in _NODE for tag in _TAG.findall(text))


def check(text: str, where: str) -> None:
    """Raise BournError, naming `where`, if `text` holds a tag that there isn't."""
    for tag in _TAG.findall(text):
        if tag not in TAGS:
            raise BournError(f"{where}: {text}: there is no tag {{{{{tag}}}}}{suggest(tag, TAGS)}")


def render(text: str, job: ShellJob, task: ShellTask | None = None) -> str:
    """Fill in the tags; those of a task stay as they are when there is none."""

    def value(match: re.Match[str]) -> str:
        tag = match[1]
        if tag in _JOB:
            return str(_JOB[tag](job))
        if tag in _TASK:
            return match[0] if task is None else str(_TASK[tag](task))
        if tag in TAGS:
            from bourn.model.jobid import JobID

            return JobID(job.id).encode(tag.removeprefix("id."))
        return match[0]

    return _TAG.sub(value, text)
