"""Who is there: the groups of ranks, put together on the way up the tree."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from bourn.model.idset import mask_text, parse_mask

if TYPE_CHECKING:
    from collections.abc import Mapping

ONLINE = "broker.online"
"""The group of brokers whose modules are up."""
TORPID = "broker.torpid"
"""The group of brokers that are linked but haven't been heard of for a while."""
ASTRAY = "broker.astray"
"""The group of brokers that were reached through one whose link was lost, and may be reached another way
soon: nothing is known to be wrong with them."""


class Report:
    """What a neighbour below says of itself and all below it; sets of ranks as bit masks."""

    __slots__ = ("groups", "left", "linked")

    def __init__(self, linked: int, left: int, groups: dict[str, int]) -> None:
        self.linked = linked
        self.left = left
        self.groups = groups

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Report:
        """Read what `Census.payload` wrote; raises ValueError or BournError where it is something else."""
        try:
            groups = {str(name): parse_mask(ranks) for name, ranks in payload["groups"].items()}
            return cls(parse_mask(payload["linked"]), parse_mask(payload["left"]), groups)
        except (KeyError, AttributeError, TypeError) as error:
            raise ValueError(f"no report: {error!r}") from None


class Census:
    """What one broker knows of itself and those below it."""

    def __init__(self, rank: int) -> None:
        self.me = 1 << rank
        self.own: set[str] = set()
        self._reports: dict[int, Report] = {}
        self._torpid = 0
        self._astray: list[tuple[float, int]] = []
        """Ranks that went astray here, and until when they are given."""
        self._seen = self.me
        self._left = 0
        self._out = 0

    def join(self, group: str) -> None:
        """Put this rank into a group."""
        self.own.add(group)

    def leave(self, group: str) -> None:
        """Take this rank out of a group."""
        self.own.discard(group)

    def take(self, child: int, report: Report) -> None:
        """Take the report of a child, in place of its last one."""
        self._reports[child] = report
        self._seen |= report.linked | report.left | report.groups.get(ASTRAY, 0)
        self._astray = [(until, left) for until, mask in self._astray if (left := mask & ~report.linked)]
        self._left = (self._left | report.left) & ~self.linked

    def drop(self, child: int, *, left: bool, until: float = inf) -> None:
        """The link to a child is gone; `left`: it said goodbye. Those behind it are astray until a time."""
        report = self._reports.pop(child, None)
        self._torpid &= ~(1 << child)
        if report is None:
            return
        linked = self.linked
        astray = (report.linked & ~(1 << child) | report.groups.get(ASTRAY, 0)) & ~linked
        if astray:
            self._astray.append((until, astray))
        if left:
            self._left = (self._left | 1 << child) & ~linked

    def expire(self, now: float) -> bool:
        """Give up those that have been astray for too long; return whether there are any."""
        before = len(self._astray)
        self._astray = [(until, mask) for until, mask in self._astray if until > now]
        return len(self._astray) < before

    def set_torpid(self, child: int, torpid: bool) -> None:
        """Note whether a child is silent."""
        self._torpid = self._torpid | 1 << child if torpid else self._torpid & ~(1 << child)

    def leave_out(self, ranks: int) -> None:
        """Say nothing more of ranks: they have left for good."""
        self._out = ranks

    @property
    def linked(self) -> int:
        """This rank and all that are reached through it."""
        mask = self.me
        for report in self._reports.values():
            mask |= report.linked
        return mask & ~self._out

    @property
    def astray(self) -> int:
        """Ranks that were reached through a broker that isn't linked any more, and may be again."""
        mask = 0
        for _, ranks in self._astray:
            mask |= ranks
        for report in self._reports.values():
            mask |= report.groups.get(ASTRAY, 0)
        return mask & ~self.linked & ~self._out

    @property
    def lost(self) -> int:
        """Ranks that were linked, are no more, aren't just astray, and didn't say goodbye."""
        return self._seen & ~self.linked & ~self._left & ~self.astray & ~self._out

    @property
    def names(self) -> set[str]:
        """The groups there are."""
        return {ONLINE, TORPID, ASTRAY, *self.own, *(n for r in self._reports.values() for n in r.groups)}

    def group(self, name: str) -> int:
        """Return the members of a group, of this rank and those below."""
        if name == ASTRAY:
            return self.astray
        mask = self.me if name in self.own else 0
        if name == TORPID:
            mask |= self._torpid
        for report in self._reports.values():
            mask |= report.groups.get(name, 0)
        return mask & ~self._out

    def payload(self) -> dict[str, Any]:
        """Return the report for the parent."""
        groups = {name: self.group(name) for name in self.names}
        return {
            "linked": mask_text(self.linked),
            "left": mask_text(self._left & ~self._out),
            "groups": {name: mask_text(mask) for name, mask in sorted(groups.items()) if mask},
        }
