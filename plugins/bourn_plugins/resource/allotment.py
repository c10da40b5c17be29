"""What a nested instance was given by its parent, and that it doesn't claim more."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bourn.errors import ConfigError
from bourn.model.rset import ResourceSet

if TYPE_CHECKING:
    from pathlib import Path

ALLOTMENT = "R"
"""The file of the run directory; `bourn.broker.nesting` writes it."""


def read_allotment(rundir: Path) -> ResourceSet | None:
    """Return the resources that the parent gave, ranks from 0; None for an instance without a parent."""
    try:
        text = (rundir / ALLOTMENT).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    return ResourceSet.from_dict(json.loads(text))


def write_allotment(rundir: Path, given: ResourceSet) -> None:
    """Note what the parent gives now, as a whole: a reader sees the old or the new."""
    path = rundir / f"{ALLOTMENT}.new"
    path.write_text(json.dumps(given.to_dict()), encoding="utf-8")
    path.rename(rundir / ALLOTMENT)


def bounded(wanted: ResourceSet, given: ResourceSet | None) -> ResourceSet:
    """Return what `[resource]` wants, if it is a part of what was given; it ends when that does."""
    if given is None:
        return wanted
    excess = wanted.diff(given)
    if excess:
        raise ConfigError(
            f"[resource] claims {excess.summary()}, which the parent instance hasn't given; "
            f"it gave {given.summary()}"
        )
    wanted.expiration = given.expiration
    return wanted
