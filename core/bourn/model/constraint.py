"""Constraints on the nodes of a job (RFC 31), and the `--requires` syntax for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.errors import BournError, JobspecError, suggest
from bourn.model.hostlist import Hostlist
from bourn.model.idset import IdSet

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    Test = Callable[[int, str, Collection[str]], bool]

OPERATORS = ("and", "hostlist", "not", "or", "properties", "ranks")
MAX_DEPTH = 64
_FORBIDDEN = frozenset("!&'\"`|()")


class Constraint:
    """A compiled constraint: `match` says whether a node satisfies it.

    `{}`, `{"and": []}` and `{"or": []}` match every node, `{"not": []}` none. Several operators in one
    dictionary must all match.
    """

    __slots__ = ("_test", "obj")

    def __init__(self, obj: dict[str, Any] | None = None) -> None:
        self.obj = obj or {}
        self._test = _compile(self.obj, "constraint")

    def match(self, rank: int, hostname: str, properties: Collection[str]) -> bool:
        """Say whether the node of this rank, name and set of properties satisfies the constraint."""
        return self._test(rank, hostname, properties)

    def __repr__(self) -> str:
        return f"Constraint({self.obj!r})"


def check_constraint(obj: object, path: str = "constraint") -> None:
    """Raise JobspecError if an object isn't a constraint; the message names the place below `path`."""
    _compile(obj, path)


def constraint_and(*constraints: dict[str, Any] | None) -> dict[str, Any]:
    """Return what demands all of the given constraints; None and `{}` demand nothing."""
    terms = [c for c in constraints if c]
    if len(terms) < 2:
        return terms[0] if terms else {}
    return {"and": terms}


def _compile(obj: object, path: str, depth: int = 0) -> Test:
    if depth > MAX_DEPTH:
        raise JobspecError(path, f"is nested more than {MAX_DEPTH} deep")
    if not isinstance(obj, dict):
        raise JobspecError(path, f"must be a dictionary such as {{'properties': ['gpu']}}, not {obj!r}")
    tests: list[Test] = []
    for operator, args in obj.items():
        where = f"{path}.{operator}"
        if operator not in OPERATORS:
            raise JobspecError(path, f"unknown operator '{operator}'{suggest(str(operator), OPERATORS)}")
        if not isinstance(args, list):
            raise JobspecError(where, f"must be a list, not {args!r}")
        if operator in ("and", "or", "not"):
            terms = [_compile(arg, f"{where}[{i}]", depth + 1) for i, arg in enumerate(args)]
            tests.append(_logic(operator, terms))
            continue
        for i, arg in enumerate(args):
            if not isinstance(arg, str):
                raise JobspecError(f"{where}[{i}]", f"must be a string, not {arg!r}")
        tests.append(_leaf(operator, args, where))
    if len(tests) == 1:
        return tests[0]
    return lambda rank, host, props: all(test(rank, host, props) for test in tests)


def _logic(operator: str, terms: list[Test]) -> Test:
    if operator == "and":
        return lambda rank, host, props: all(term(rank, host, props) for term in terms)
    if operator == "or":
        return lambda rank, host, props: not terms or any(term(rank, host, props) for term in terms)
    return lambda rank, host, props: not all(term(rank, host, props) for term in terms)


def _leaf(operator: str, args: list[str], where: str) -> Test:
    try:
        if operator == "hostlist":
            hosts = frozenset(Hostlist(args))
            return lambda rank, host, props: host in hosts
        if operator == "ranks":
            mask = 0
            for text in args:
                mask |= IdSet(text).mask
            return lambda rank, host, props: bool(mask >> rank & 1)
    except BournError as err:
        raise JobspecError(where, err.message) from None
    for i, name in enumerate(args):
        if not name.removeprefix("^") or _FORBIDDEN & set(name):
            raise JobspecError(f"{where}[{i}]", f"{name!r} is not the name of a property")
    wanted = tuple(name for name in args if name[0] != "^")
    unwanted = tuple(name[1:] for name in args if name[0] == "^")
    return lambda rank, host, props: (
        all(name in props for name in wanted) and not any(name in props for name in unwanted)
    )


