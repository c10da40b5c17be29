"""Broker attributes: named strings that say what this broker is, some of which may be changed."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from bourn.errors import BournError, suggest

if TYPE_CHECKING:
    from collections.abc import Iterator


class Attributes:
    """A mapping from name to string. Fixed ones can be set once."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}
        self._fixed: set[str] = set()

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._values))

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def get(self, name: str, default: str | None = None) -> str | None:
        """Return the value of `name`, or `default` where there is no such attribute."""
        return self._values.get(name, default)

    def __getitem__(self, name: str) -> str:
        try:
            return self._values[name]
        except KeyError:
            raise BournError(f"no attribute '{name}'{suggest(name, self._values)}", errno.ENOENT) from None

    def set(self, name: str, value: object, *, fixed: bool = False) -> None:
        """Set `name`; EPERM where it is fixed."""
        if name in self._fixed:
            raise BournError(f"attribute '{name}' can't be changed", errno.EPERM)
        self._values[name] = str(value)
        if fixed:
            self._fixed.add(name)

    def renew(self, name: str, value: object) -> None:
        """Set `name`, fixed, or anew: what the broker says of itself has changed. Where a user has said
        something else, that stays.
        """
        if name not in self._values or name in self._fixed:
            self._values[name] = str(value)
            self._fixed.add(name)

    def remove(self, name: str) -> None:
        """Remove `name`; ENOENT where there is none, EPERM where it is fixed."""
        self[name]
        if name in self._fixed:
            raise BournError(f"attribute '{name}' can't be removed", errno.EPERM)
        del self._values[name]

    def is_fixed(self, name: str) -> bool:
        """Whether `name` can't be changed any more."""
        return name in self._fixed

    def as_dict(self) -> dict[str, str]:
        """Return a sorted copy."""
        return dict(sorted(self._values.items()))
