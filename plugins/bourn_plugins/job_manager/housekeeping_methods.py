"""Requests about housekeeping: list, kill."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.broker.module import ANYONE, Request, Role, method
from bourn.broker.request import is_int
from bourn.errors import BournError
from bourn.model.idset import IdSet
from bourn_plugins.job_manager.base import EngineModule

if TYPE_CHECKING:
    from bourn_plugins.job_manager.housekeeping import Housekeeping

HOUSEKEEPING = "job-manager.housekeeping"
"""What the store keeps of it: {job id: [ranks that are busy, ranks that are done and wait, since]}."""


class HousekeepingMethods(EngineModule):
    """The part of the service that looks after housekeeping."""

    keeper: Housekeeping | None = None
    """Runs it, where any is configured."""

    @method(allow=ANYONE)
    def housekeeping_list(self, request: Request) -> dict[str, Any]:
        """Return {tasks: [{id, userid, t_start (epoch seconds), ranks, nodelist, active}]}: jobs that are
        over, what they still hold, and the ranks where the command runs.
        """
        running = self.keeper.running if self.keeper is not None else {}
        return {"tasks": [task.describe() for task in running.values()]}

    @method(allow=Role.OWNER)
    def housekeeping_kill(self, request: Request) -> dict[str, Any]:
        """Signal commands: {signum?, ids?, ranks? (idset)} -> {count}; by default all of them."""
        signum = request.get("signum", int, 15)
        if not 1 <= signum <= 64:
            raise BournError(f"signal {signum} is not from 1 to 64")
        ids = request.get("ids", list, None)
        if not all(map(is_int, ids or ())):
            raise BournError(f"{request.topic}: 'ids' must be job ids, not {ids!r:.60}")
        ranks = request.get("ranks", str, None)
        if self.keeper is None:
            raise BournError("this instance has no housekeeping: [job-manager.housekeeping] names no command")
        return {"count": self.keeper.kill(signum, ids, None if ranks is None else IdSet(ranks))}
