"""Files that a jobspec carries (RFC 37), written into the job's temporary directory."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from bourn.errors import BournError
from bourn.hookspecs import hookimpl
from bourn.hookspecs.shell import ShellPlugin

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bourn.shell.job import ShellJob
    from bourn.shell.spec import ShellSpec


class Files(ShellPlugin):
    """Writes ``attributes.system.files``, {name: {mode, data, encoding?}}, before the tasks start."""

    name = "files"

    def wants(self, spec: ShellSpec) -> bool:
        return bool(_given(spec))

    def validate(self, spec: ShellSpec) -> None:
        spec.data[self.name] = [
            (_checked(name), int(entry.get("mode", 0o600)) & 0o777, _content(name, entry))
            for name, entry in _given(spec).items()
        ]

    def init(self, job: ShellJob) -> None:
        for name, mode, content in job.spec.data[self.name]:
            path = f"{job.tmpdir()}/{name}"
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            with open(path, "wb") as file:
                file.write(content)
                os.fchmod(file.fileno(), mode)


def _given(spec: ShellSpec) -> dict[str, Any]:
    found: dict[str, Any] = spec.jobspec.get("attributes", {}).get("system", {}).get("files") or {}
    return found


def _checked(name: str) -> str:
    if name.startswith("/") or ".." in name.split("/"):
        raise BournError(f"file {name}: the name leads out of the job's temporary directory")
    return name


def _content(name: str, entry: dict[str, Any]) -> bytes:
    data, encoding = entry.get("data"), entry.get("encoding")
    if encoding == "base64":
        from base64 import b64decode

        try:
            return b64decode(data or "", validate=True)
        except ValueError as error:
            raise BournError(f"file {name}: its data isn't base64") from error
    if isinstance(data, str):
        return data.encode("utf-8", "surrogateescape")
    from json import dumps

    return dumps(data).encode()


@hookimpl
def bourn_shell_plugins() -> Iterable[ShellPlugin]:
    """Register the plugin."""
    yield Files()
