"""Constraints on jobs (RFC 43): a tree of operators, as a predicate and as a first cut for SQL."""

from __future__ import annotations

import errno
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from attrs import evolve

from bourn.broker.request import is_int
from bourn.errors import BournError, suggest
from bourn.model.hostlist import Hostlist
from bourn.model.idset import IdSet
from bourn.model.states import Result, State

from .records import INACTIVE, Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from bourn.hookspecs.store import JobQuery

    Test = Callable[[Record], bool]

TIMES = ("t_submit", "t_depend", "t_run", "t_cleanup", "t_inactive")
OPERATORS = (
    "and",
    "or",
    "not",
    "userid",
    "name",
    "queue",
    "states",
    "results",
    "hostlist",
    "ranks",
    "id",
    *TIMES,
)
MAX_DEPTH = 64
_COMPARISON = re.compile(r"(<=|>=|<|>)\s*([0-9.eE+-]+)\Z")


def compile_constraint(obj: Any, depth: int = 0) -> Test:
    """Return a predicate on records. EPROTO names the operator or value that is wrong.

    `{}` and `{"and": []}` and `{"or": []}` match every job, `{"not": []}` none; several operators in one
    dictionary must all match.
    """
    if not isinstance(obj, dict):
        raise BournError(f"job constraint must be an object, not {obj!r:.60}", errno.EPROTO)
    if depth > MAX_DEPTH:
        raise BournError("job constraint: nested too deeply", errno.EPROTO)
    tests = []
    for operator, values in obj.items():
        if operator not in OPERATORS:
            raise BournError(f"job constraint: no operator '{operator}'{suggest(operator, OPERATORS)}")
        if not isinstance(values, list):
            raise BournError(f"job constraint: '{operator}' must be a list", errno.EPROTO)
        tests.append(_compile(operator, values, depth))
    return _all(tests)


def _all(tests: list[Test]) -> Test:
    if len(tests) == 1:
        return tests[0]
    return lambda job: all(test(job) for test in tests)


def _compile(operator: str, values: list[Any], depth: int) -> Test:
    if operator in ("and", "or", "not"):
        parts = [compile_constraint(value, depth + 1) for value in values]
        if operator == "and":
            return _all(parts)
        if operator == "or":
            return (lambda job: any(test(job) for test in parts)) if parts else (lambda job: True)
        return lambda job: not all(test(job) for test in parts)
    if operator in TIMES:
        return _all([_comparison(operator, value) for value in values])
    if operator in ("states", "results"):
        mask = _mask(operator, values)
        if operator == "states":
            return lambda job: job["state"] & mask != 0
        return lambda job: job.get("result", 0) & mask != 0
    if operator == "hostlist":
        hosts = frozenset(host for value in values for host in Hostlist(_text(operator, value)))
        return lambda job: not hosts.isdisjoint(_hosts(job.get("nodelist", "")))
    if operator == "ranks":
        ranks = IdSet(",".join(_text(operator, value) for value in values))
        return lambda job: bool(ranks & _ranks(job.get("ranks", "")))
    if operator in ("userid", "id"):
        ids = {_number(operator, value) for value in values}
        if operator == "userid" and -1 in ids:  # everybody
            return lambda job: True
        return lambda job: job[operator] in ids
    names = {_text(operator, value) for value in values}
    return lambda job: job.get(operator) in names


def _number(operator: str, value: Any) -> int:
    if not is_int(value):
        raise BournError(f"job constraint: '{operator}' takes numbers, not {value!r:.40}", errno.EPROTO)
    return value


def _text(operator: str, value: Any) -> str:
    if not isinstance(value, str):
        raise BournError(f"job constraint: '{operator}' takes strings, not {value!r:.40}", errno.EPROTO)
    return value


def _mask(operator: str, values: list[Any]) -> int:
    kinds: type[State] | type[Result] = State if operator == "states" else Result
    mask = 0
    for value in values:
        if is_int(value):
            mask |= value
            continue
        name = _text(operator, value).upper()
        if name not in kinds.__members__:
            raise BournError(f"job constraint: '{operator}': no '{value}'{suggest(name, kinds.__members__)}")
        mask |= int(kinds[name])
    return mask


def _comparison(operator: str, value: Any) -> Test:
    match = _COMPARISON.match(_text(operator, value))
    try:
        limit = float(match[2]) if match else None
    except ValueError:
        limit = None
    if match is None or limit is None:
        raise BournError(f"job constraint: '{operator}' takes '>1234.5', '<=1234.5' ..., not {value!r:.40}")
    number = limit
    compare: dict[str, Callable[[float], bool]] = {
        "<": lambda t: t < number,
        "<=": lambda t: t <= number,
        ">": lambda t: t > number,
        ">=": lambda t: t >= number,
    }
    test = compare[match[1]]
    return lambda job: operator in job and test(job[operator])


@lru_cache(1024)
def _hosts(nodelist: str) -> frozenset[str]:
    return frozenset(Hostlist(nodelist))


@lru_cache(1024)
def _ranks(ranks: str) -> IdSet:
    return IdSet(ranks)


def narrow(query: JobQuery, obj: dict[str, Any]) -> JobQuery | None:
    """Take into the query what SQL can decide of a constraint; None if no inactive job can match.

    The predicate still has the last word, so what isn't understood here is left to it.
    """
    for operator, values in obj.items():
        if operator == "and":
            for value in values:
                found = narrow(query, value)
                if found is None:
                    return None
                query = found
        elif operator == "states":
            if not _mask(operator, values) & INACTIVE:
                return None
        elif operator == "results":
            mask = _mask(operator, values)
            query = evolve(query, results=query.results & mask if query.results else mask)
            if not query.results:
                return None
        elif operator == "userid" and len(values) == 1 and values[0] != -1 and query.userid is None:
            query = evolve(query, userid=values[0])
        elif operator == "name" and len(values) == 1 and query.name is None:
            query = evolve(query, name=values[0])
        elif operator == "queue" and values and not query.queues:
            query = evolve(query, queues=tuple(values))
        elif operator == "id" and values:
            query = evolve(
                query,
                min_id=max(min(values), query.min_id or 0),
                max_id=min(max(values), query.max_id or max(values)),
            )
        elif operator == "t_inactive":
            for value in values:
                match = _COMPARISON.match(value)
                if match and match[1] == ">":
                    query = evolve(query, since=max(query.since, float(match[2])))
    return query
