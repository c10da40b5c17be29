"""When, for what and under which constraint a walk looks."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from attrs import define

if TYPE_CHECKING:
    from collections.abc import Callable

    from bourn_plugins.sched_graph.resources.graph import Vertex


class Mode(Enum):
    """What a walk is for: resources now, resources at a later time, or whether there could ever be any."""

    NOW = auto()
    LATER = auto()
    EVER = auto()


@define(eq=False)
class Window:
    """The seconds from `start` to `end`."""

    start: int
    end: int
    mode: Mode
    allows: Callable[[Vertex], bool] | None = None
    """Whether a node meets the constraint, if there is one."""

    @property
    def ever(self) -> bool:
        """Whether status doesn't matter."""
        return self.mode is Mode.EVER
