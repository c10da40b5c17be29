"""What the parts of an instance cost a job, as measured on some machine."""

from __future__ import annotations

import tomllib
from typing import Any

from attrs import NOTHING, fields, frozen

from bourn.errors import BournError, suggest


@frozen
class Costs:
    """CPU seconds, unless said otherwise."""

    broker: float
    """A job, in the broker of the instance that runs it: ingest, scheduling, journal, report."""
    host: float
    """A task, in the shell host that starts it and takes its end."""
    task: float
    """A task that does nothing, from exec to exit, with what the kernel does for it."""
    hand: float
    """A job, in the broker of an instance that hands it down to a child: ingest, choice, journal, report."""
    report: float = 0.0
    """A job more, in the broker of an instance that runs it for a parent."""
    hop: float = 0.0005
    """Seconds (not of CPU) that a batch takes from one broker to the next."""


def read_costs(path: str) -> Costs:
    """Read a TOML file with a key for each cost, in microseconds. BournError names file and key."""
    try:
        with open(path, "rb") as stream:
            found: dict[str, Any] = tomllib.load(stream)
    except OSError as error:
        raise BournError(f"{path}: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise BournError(f"{path}: {error}") from None
    known = [field.name for field in fields(Costs)]
    values: dict[str, float] = {}
    for key, value in found.items():
        if key not in known:
            raise BournError(f"{path}: {key}: unknown key{suggest(key, known)}")
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise BournError(f"{path}: {key}: must be microseconds, not {value!r}")
        values[key] = value / 1e6
    missing = [field.name for field in fields(Costs) if field.default is NOTHING and field.name not in values]
    if missing:
        raise BournError(f"{path}: {missing[0]}: missing; `python -m tests.bench levels` measures it")
    return Costs(**values)
