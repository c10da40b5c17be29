"""`find`: vertices that meet criteria such as ``status=down and sched-now=allocated``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from attrs import define, frozen

from bourn.errors import BournError
from bourn.model.hostlist import Hostlist
from bourn_plugins.sched_graph.walk.commit import select

if TYPE_CHECKING:
    from collections.abc import Callable

    from bourn.hookspecs.resource_io import SelectedVertex
    from bourn_plugins.sched_graph.resources.graph import Vertex
    from bourn_plugins.sched_graph.walk.ledger import Ledger
    from bourn_plugins.sched_graph.walk.traverser import Traverser

_CHOICES = {
    "status": ("up", "down"),
    "sched-now": ("allocated", "free"),
    "sched-future": ("reserved", "free"),
    "agfilter": ("true", "t", "false", "f"),
}
_JOBS = ("jobid-alloc", "jobid-span", "jobid-tag", "jobid-reserved")
_KEYS = (*_CHOICES, *_JOBS, "names", "property")


@frozen
class _Above:
    """What a vertex inherits."""

    down: bool = False
    allocated: bool = False
    reserved: bool = False


@define(eq=False)
class Criteria:
    """A parsed expression: and, or, juxtaposition (and) and parentheses, from left to right."""

    test: Callable[[Ledger, Vertex, _Above], bool]
    with_totals: bool
    job: int | None


def parse_criteria(text: str) -> Criteria:
    """Parse an expression; BournError says what is wrong with it."""
    return _Parser(text).parse()


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[str] = re.findall(r"[()]|[^\s()]+", text)
        self.place = 0
        self.with_totals = False
        self.job: int | None = None

    def parse(self) -> Criteria:
        test = self._expression()
        if self.place < len(self.tokens):
            raise self._wrong(f"'{self.tokens[self.place]}' is unexpected")
        return Criteria(test, self.with_totals, self.job)

    def _wrong(self, reason: str) -> BournError:
        return BournError(f"invalid criteria: {self.text}: {reason}")

    def _expression(self) -> Callable[[Ledger, Vertex, _Above], bool]:
        left = self._operand()
        while self.place < len(self.tokens) and self.tokens[self.place] != ")":
            either = False
            if self.tokens[self.place] in ("and", "or"):
                either = self.tokens[self.place] == "or"
                self.place += 1
            left = _join(left, self._operand(), either)
        return left

    def _operand(self) -> Callable[[Ledger, Vertex, _Above], bool]:
        if self.place >= len(self.tokens):
            raise self._wrong("a predicate is missing")
        token = self.tokens[self.place]
        self.place += 1
        if token == "(":
            test = self._expression()
            if self.place >= len(self.tokens) or self.tokens[self.place] != ")":
                raise self._wrong("a ) is missing")
            self.place += 1
            return test
        key, equals, value = token.partition("=")
        if not equals or key not in _KEYS:
            raise self._wrong(f"'{token}' is no predicate; there are: {', '.join(_KEYS)}")
        return self._predicate(key, value)

    def _predicate(self, key: str, value: str) -> Callable[[Ledger, Vertex, _Above], bool]:
        lower = value.lower()
        if key in _CHOICES:
            if lower not in _CHOICES[key]:
                raise self._wrong(f"{key} must be one of {', '.join(_CHOICES[key])}, not '{value}'")
            if key == "agfilter":
                self.with_totals = lower in ("true", "t")
                answer = self.with_totals
                return lambda ledger, vertex, above: answer
            return _STATES[key, lower]
        if key in _JOBS:
            self.job = job = _job(value)
            if job is None:
                raise self._wrong(f"{key}: '{value}' is no job id")
            return _job_test(key, job)
        if key == "names":
            names = {*Hostlist(value), *Hostlist(lower)}
            return lambda ledger, vertex, above: vertex.name in names
        if not lower:
            raise self._wrong("property must be a name")
        wanted = {value, lower}
        return lambda ledger, vertex, above: not wanted.isdisjoint(vertex.properties or ())


def _join(
    left: Callable[[Ledger, Vertex, _Above], bool],
    right: Callable[[Ledger, Vertex, _Above], bool],
    either: bool,
) -> Callable[[Ledger, Vertex, _Above], bool]:
    if either:
        return lambda ledger, vertex, above: left(ledger, vertex, above) or right(ledger, vertex, above)
    return lambda ledger, vertex, above: left(ledger, vertex, above) and right(ledger, vertex, above)


def _job(text: str) -> int | None:
    from bourn.model.jobid import JobID

    try:
        return int(JobID.parse(text))
    except BournError:
        return None


_STATES: dict[tuple[str, str], Callable[[Ledger, Vertex, _Above], bool]] = {
    ("status", "down"): lambda ledger, vertex, above: above.down,
    ("status", "up"): lambda ledger, vertex, above: not above.down,
    ("sched-now", "allocated"): lambda ledger, vertex, above: above.allocated,
    ("sched-now", "free"): lambda ledger, vertex, above: not above.allocated,
    ("sched-future", "reserved"): lambda ledger, vertex, above: above.reserved,
    ("sched-future", "free"): lambda ledger, vertex, above: not above.reserved,
}


def _job_test(key: str, job: int) -> Callable[[Ledger, Vertex, _Above], bool]:
    if key == "jobid-alloc":
        return lambda ledger, vertex, above: job in ledger.allocations.get(vertex.index, ())
    if key == "jobid-reserved":
        return lambda ledger, vertex, above: job in ledger.reservations.get(vertex.index, ())
    if key == "jobid-tag":
        return lambda ledger, vertex, above: ledger.tagged(vertex, job)

    def planned(ledger: Ledger, vertex: Vertex, above: _Above) -> bool:
        totals = ledger.totals.get(vertex.index)
        return totals is not None and job in totals.jobs

    return planned


@define(eq=False)
class Finder:
    """One search: what matches, and the ancestors of what matches, children first."""

    traverser: Traverser
    criteria: Criteria
    found: list[SelectedVertex]

    def visit(self, vertex: Vertex, above: _Above, depth: int) -> int:
        """Return how many vertices were found at and below one."""
        ledger, walker = self.traverser.ledger, self.traverser.walker
        here = _Above(
            above.down or not vertex.up,
            above.allocated or vertex.index in ledger.allocations,
            above.reserved or vertex.index in ledger.reservations,
        )
        count = 0
        places: list[int] = []
        for kid in walker.graph.out(vertex, walker.subsystem):
            below = self.visit(kid, here, depth + 1)
            if below:
                count += below
                places.append(len(self.found) - 1)
        if not self.criteria.test(ledger, vertex, here) and not count:
            return 0
        extra: dict[str, dict[str, str]] = {}
        if self.criteria.with_totals:
            if vertex.index not in ledger.below:
                return 0
            extra["agfilter"] = self._totals(vertex)
        self.found.append(select(vertex, vertex.size, True, depth, extra=extra))
        for place in places:
            self.found[place].parent = len(self.found) - 1
        return count + 1

    def _totals(self, vertex: Vertex) -> dict[str, str]:
        ledger, job = self.traverser.ledger, self.criteria.job
        totals = ledger.totals.get(vertex.index)
        texts: dict[str, str] = {}
        for type, total in ledger.below[vertex.index].items():
            used = 0
            if totals is not None:
                spans = totals.spans[type]
                used = spans.jobs.get(job, (0, 0, 0))[2] if job else total - spans.free(0, 1)
            texts[type] = f"used:{used}, total:{total}"
        return dict(sorted(texts.items()))


def find(traverser: Traverser, text: str) -> list[SelectedVertex]:
    """Return what meets an expression."""
    finder = Finder(traverser, parse_criteria(text), [])
    finder.visit(traverser.graph.roots[traverser.walker.subsystem], _Above(), 0)
    return finder.found
