"""Exchanges among the shells of a job on several nodes: each gives data, all get everything. No I/O.

An exchange has a name and a number. A shell is in at most one of a name at a time, but others may already be
in the next: so the data of the last two are kept, to be told again to a broker that was restarted meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class _Told(NamedTuple):
    number: int
    data: dict[str, str]


class Fences:
    """One shell's part."""

    def __init__(self) -> None:
        self._told: dict[str, list[_Told]] = {}
        self._waiting: dict[str, tuple[str, Callable[[dict[str, str]], None]]] = {}

    def enter(
        self, name: str, data: Mapping[str, str], done: Callable[[dict[str, str]], None]
    ) -> tuple[str, dict[str, str]]:
        """Return what to tell the broker: (key, data). `done` is called by `release`."""
        told = self._told.setdefault(name, [])
        number = told[-1].number + 1 if told else 1
        del told[:-1]
        told.append(_Told(number, dict(data)))
        key = f"{name}.{number}"
        self._waiting[name] = (key, done)
        return key, told[-1].data

    def release(self, key: str, data: dict[str, str]) -> None:
        """All shells have entered; one that is over already is ignored."""
        name = key.rpartition(".")[0]
        if name in self._waiting and self._waiting[name][0] == key:
            self._waiting.pop(name)[1](data)

    def again(self) -> list[tuple[str, dict[str, str]]]:
        """Return what a broker that knows nothing has to be told."""
        return [(f"{name}.{t.number}", t.data) for name, told in self._told.items() for t in told]


class Gathering:
    """The broker's part, for one job."""

    def __init__(self, nnodes: int) -> None:
        self._nnodes = nnodes
        self._parts: dict[tuple[str, int], dict[int, dict[str, str]]] = {}
        self._complete: dict[str, int] = {}
        """Number of the last exchange of each name that all had entered."""

    def told(self, nodeid: int, key: str, data: dict[str, str]) -> dict[str, str] | None:
        """Take a node's data; return everybody's when they are all there.

        What a node tells again, since its broker is another one, is nothing new once that was so.
        """
        name, _, text = key.rpartition(".")
        number = int(text) if text.isdecimal() else 0
        if number <= self._complete.get(name, -1):
            return None
        parts = self._parts.setdefault((name, number), {})
        parts[nodeid] = data
        if len(parts) < self._nnodes:
            return None
        self._complete[name] = number
        self._parts = {of: kept for of, kept in self._parts.items() if of[0] != name or of[1] > number}
        merged: dict[str, str] = {}
        for node in sorted(parts):
            merged.update(parts[node])
        return merged

    def came(self) -> set[int]:
        """Return the nodes that wait for others in an exchange."""
        return {nodeid for parts in self._parts.values() for nodeid in parts}
