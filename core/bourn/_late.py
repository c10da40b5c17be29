"""Names that a module imports when they are first used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def late(names: dict[str, Any], where: Mapping[str, str]) -> Callable[[str], object]:
    """Return the `__getattr__` of the module whose `globals()` are given.

    `where` says in which module of its package a name is; a module is in the package that has it.
    """

    def find(name: str) -> object:
        place = where.get(name)
        if place is None:
            raise AttributeError(f"module {names['__name__']!r} has no attribute {name!r}")
        from importlib import import_module

        module = import_module(f"{names['__package__']}.{place}")
        value = getattr(module, name, None) or import_module(f"{module.__name__}.{name}")
        names[name] = value
        return value

    return find
