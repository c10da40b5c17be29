"""Templates and inputs of `bulksubmit` and of `{cc}`: pure text.

Inputs follow `:::` (words) or `::::` (files, one input a line); several lists are combined, each with each,
unless `:::+` links a list with the one before. Without any, the lines of standard input are read. In the
command and in the values of options, `{}` is the first input and `{0}`, `{1}` the nth; a suffix asks for a
part of it:

`{.%}` without extension, `{./}` base name, `{.//}` directory, `{./%}` base name without extension; and, as of
a path, `{.name}` `{.stem}` `{.suffix}` `{.parent}`. `{seq}` counts from 0, `{seq1}` from 1; `{cc}` is the id
of a copy. A format may follow, as `{seq:03d}`. `{{...}}` is left alone: the job shell fills those in.
"""

from __future__ import annotations

import os.path
import re
from itertools import product
from typing import TYPE_CHECKING, Any

from bourn.errors import BournError, suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

FIELD = re.compile(r"\{\{.*?\}\}|\{([^{}\s]*)\}")

PARTS: dict[str, Callable[[str], str]] = {
    "%": lambda x: os.path.splitext(x)[0],
    "/": os.path.basename,
    "//": os.path.dirname,
    "/%": lambda x: os.path.splitext(os.path.basename(x))[0],
    "name": os.path.basename,
    "stem": lambda x: os.path.splitext(os.path.basename(x))[0],
    "suffix": lambda x: os.path.splitext(x)[1],
    "parent": lambda x: os.path.dirname(x) or ".",
}


class Filler:
    """Fills templates from one set of inputs."""

    def __init__(
        self,
        inputs: Sequence[str] = (),
        names: Mapping[str, Any] | None = None,
        methods: Mapping[str, Callable[[str], Any]] | None = None,
    ) -> None:
        self.inputs = inputs
        self.names = names or {}
        self.methods = {**PARTS, **(methods or {})}

    def fill(self, text: str) -> str:
        """Return the text with its fields filled in; braces that are no field of ours stay."""
        return FIELD.sub(self._replace, text) if "{" in text else text

    def fill_value(self, value: Any) -> Any:
        """Fill a text, or each text of a list; leave anything else."""
        if isinstance(value, str):
            return self.fill(value)
        return [self.fill_value(item) for item in value] if isinstance(value, list) else value

    def _replace(self, match: re.Match[str]) -> str:
        field = match.group(1)
        if field is None:
            return match.group()
        name, colon, spec = field.partition(":")
        value = self._value(name)
        if value is None:
            return match.group()
        if not colon:
            return str(value)
        try:
            return format(int(value) if spec[-1:] in tuple("bdoxX") and spec else value, spec)
        except ValueError as error:
            raise BournError(f"template {match.group()}: {error}") from None

    def _value(self, name: str) -> Any:
        if name in self.names:
            return self.names[name]
        index, dot, part = name.partition(".")
        if (index and not index.isdigit()) or not self.inputs:
            return None
        if int(index or 0) >= len(self.inputs):
            raise BournError(f"template {{{name}}}: there are only {len(self.inputs)} inputs, counted from 0")
        value = self.inputs[int(index or 0)]
        if not dot:
            return value
        method = self.methods.get(part)
        if method is None:
            raise BournError(f"template {{{name}}}: no such part '{part}'{suggest(part, self.methods)}")
        return method(value)


def define(text: str) -> tuple[str, Callable[[str], Any]]:
    """Return name and function of `--define NAME=CODE`; CODE is Python of the input `x`."""
    name, equals, code = text.partition("=")
    if not equals or not name.isidentifier():
        raise BournError(f"--define={text}: must be NAME=CODE, as half='int(x)//2'")
    try:
        compiled = compile(code, f"--define={name}", "eval")
    except SyntaxError as error:
        raise BournError(f"--define={text}: {error.msg}") from None

    def method(x: str) -> Any:
        try:
            return eval(compiled, {"x": x, "os": os, "re": re})
        except Exception as error:  # whatever the user's expression raises is the user's to know
            raise BournError(f"--define={text}: {type(error).__name__}: {error} (for input '{x}')") from None

    return name, method


def split_inputs(words: Sequence[str], separator: str | None) -> tuple[list[str], list[list[Sequence[str]]]]:
    """Split a command line into the command and its groups of linked input lists."""
    command: list[str] = []
    groups: list[list[Sequence[str]]] = []
    current = command
    files = False

    def close() -> None:
        if files:
            groups[-1][-1] = [item for path in current for item in read_inputs(path, separator)]

    for word in words:
        if word not in (":::", "::::", ":::+", "::::+"):
            current.append(word)
            continue
        close()
        current = []
        if word.endswith("+") and groups:
            groups[-1].append(current)
        else:
            groups.append([current])
        files = word.startswith("::::")
    close()
    return command, groups


def read_inputs(path: str, separator: str | None) -> list[str]:
    """Return the inputs that stand in a file; `-` is standard input. No separator means white space."""
    import sys

    if path == "-":
        text = sys.stdin.read()
    else:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    if separator is None:
        return text.split()
    return [item.strip() for item in text.split(separator) if item.strip()]


def combine(groups: Iterable[Sequence[Sequence[str]]]) -> list[tuple[str, ...]]:
    """Return the inputs of each job: linked lists side by side, groups each with each."""
    rows = []
    for group in groups:
        if len({len(items) for items in group}) > 1:
            sizes = " and ".join(str(len(items)) for items in group)
            raise BournError(f"linked inputs (:::+) must be of the same length, not {sizes}")
        rows.append(list(zip(*group, strict=True)))
    return [tuple(item for part in parts for item in part) for parts in product(*rows)]
