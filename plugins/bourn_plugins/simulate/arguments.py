"""Types of arguments on the command line."""

from __future__ import annotations

import argparse

from bourn.errors import BournError
from bourn.model.duration import parse_duration


def positive(text: str) -> int:
    """Read a number from 1."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"must be a number from 1, not '{text}'")
    return int(text)


def seconds(text: str) -> float:
    """Read a duration, as ``90`` or ``1.5h``."""
    try:
        return parse_duration(text)
    except BournError as error:
        raise argparse.ArgumentTypeError(error.message) from None
