"""How many children there are: who is raised, told to end, or ended by force. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import Factory, define

from bourn_plugins.hierarchy.child import Child, ChildState

if TYPE_CHECKING:
    from bourn_plugins.hierarchy.distributor import Distributor
    from bourn_plugins.hierarchy.table import HierarchyTable

LEAVE_SECONDS = 60.0
"""How long a child that was told to end may take."""
GRACE = 0.1
"""How long a job that fits no child may look for free resources before children make room."""


@define
class Decisions:
    """What is to be done now, and when to look again (seconds since the epoch)."""

    to_raise: list[Child] = Factory(list)
    stop: list[Child] = Factory(list)
    kill: list[Child] = Factory(list)
    wake: float = float("inf")

    def look_at(self, t: float) -> None:
        """Look again at `t` at the latest."""
        self.wake = min(self.wake, t)


def settled(distributor: Distributor) -> bool:
    """Say whether there's nothing to decide, whatever the time is: all children are up and have jobs."""
    return all(child.state is ChildState.UP and child.jobs for child in distributor.children)


def decide(
    distributor: Distributor,
    table: HierarchyTable,
    own_since: float | None,
    now: float,
    *,
    closing: bool = False,
) -> Decisions:
    """Decide from the children's states and the jobs that wait.

    `own_since`: when a job began to wait for the instance's own resources, None if none does. `closing`: all
    children are to end when they have nothing more to do.
    """
    found = Decisions()
    children = distributor.children
    alive = [c for c in children if c.state not in (ChildState.ABSENT, ChildState.LEAVING)]
    least = len(children) if table.min is None else min(table.min, len(children))
    most = len(children) if table.max is None else min(max(table.max, least), len(children))
    for child in children:
        limit = {ChildState.AWAY: table.rejoin, ChildState.LEAVING: LEAVE_SECONDS}.get(child.state)
        if limit is not None:
            if child.since + limit <= now:
                found.kill.append(child)
            else:
                found.look_at(child.since + limit)
    make_room = closing or (own_since is not None and own_since + GRACE <= now)
    if own_since is not None and not make_room:
        found.look_at(own_since + GRACE)
    left = len(alive)
    for child in alive:
        if child.state is not ChildState.UP or child.jobs:
            continue
        if make_room:
            found.stop.append(child)
        elif left > least and not distributor.waiting:
            if child.idle_since + table.idle <= now:
                found.stop.append(child)
                left -= 1
            else:
                found.look_at(child.idle_since + table.idle)
    if own_since is None and not closing:
        _raise(found, distributor, len(alive), least, most, table.backlog, now)
    return found


def _raise(
    found: Decisions, distributor: Distributor, alive: int, least: int, most: int, backlog: int, now: float
) -> None:
    """Raise children up to the least number, and more while jobs wait that they could take."""
    absent = [c for c in distributor.children if c.state is ChildState.ABSENT]
    for child in absent:
        if alive >= least:
            break
        alive += _raise_one(found, child, now)
    raising = sum(1 for c in distributor.children if c.state is ChildState.RAISING)
    demand = -(-distributor.waiting // max(backlog, 1)) - raising - len(found.to_raise)
    if demand <= 0 or distributor.hold:
        return
    wanted = distributor.wanted()
    for child in absent:
        if alive >= most or demand <= 0:
            break
        if child.index in wanted and child not in found.to_raise:
            raised = _raise_one(found, child, now)
            alive += raised
            demand -= raised


def _raise_one(found: Decisions, child: Child, now: float) -> int:
    if child.not_before > now:
        found.look_at(child.not_before)
        return 0
    found.to_raise.append(child)
    return 1
