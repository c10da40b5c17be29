"""The table `[hierarchy]`."""

from __future__ import annotations

from typing import Any, Literal

from attrs import Factory, frozen

from bourn.config.types import Seconds  # noqa: TC001


@frozen
class HierarchyTable:
    """A tree of child instances over the instance's resources; jobs are handed down to them."""

    shape: str = ""
    """Children level by level: a number, ``node`` or ``core``, as ``"2x4"``; or each by itself, as
    ``"[2x2@3,.]"``: ``.`` has no children, ``@3`` gets three shares. Empty = no children."""
    policy: str = "round-robin"
    """Name of the distribution policy that chooses a child for each job."""
    policy_options: dict[str, Any] = Factory(dict)
    """What a policy of your own takes."""
    misfits: Literal["run", "refuse"] = "run"
    """What becomes of a job that fits no child: this instance runs it itself, once children have made room,
    or it's refused."""
    on_child_failure: Literal["retry", "fail"] = "retry"
    """What becomes of the jobs that a child was running when it died: another runs them again, or they
    fail."""
    retries: int = 3
    """How often a job is run again before it fails all the same."""
    min: int | None = None
    """How many children there are at least; by default all."""
    max: int | None = None
    """How many there are at most; by default as many as the shape has."""
    idle: Seconds = 60.0
    """How long a child beyond ``min`` may have nothing to do before it's ended."""
    backlog: int = 4
    """How many jobs may wait in a child, besides twice its cores and what it has finished within a
    second."""
    rejoin: Seconds = 30.0
    """How long a child whose connection is lost has to come back before it's ended."""
    child: dict[str, Any] = Factory(dict)
    """Configuration of each child; what it has under ``hierarchy`` replaces the above for its own
    children."""
