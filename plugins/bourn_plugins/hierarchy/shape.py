"""The shape of a tree of instances, and how one level of it divides an instance's resources. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from attrs import frozen

from bourn.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAF = "."


class Part(NamedTuple):
    """What one child gets."""

    nnodes: int
    cores: int
    """Of each of its nodes, the fewest."""
    gpus: int
    whole: bool
    """Whether its nodes are its own."""
    below: str
    """The shape of its own children; empty for none."""


@frozen
class Shape:
    """One level: what to divide by, and what lies below each child."""

    unit: str
    """``number``, ``node``, ``core`` or ``list``."""
    count: int
    below: tuple[str, ...]
    """For a list one of each child, else one of all."""
    shares: tuple[int, ...] = ()


def parse_shape(text: str) -> Shape:
    """Read a shape; ConfigError says what is wrong with it and what would be right."""
    compact = "".join(text.split())
    if not compact:
        raise _bad(text, "is empty")
    shape = _level(compact, text)
    for below in shape.below:
        if below:
            parse_shape(below)
    return shape


def divide(nodes: Sequence[tuple[int, int]], shape: Shape) -> list[Part]:
    """Divide nodes, each (cores, GPUs), among the children of one level.

    A number of children up to that of the nodes get whole nodes; more share nodes, each within one. Raises
    ConfigError when there isn't enough for all.
    """
    if shape.unit == "node":
        return [Part(1, cores, gpus, True, shape.below[0]) for cores, gpus in nodes]
    if shape.unit == "core":
        return [Part(1, 1, 0, False, shape.below[0]) for cores, _ in nodes for _ in range(cores)]
    shares = shape.shares or (1,) * shape.count
    below = shape.below if shape.unit == "list" else shape.below * shape.count
    if len(shares) <= len(nodes):
        return _by_nodes(nodes, shares, below)
    return _within_nodes(nodes, shares, below)


def plan(nodes: Sequence[tuple[int, int]], text: str) -> list[Part]:
    """Divide nodes by a shape; ConfigError if that can't be done on this level or any below."""
    parts = divide(nodes, parse_shape(text))
    for part in parts:
        if part.below:
            plan([(part.cores, part.gpus)] * part.nnodes, part.below)
    return parts


def _by_nodes(nodes: Sequence[tuple[int, int]], shares: Sequence[int], below: Sequence[str]) -> list[Part]:
    parts, at = [], 0
    for count, inner in zip(_proportions(len(nodes), shares, "nodes"), below, strict=True):
        own = nodes[at : at + count]
        at += count
        parts.append(Part(count, min(c for c, _ in own), min(g for _, g in own), True, inner))
    return parts


def _within_nodes(
    nodes: Sequence[tuple[int, int]], shares: Sequence[int], below: Sequence[str]
) -> list[Part]:
    """Deal children out to nodes, as evenly as can be, and divide each node among its own."""
    if len(nodes) > 1 and len(set(shares)) > 1:
        raise ConfigError(
            f"{len(shares)} children of unequal shares can't be placed on {len(nodes)} "
            "nodes; name as many as there are nodes at most, or give them equal shares"
        )
    parts, at = [], 0
    for (cores, gpus), count in zip(nodes, _proportions(len(shares), [1] * len(nodes), ""), strict=True):
        own = shares[at : at + count]
        of_cores, of_gpus = _proportions(cores, own, "cores"), _proportions(gpus, own, "")
        parts += [
            Part(1, c, g, False, inner)
            for c, g, inner in zip(of_cores, of_gpus, below[at : at + count], strict=True)
        ]
        at += count
    return parts


def _proportions(total: int, shares: Sequence[int], what: str) -> list[int]:
    """Divide a whole number by shares; what is left over goes to the first. With `what`, each gets one."""
    least = 1 if what else 0
    if total < least * len(shares):
        what = what.removesuffix("s") if total == 1 else what
        raise ConfigError(f"{total} {what} can't be divided among {len(shares)} children")
    spare, weight = total - least * len(shares), sum(shares)
    exact = [max(0.0, total * share / weight - least) for share in shares]
    scale = spare / (sum(exact) or 1)
    parts = [least + int(value * scale + 1e-9) for value in exact]
    for position in range(total - sum(parts)):
        parts[position % len(parts)] += 1
    return parts


def _level(text: str, whole: str) -> Shape:
    if text.startswith("["):
        end = _closing(text, whole)
        if text[end + 1 :]:
            raise _bad(whole, f"'{text[end + 1 :]}' after the list: what is below a child stands inside")
        items = [_item(item, whole) for item in _items(text[1:end])]
        return Shape("list", len(items), tuple(b for b, _ in items), tuple(s for _, s in items))
    head, x, below = text.partition("x")
    if x and not below:
        raise _bad(whole, "ends with 'x'")
    if head in ("node", "core"):
        return Shape(head, 0, (below,))
    if not head.isascii() or not head.isdigit() or not int(head):
        raise _bad(whole, f"'{head}' is no level: right is a number from 1, node, core or a list in brackets")
    return Shape("number", int(head), (below,))


def _item(text: str, whole: str) -> tuple[str, int]:
    body, at, share = text.rpartition("@")
    if not at or "]" in share:
        body, share = text, "1"
    if not share.isascii() or not share.isdigit() or not int(share):
        raise _bad(whole, f"'@{share}' is no number of shares from 1")
    if not body:
        raise _bad(whole, "a child of the list is empty; '.' is one without children")
    return "" if body == LEAF else body, int(share)


def _items(text: str) -> list[str]:
    items, depth, at = [], 0, 0
    for position, char in enumerate(text):
        depth += (char == "[") - (char == "]")
        if char == "," and not depth:
            items.append(text[at:position])
            at = position + 1
    return [*items, text[at:]]


def _closing(text: str, whole: str) -> int:
    depth = 0
    for position, char in enumerate(text):
        depth += (char == "[") - (char == "]")
        if not depth:
            return position
    raise _bad(whole, "a bracket isn't closed")


def _bad(text: str, why: str) -> ConfigError:
    return ConfigError(f'"{text}": {why}; examples: 4, 2x4, nodex4, [2x2@3,.]')