def parse_requires(text: str) -> dict[str, Any]:
    """Return the constraint that a `--requires` expression means.

    `p` and `^p` are properties; `host:h[1-3]` (or hostlist:) and `rank:0-3` (or ranks:) pick nodes;
    `and` or `&`, `or` or `|`, `not` or a leading `-`, and parentheses combine; side by side means and.
    """
    parser = _Requires(text)
    if not parser.tokens:
        return {}
    result = parser.alternatives()
    if parser.tokens:
        raise parser.bad(f"'{parser.tokens[-1]}' stands where nothing is expected")
    return result


class _Requires:
    """Recursive descent; `tokens` is a stack, the next one last."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _tokens(text)[::-1]

    def bad(self, reason: str) -> BournError:
        return BournError(f"--requires={self.text}: {reason}; right is for example 'gpu and not host:n[1-3]'")

    def alternatives(self) -> dict[str, Any]:
        terms = [self.sequence()]
        while self.tokens and self.tokens[-1] in ("or", "|", "||"):
            self.tokens.pop()
            terms.append(self.sequence())
        return terms[0] if len(terms) == 1 else {"or": terms}

    def sequence(self) -> dict[str, Any]:
        terms = [self.term()]
        while self.tokens and self.tokens[-1] not in ("or", "|", "||", ")"):
            if self.tokens[-1] in ("and", "&", "&&"):
                self.tokens.pop()
            terms.append(self.term())
        merged: list[dict[str, Any]] = []
        for term in terms:
            # Properties side by side are one list.
            if merged and term.keys() == merged[-1].keys() == {"properties"}:
                merged[-1] = {"properties": merged[-1]["properties"] + term["properties"]}
            else:
                merged.append(term)
        return merged[0] if len(merged) == 1 else {"and": merged}

    def term(self) -> dict[str, Any]:
        if not self.tokens:
            raise self.bad("it ends where a term is expected")
        token = self.tokens.pop()
        if token == "not":
            return {"not": [self.term()]}
        if token == "(":
            inner = self.alternatives()
            if not self.tokens or self.tokens.pop() != ")":
                raise self.bad("a ')' is missing")
            return inner
        if token in (")", "and", "or", "&", "&&", "|", "||"):
            raise self.bad(f"'{token}' stands where a term is expected")
        if token.startswith("-"):
            if len(token) == 1:
                return {"not": [self.term()]}
            return {"not": [self.leaf(token[1:])]}
        return self.leaf(token)

    def leaf(self, token: str) -> dict[str, Any]:
        operator, colon, value = token.partition(":")
        if not colon:
            operator, value = "properties", token
        name = _ALIASES.get(operator)
        if name is None:
            raise self.bad(f"unknown operator '{operator}:'{suggest(operator, _ALIASES)}")
        if not value:
            raise self.bad(f"'{token}' has no value")
        constraint = {name: value.split(",") if name == "properties" else [value]}
        try:
            check_constraint(constraint)
        except JobspecError as err:
            raise self.bad(err.reason) from None
        return constraint


_ALIASES = {
    "host": "hostlist",
    "hosts": "hostlist",
    "hostlist": "hostlist",
    "rank": "ranks",
    "ranks": "ranks",
    "property": "properties",
    "properties": "properties",
}


def _tokens(text: str) -> list[str]:
    tokens: list[str] = []
    word = ""
    for c in text:
        if c in "()|&" or c.isspace():
            if word:
                tokens.append(word)
                word = ""
            if c in "|&" and tokens and tokens[-1] == c:
                tokens[-1] += c
            elif not c.isspace():
                tokens.append(c)
        else:
            word += c
    return [*tokens, word] if word else tokens
