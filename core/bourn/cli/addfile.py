"""`--add-file=[NAME[:MODE]=]FILE`: carry a file inside the jobspec (RFC 37)."""

from __future__ import annotations

import os
from typing import Any

from bourn.errors import BournError
from bourn.model import jobspec_build as build


def add_file(obj: dict[str, Any], text: str) -> None:
    """Add the file that the option names, or the text itself when it holds a newline (`NAME=line\\n...`)."""
    name, equals, path = text.partition("=")
    if not equals:
        name, path = os.path.basename(text), text
    name, colon, mode = name.partition(":")
    if not name:
        raise BournError(f"--add-file={text}: a name is missing")
    perms = _mode(text, mode) if colon else 0o600
    if "\n" in path:
        build.add_file(obj, name, path, perms)
        return
    try:
        with open(path, "rb") as file:
            data = file.read()
            perms = perms if colon else os.fstat(file.fileno()).st_mode & 0o777
    except OSError as error:
        raise BournError(f"--add-file: {path}: {error.strerror}") from None
    try:
        build.add_file(obj, name, data.decode(), perms)
    except UnicodeDecodeError:
        import base64

        build.add_file(obj, name, base64.b64encode(data).decode("ascii"), perms, encoding="base64")


def _mode(text: str, mode: str) -> int:
    try:
        return int(mode, 8) & 0o777
    except ValueError:
        raise BournError(f"--add-file={text}: '{mode}' is not an octal mode such as 0700") from None
