"""From a TOML table to an attrs object, with errors that name the key and what would be right.

Imported only when there is a table to read: an instance without configuration doesn't pay for `cattrs`.
"""

from __future__ import annotations

import types
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin

import attrs
from cattrs import BaseValidationError, Converter, ForbiddenExtraKeysError
from cattrs.cols import (
    homogenous_tuple_structure_factory,
    is_mapping,
    list_structure_factory,
    mapping_structure_factory,
)
from cattrs.errors import AttributeValidationNote, ClassValidationError, IterableValidationError
from cattrs.gen import make_dict_structure_fn, override

from bourn.config.types import Seconds
from bourn.errors import BournError, suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Fault", "structure"]

T = TypeVar("T")


@attrs.frozen
class Fault:
    """One thing that is wrong with a table."""

    path: tuple[str | int, ...]
    """Where, below the table."""
    text: str


def structure(value: Any, cls: type[T]) -> T | list[Fault]:
    """Return `value` as a `cls`, or all that is wrong with it.

    Keys are the fields' names in kebab-case; one that no field has is wrong, and so is a value of another
    type, even if it could be converted: a quoted number is a mistake.
    """
    try:
        result: T = _CONVERTER.structure(value, cls)
    except (
        BaseValidationError,
        ForbiddenExtraKeysError,
        BournError,
        ValueError,
        TypeError,
        KeyError,
    ) as error:
        return list(_faults(error, ()))
    return result


def _faults(error: BaseException, path: tuple[str | int, ...]) -> Iterator[Fault]:
    if isinstance(error, ClassValidationError | IterableValidationError):
        noted, others = error.group_exceptions()
        for inner, note in noted:
            step = _kebab(note.name) if isinstance(note, AttributeValidationNote) else note.index
            yield from _faults(inner, (*path, step))
        for inner in others:
            yield from _faults(inner, path)
    elif isinstance(error, ForbiddenExtraKeysError):
        known = [_kebab(f.name) for f in attrs.fields(error.cl)]
        for key in sorted(error.extra_fields):
            yield Fault((*path, key), f"unknown key{suggest(key, known)}")
    elif isinstance(error, KeyError):
        yield Fault(path, "is missing")
    else:
        yield Fault(path, str(error))


def _kebab(name: str) -> str:
    return name.replace("_", "-")


def _shown(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _only(accepts: Callable[[Any], bool], name: str, inner: Any = None) -> Any:
    """Return a hook that takes a value of the right TOML type and hands it to `inner`."""

    def hook(value: Any, kind: Any) -> Any:
        if not accepts(value):
            raise ValueError(f"must be {name}, not {_shown(value)}")
        return value if inner is None else inner(value, kind)

    return hook


def _is(kind: Any) -> Callable[[Any], bool]:
    """Return a test for a type under which true and false aren't numbers."""
    return lambda value: isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _table_hook(cls: type[Any]) -> Any:
    attrs.resolve_types(cls)
    renamed: dict[str, Any] = {f.name: override(rename=_kebab(f.name)) for f in attrs.fields(cls)}
    inner = make_dict_structure_fn(cls, _CONVERTER, _cattrs_forbid_extra_keys=True, **renamed)
    return _only(_is(dict), "a table", inner)


def _seconds(value: Any, _: Any) -> float:
    from bourn.model.duration import parse_duration

    return parse_duration(value)


def _literal(value: Any, kind: Any) -> Any:
    choices = get_args(kind)
    for choice in choices:
        if value == choice and type(value) is type(choice):
            return choice
    raise ValueError(f"must be {' or '.join(map(_shown, choices))}, not {_shown(value)}")


def _union(value: Any, kind: Any) -> Any:
    """Take the first of the types that fits; None is for keys that are left out, TOML can't write it."""
    kinds = [arg for arg in get_args(kind) if arg is not type(None)]
    for candidate in kinds[:-1]:
        found = structure(value, candidate)
        if not (isinstance(found, list) and found and isinstance(found[0], Fault)):
            return found
    return _CONVERTER.structure(value, kinds[-1])


def _origin(*origins: Any) -> Callable[[Any], bool]:
    return lambda kind: get_origin(kind) in origins


def _converter() -> Converter:
    made = Converter()
    made.register_structure_hook(str, _only(_is(str), "a text"))
    made.register_structure_hook(bool, _only(_is(bool), "true or false"))
    made.register_structure_hook(int, _only(_is(int), "a whole number"))
    made.register_structure_hook(float, _only(_is((int, float)), "a number", lambda value, _: float(value)))
    made.register_structure_hook(Path, _only(_is(str), "a path", lambda value, _: Path(value)))
    seconds = _only(_is((int, float, str)), 'seconds or a text such as "5m"', _seconds)
    made.register_structure_hook_func(lambda kind: kind == Seconds, seconds)
    made.register_structure_hook_func(_origin(Literal), _literal)
    made.register_structure_hook_func(_origin(Union, types.UnionType), _union)
    for applies, factory, kind, name in (
        (_origin(list), list_structure_factory, list, "an array"),
        (_origin(tuple), homogenous_tuple_structure_factory, list, "an array"),
        (is_mapping, mapping_structure_factory, dict, "a table"),
    ):
        made.register_structure_hook_factory(applies, _guarded(factory, kind, name))
    made.register_structure_hook_factory(attrs.has, _table_hook)
    return made


def _guarded(factory: Any, kind: type[Any], name: str) -> Callable[[Any, Converter], Any]:
    """Check the TOML type first: cattrs would take a text for an array of letters."""
    return lambda wanted, converter: _only(_is(kind), name, factory(wanted, converter))


_CONVERTER = _converter()
