"""Writes pictures: SVG as it is, PNG where a library to draw it is installed."""

from __future__ import annotations

import importlib

from bourn.errors import BournError


def check_picture(path: str) -> None:
    """Raise BournError for a name whose format can't be written; before hours are spent on simulating."""
    if path.endswith(".png"):
        _drawer(path)
    elif not path.endswith(".svg"):
        raise BournError(f"{path}: a picture's name must end with .svg or .png")


def save_picture(path: str, svg: str) -> None:
    """Write a picture in the format that its name says."""
    check_picture(path)
    content = svg.encode() if path.endswith(".svg") else bytes(_drawer(path)(svg_string=svg))
    try:
        with open(path, "wb") as stream:
            stream.write(content)
    except OSError as error:
        raise BournError(f"{path}: {error.strerror}") from None


def _drawer(path: str):  # type: ignore[no-untyped-def]
    try:
        return importlib.import_module("resvg_py").svg_to_bytes
    except ImportError:
        raise BournError(f"{path}: to write PNG, `pip install 'bourn[png]'`; or name the file .svg") from None
