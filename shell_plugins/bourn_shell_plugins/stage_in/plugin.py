"""The option, and the helper that does the work."""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from bourn.errors import BournError, nearest
from bourn.hookspecs import hookimpl
from bourn.hookspecs.shell import ShellPlugin
from bourn.shell import templates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bourn.shell.job import ShellJob
    from bourn.shell.spec import ShellSpec

_COMMAND = [sys.executable, "-m", "bourn_shell_plugins.stage_in.fetch"]
_KEYS = ("names", "pattern", "destination")
_SCOPES = ("local", "global")


class StageIn(ShellPlugin):
    """``stage-in``: before the tasks start, extract the archive ``main`` of the key-value store into the
    job's temporary directory on each of its nodes.

    ``stage-in.names`` = NAME,NAME: other archives; ``stage-in.pattern`` = GLOB: only what fits it;
    ``stage-in.destination`` = [local:]DIR: another directory, which may hold tags; global:DIR: one that all
    nodes share, so that only the first of them extracts.
    """

    name = "stage-in"
    options = ("stage-in",)

    def wants(self, spec: ShellSpec) -> bool:
        given = spec.option(self.name)
        return isinstance(given, dict) or (given is not None and spec.switch(self.name))

    def validate(self, spec: ShellSpec) -> None:
        spec.table(self.name, _KEYS)
        names = spec.option("stage-in.names", "main")
        names = [str(name) for name in names] if isinstance(names, list) else str(names).split(",")
        destination = str(spec.option("stage-in.destination", "{{tmpdir}}"))
        scope, colon, path = destination.partition(":")
        if not colon:
            scope, path = "local", destination
        if scope not in _SCOPES or not path:
            right = f"right is DIR, local:DIR or global:DIR{nearest(scope, _SCOPES)}"
            raise BournError(f"-o stage-in.destination={destination}: {right}")
        templates.check(path, "stage-in.destination")
        pattern = str(spec.option("stage-in.pattern", "*"))
        spec.data[self.name] = (names, pattern, path, scope == "global")

    def init(self, job: ShellJob) -> None:
        names, pattern, path, shared = job.spec.data[self.name]
        if shared and job.place.nodeid:
            # The tasks of all nodes start together, after the first node has done it.
            return
        folder = os.path.join(job.spec.cwd, templates.render(path, job))
        release: list[Callable[..., None]] = [job.hold()]
        channel = job.helper(_COMMAND, partial(_answered, release))
        job.data[self.name] = channel
        request = {"uri": job.uri, "names": names, "pattern": pattern, "folder": folder}
        channel.send(msgspec.json.encode(request) + b"\n")

    def exit(self, job: ShellJob) -> None:
        channel = job.data.pop(self.name, None)
        if channel is not None:
            channel.close()


def _answered(release: list[Callable[..., None]], data: bytes) -> None:
    if release:
        answer: dict[str, Any] = msgspec.json.decode(data) if data else {"error": "the helper died"}
        release.pop()(f"-o stage-in: {answer['error']}" if answer["error"] else "")


@hookimpl
def bourn_shell_plugins() -> Iterable[ShellPlugin]:
    """Register the plugin."""
    yield StageIn()
