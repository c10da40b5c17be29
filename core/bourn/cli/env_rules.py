"""The rules of `--env`: which variables of the caller's environment a job gets.

Rules are applied in order to a copy of the caller's environment:

* `NAME=VALUE` sets a variable; `$VAR` and `${VAR}` are filled in from what the rules made so far, then from
the
  caller's environment; `$$` is a dollar sign. A value that holds `{{` is a template that the job shell fills
  in.
* `PATTERN` (a plain name or a glob) takes matching variables of the caller that aren't there any more.
* `-PATTERN` removes matching variables. A pattern that begins with `/` is a regular expression.
* `^FILE`, or the path of a file that exists and holds a `/`, reads more rules from a file, one a line.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bourn.errors import BournError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


def apply_rules(rules: Iterable[str], environ: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the job's environment and the templates that the job shell is to expand."""
    result = dict(environ)
    templates: dict[str, str] = {}
    for rule in rules:
        _apply(rule, environ, result, templates)
    return result, templates


def read_rules(path: str) -> list[str]:
    """Return the rules of a file; blank lines and lines that begin with `#` are skipped."""
    path = os.path.expanduser(path)
    try:
        with open(path, encoding="utf-8") as file:
            lines = [line.strip() for line in file]
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text file"
        raise BournError(f"environment file {path}: {reason}") from None
    return [line for line in lines if line and not line.startswith("#")]


def matcher(pattern: str) -> Callable[[str], bool]:
    """Return a test for names: a glob, or a regular expression when the pattern begins with `/`."""
    import re

    if pattern.startswith("/"):
        try:
            expression = re.compile(pattern[1:].removesuffix("/"))
        except re.error as error:
            raise BournError(f"bad regular expression '{pattern}': {error}") from None
        return lambda name: expression.search(name) is not None
    from fnmatch import translate

    glob = re.compile(translate(pattern))
    return lambda name: glob.match(name) is not None


def _apply(rule: str, environ: Mapping[str, str], result: dict[str, str], templates: dict[str, str]) -> None:
    if rule.startswith("-"):
        matches = matcher(rule[1:])
        for name in [name for name in result if matches(name)]:
            del result[name]
        return
    name, equals, value = rule.partition("=")
    if equals:
        if "{{" in value:
            templates[name] = value
        else:
            result[name] = _substitute(value, rule, result, environ)
    elif rule.startswith("^") or ("/" in rule and not rule.startswith("/") and os.path.isfile(rule)):
        for line in read_rules(rule.removeprefix("^")):
            _apply(line, environ, result, templates)
    else:
        matches = matcher(rule)
        for name, value in environ.items():
            if name not in result and matches(name):
                result[name] = value


def _substitute(value: str, rule: str, result: Mapping[str, str], environ: Mapping[str, str]) -> str:
    if "$" not in value:
        return value
    from string import Template

    try:
        return Template(value).substitute({**environ, **result})
    except KeyError as error:
        raise BournError(f"--env={rule}: no variable {error.args[0]} to fill in") from None
    except ValueError as error:
        raise BournError(f"--env={rule}: {error}; write $$ for a dollar sign") from None
