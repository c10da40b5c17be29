"""What a jobspec asks for, compiled once: a tree of needs with counts (RFC 14)."""

from __future__ import annotations

import math
from itertools import islice, permutations, product
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from attrs import Factory, field, frozen

from bourn.errors import BournError, JobspecError
from bourn.model.count import check_count, count_max, count_min, count_values, parse_count

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SLOT = "slot"
XOR_SLOT = "xor_slot"
MANY = (1 << 32) - 1
_MOST_ORDERS = 24
_KEYS = frozenset(("type", "count", "unit", "exclusive", "with", "label", "id"))


class Count:
    """The acceptable numbers of one need: exact, a set, or a range with steps."""

    __slots__ = ("key", "least", "most", "spec")

    def __init__(self, spec: int | str | dict[str, Any]) -> None:
        if isinstance(spec, str):
            spec = parse_count(spec)
        self.spec = spec
        self.key = spec if isinstance(spec, int) else repr(spec)
        self.least = count_min(spec)
        most = count_max(spec)
        self.most = MANY if most is None else most

    def choose(self, available: int) -> int:
        """Return the greatest acceptable number that is available; 0 if there is none."""
        if available < self.least:
            return 0
        if self.least == self.most:
            return self.least
        spec = self.spec
        if isinstance(spec, dict) and spec.get("operator", "+") == "+":
            step = spec.get("operand", 1)
            bound = min(available, self.most)
            return int(self.least + (bound - self.least) // step * step)
        best = 0
        for best in count_values(spec, available):  # noqa: B007
            pass
        return best

    def __repr__(self) -> str:
        return str(self.spec)


class Kind:
    """What equal things have in common; one object for all, so that answers can be kept by it."""

    __slots__ = ("__weakref__",)


_KINDS: WeakValueDictionary[Any, Kind] = WeakValueDictionary()


def _kind(*parts: object) -> Kind:
    """Return the one object that stands for some parts."""
    found = _KINDS.get(parts)
    if found is None:
        found = _KINDS[parts] = Kind()
    return found


def rounds(needs: tuple[Need, ...], *, flexible: bool = False) -> tuple[tuple[Need, ...], ...]:
    """Split siblings into rounds, such that no two of a round may want the same vertices: unlike nodes side
    by side, several slots, a slot and nodes with slots of their own. With `flexible` slots are alternatives,
    and stay together.
    """
    if len(needs) < 2:
        return (needs,)
    found: list[list[Need]] = []
    for need in needs:
        for group in found:
            if not any(_compete(need, other, flexible) for other in group):
                group.append(need)
                break
        else:
            found.append([need])
    return tuple(map(tuple, found))


def _compete(one: Need, other: Need, flexible: bool) -> bool:
    if one.type == other.type:
        return not (flexible and one.type == SLOT)
    if other.type == SLOT:
        one, other = other, one
    # What lies beside a slot without contents, as storage, is looked for together with it.
    return one.type == SLOT and bool(other.children)


def takes_nodes(needs: tuple[Need, ...], alone: bool = False) -> bool:
    """Whether a request has nodes, or some of its nodes, to itself: exclusive ones, and those in slots."""
    for need in needs:
        inside = alone or need.type == SLOT or bool(need.exclusive)
        if (inside and need.type == "node") or takes_nodes(need.children, inside):
            return True
    return False


def orders(split: tuple[tuple[Need, ...], ...]) -> Iterator[tuple[tuple[Need, ...], ...]]:
    """Yield the orders in which to try rounds: as they are listed, then others. What is listed first must not
    take what only the next can use.
    """
    return islice(permutations(split), _MOST_ORDERS)


def repeated(needs: tuple[Need, ...]) -> frozenset[str]:
    """Return the types, other than slots, that several of some siblings are of: each gets vertices of its
    own.
    """
    types = [need.type for need in needs]
    return frozenset(type for type in types if type != SLOT and types.count(type) > 1)


def _kind_of_need(need: Need) -> Kind:
    below = ((child.kind, child.count.key) for child in need.children)
    return _kind(need.type, need.exclusive, need.label, *below)


def _slots_in(needs: tuple[Need, ...]) -> int:
    return sum((need.type == SLOT) + _slots_in(need.children) for need in needs)


def _kind_of_request(request: Request) -> Kind:
    wanted = tuple((need.kind, need.count.key) for need in request.needs)
    return _kind("request", wanted, repr(request.constraint) if request.constraint else "")


@frozen(eq=False)
class Need:
    """One resource of a request; identity is its own."""

    type: str
    count: Count
    children: tuple[Need, ...]
    exclusive: bool | None
    label: str
    path: str
    """Its place in the jobspec, for messages."""
    below: dict[str, int] = field(factory=dict)
    """What one of it needs below it at least, by type, slots not counted."""
    kind: Kind = field(init=False, default=Factory(_kind_of_need, takes_self=True))
    """The same for needs of which one wants the same, however many they are of."""


@frozen(eq=False)
class Request:
    """A compiled jobspec."""

    needs: tuple[Need, ...]
    totals: dict[str, int]
    """What it needs in all at least, by type."""
    duration: int
    """Whole seconds, rounded up, as plans count them; 0 means as long as the resources last."""
    constraint: dict[str, Any] | None
    queue: str
    exclusive_types: frozenset[str]
    """Types that are asked for as exclusive: those come whole, with all that they contain."""
    seconds: float
    """The duration as it was asked for: when a job must end."""
    unlike: bool = field(init=False, default=Factory(lambda self: _slots_in(self.needs) > 1, takes_self=True))
    """Whether it has several kinds of slots, so that it must be told where those of each are."""
    kind: Kind = field(init=False, default=Factory(_kind_of_request, takes_self=True))
    """The same for requests of the same resources, whatever their duration."""
    key: Kind = field(
        init=False, default=Factory(lambda self: _kind("job", self.kind, self.seconds), takes_self=True)
    )
    """The same for requests of the same resources and duration."""


def compile_variants(jobspec: object) -> list[Request]:
    """Compile a jobspec for the flexible walk: a request for each choice among sibling ``xor_slot``s,
    in order.
    """
    if not isinstance(jobspec, dict) or not isinstance(jobspec.get("resources"), list):
        return [compile_request(jobspec, flexible=True)]
    choices = list(_expand(jobspec["resources"]))
    return [compile_request({**jobspec, "resources": choice}, flexible=True) for choice in choices]


def _expand(items: list[Any]) -> Iterator[list[Any]]:
    """Yield the lists in which one of the sibling xor_slots stands as a slot and the others are gone."""
    either = [i for i, item in enumerate(items) if isinstance(item, dict) and item.get("type") == XOR_SLOT]
    for chosen in either or [-1]:
        kept = [item for i, item in enumerate(items) if i == chosen or i not in either]
        options: list[list[Any]] = []
        for item in kept:
            if isinstance(item, dict) and item.get("type") == XOR_SLOT:
                item = {**item, "type": SLOT}
            if isinstance(item, dict) and isinstance(item.get("with"), list):
                options.append([{**item, "with": inner} for inner in _expand(item["with"])])
            else:
                options.append([item])
        yield from map(list, product(*options))


def compile_request(jobspec: object, *, flexible: bool = False) -> Request:
    """Compile a jobspec dictionary; JobspecError names the field that is wrong.

    With `flexible`, sibling slots are alternatives, so that together they need the least of each.
    """
    if not isinstance(jobspec, dict):
        raise JobspecError("", "a jobspec must be a mapping")
    for key in ("version", "resources", "tasks", "attributes"):
        if key not in jobspec:
            raise JobspecError(key, "is missing")
    if len(jobspec) != 4:
        odd = sorted(set(jobspec) - {"version", "resources", "tasks", "attributes"})
        raise JobspecError(str(odd[0]), "is no key of a jobspec")
    version = jobspec["version"]
    if type(version) is not int or not 1 <= version <= 9999:
        raise JobspecError("version", f"must be an integer from 1 to 9999, not {version!r}")
    needs = _needs(jobspec["resources"], "resources", flexible)
    if not needs:
        raise JobspecError("resources", "must name at least one resource")
    _check_tasks(jobspec["tasks"])
    system = _system(jobspec["attributes"])
    seconds = _duration(system.get("duration", 0))
    exclusive: set[str] = set()
    _exclusive(needs, exclusive)
    return Request(
        needs,
        _sum(needs, flexible),
        math.ceil(seconds),
        system.get("constraints"),
        str(system.get("queue") or ""),
        frozenset(exclusive),
        seconds,
    )


def _needs(items: object, path: str, flexible: bool) -> tuple[Need, ...]:
    if not isinstance(items, list):
        raise JobspecError(path, "must be a list of resources")
    return tuple(_need(item, f"{path}[{i}]", flexible) for i, item in enumerate(items))


def _need(item: object, path: str, flexible: bool) -> Need:
    if not isinstance(item, dict):
        raise JobspecError(path, "must be a mapping")
    for key in ("type", "count"):
        if key not in item:
            raise JobspecError(f"{path}.{key}", "is missing")
    odd = item.keys() - _KEYS
    if odd:
        raise JobspecError(f"{path}.{sorted(map(str, odd))[0]}", "is no key of a resource")
    type_name = item["type"]
    if not isinstance(type_name, str):
        raise JobspecError(f"{path}.type", f"must be a string, not {type_name!r}")
    wrong = check_count(item["count"])
    if wrong:
        raise JobspecError(f"{path}.count", wrong)
    try:
        count = Count(item["count"])
    except BournError as error:
        raise JobspecError(f"{path}.count", error.message) from None
    exclusive = item.get("exclusive")
    if exclusive not in (None, True, False):
        raise JobspecError(f"{path}.exclusive", f"must be true or false, not {exclusive!r}")
    label = item.get("label", "")
    if type_name in (SLOT, XOR_SLOT) and not label:
        raise JobspecError(f"{path}.label", "is missing: a slot must have a label")
    children = _needs(item["with"], f"{path}.with", flexible) if "with" in item else ()
    return Need(type_name, count, children, exclusive, str(label), path, _sum(children, flexible))


def _sum(needs: Iterable[Need], flexible: bool) -> dict[str, int]:
    total: dict[str, int] = {}
    for need in needs:
        least = need.count.least
        total[need.type] = total.get(need.type, 0) + least
        for type_name, count in need.below.items():
            units = least * count
            if flexible and need.type == SLOT:
                total[type_name] = min(total.get(type_name, units), units)
            else:
                total[type_name] = total.get(type_name, 0) + units
    return total


def _exclusive(needs: Iterable[Need], found: set[str]) -> None:
    for need in needs:
        if need.exclusive:
            found.add(need.type)
        _exclusive(need.children, found)


def _check_tasks(tasks: object) -> None:
    if not isinstance(tasks, list):
        raise JobspecError("tasks", "must be a list")
    for i, task in enumerate(tasks):
        if not isinstance(task, dict):
            raise JobspecError(f"tasks[{i}]", "must be a mapping")
        for key in ("command", "slot"):
            if key not in task:
                raise JobspecError(f"tasks[{i}].{key}", "is missing")


def _system(attributes: object) -> dict[str, Any]:
    if attributes is None:
        return {}
    if not isinstance(attributes, dict):
        raise JobspecError("attributes", "must be a mapping")
    odd = attributes.keys() - {"system", "user"}
    if odd:
        raise JobspecError(f"attributes.{sorted(map(str, odd))[0]}", "must be system or user")
    system = attributes.get("system")
    if system is None:
        return {}
    if not isinstance(system, dict):
        raise JobspecError("attributes.system", "must be a mapping")
    return system


def _duration(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        raise JobspecError("attributes.system.duration", f"must be seconds from 0, not {value!r}")
    return float(value)
