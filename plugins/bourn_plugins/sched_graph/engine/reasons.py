"""Why a request doesn't fit: never, or not now."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

from bourn_plugins.sched_graph.engine.engine import Engine
from bourn_plugins.sched_graph.engine.shortage import Shortage, some
from bourn_plugins.sched_graph.request import SLOT

if TYPE_CHECKING:
    from bourn_plugins.sched_graph.request import Kind, Request


class Reasons:
    """Answers from a copy of the engine in which everything is up and free."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._ideal: Engine | None = None
        self._never: dict[Kind, str | None] = {}

    def never(self, request: Request) -> str | None:
        """Return why a request can never be met, or None if it can."""
        if request.kind not in self._never:
            if len(self._never) > 10000:
                self._never.clear()
            self._never[request.kind] = self._find(request)
        return self._never[request.kind]

    def _find(self, request: Request) -> str | None:
        if self._ideal is None:
            # Whether something fits doesn't depend on what is preferred, so a policy may fail at that.
            chooser = copy(self.engine.chooser)
            chooser.disable()
            self._ideal = Engine(self.engine.graph, chooser, all_up=True)
        if self._ideal.match(request) is not None:
            return None
        return Shortage(self._ideal, request).explain()

    def not_now(self, request: Request) -> str:
        """Return what a request waits for, in a few words."""
        never = self.never(request)
        if never:
            # It could be met when it came: resources have been removed since.
            return never
        for type in ("node", "core", "gpu", *request.totals):
            wanted = request.totals.get(type, 0)
            if type == SLOT or not wanted:
                continue
            free = self.engine.free_units(type)
            if wanted > free:
                return self._down(type, wanted) or f"needs {some(wanted, type)}, {free or 'none'} free"
        return "waits for resources" + (" that meet the constraints" if request.constraint else "")

    def _down(self, type: str, wanted: int) -> str:
        """Say if a request waits for what is down, rather than for what is in use."""
        up, total = self.engine.units(type)
        if not up < wanted <= total:
            return ""
        return f"needs {some(wanted, type)}; {up} of {total} {'is' if up == 1 else 'are'} up"
