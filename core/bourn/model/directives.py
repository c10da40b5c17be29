"""Submission directives: options written into a batch script (RFC 36), with the tag `bourn:` or `flux:`."""

from __future__ import annotations

import re
import shlex
import textwrap

import attrs

from bourn.errors import BournError

_SENTINEL = re.compile(r"^([^\w]*)(bourn|BOURN|flux|FLUX):")
_NEARLY = re.compile(r"^[^\w\n]*[^\w\s]\s*(\w+)\s*[:;,.=]?\s*(-{1,2}[A-Za-z].*)")
"""A comment that has options where a directive would: one, if its word is nearly the right one."""
_TRIPLE = re.compile(r"'''|\"\"\"")


@attrs.frozen
class Directives:
    """What a script says about itself: `args` are command line arguments, `script` the whole text."""

    script: str
    args: list[str]
    lines: list[tuple[int, list[str]]] = attrs.field(factory=list)
    """The same arguments by directive: the number of the line where it begins, and its words."""


def parse_directives(text: str, name: str = "script") -> Directives:
    """Return a script's directives; BournError names the line of one that is malformed or stands too late."""
    if "\0" in text:
        raise BournError(f"{name}: not a script: it has null bytes")
    sentinel = prefix = ""
    found: list[tuple[int, str]] = []
    stopped = begun = False
    for number, line in enumerate(text.splitlines(), 1):
        match = _SENTINEL.match(line)
        if not begun and not match:
            begun = line[:1].isalnum()
            _refuse_misspelt(line, name, number)
        if match and not sentinel:
            # An empty comment belongs to the header, so white space that ends the prefix doesn't count.
            sentinel, prefix = match[0], match[1].rstrip() or match[1]
        if match and match[0] == sentinel:
            if stopped:
                raise _bad(name, number, "a directive after the first line that isn't a part of the header")
            found.append((number, line[len(sentinel) :]))
        elif match and not stopped:
            raise _bad(name, number, f"sentinel '{match[0]}' differs from '{sentinel}' above")
        elif sentinel and line.strip() and not line.startswith(prefix):
            stopped = True
    lines = _arguments(found, name)
    return Directives(text, [word for _, words in lines for word in words], lines)


def _refuse_misspelt(line: str, name: str, number: int) -> None:
    nearly = _NEARLY.match(line)
    if nearly is None:
        return
    from difflib import get_close_matches

    close = get_close_matches(nearly[1].lower(), ("bourn", "flux"), 1, 0.75)
    if close:
        comment = line[: nearly.start(1)]
        raise _bad(
            name, number, f"not a directive; did you mean '{comment}{close[0]}: {nearly[2].rstrip()}'?"
        )


def _arguments(found: list[tuple[int, str]], name: str) -> list[tuple[int, list[str]]]:
    lines: list[tuple[int, list[str]]] = []
    at = 0
    while at < len(found):
        number, body = found[at]
        at += 1
        head, literals = "", []
        while (quote := _TRIPLE.search(body)) is not None:
            head += body[: quote.start()]
            rest = body[quote.end() :]
            end = rest.find(quote[0])
            if end < 0:
                if rest.strip():
                    raise _bad(name, number, "the opening triple quote must end its line")
                block = []
                while at < len(found) and not found[at][1].strip().startswith(quote[0]):
                    block.append(found[at][1])
                    at += 1
                if at == len(found):
                    raise _bad(name, number, "a triple quoted string doesn't end")
                literals.append(textwrap.dedent("\n".join(block) + "\n"))
                body = found[at][1].strip()[3:]
                at += 1
            else:
                literals.append(rest[:end])
                body = rest[end + 3 :]
            # A placeholder that shlex leaves alone; it is replaced when the words are known.
            head += f"\0{len(literals) - 1}\0"
        try:
            words = shlex.split(head + body, comments=True)
        except ValueError as err:
            raise _bad(name, number, str(err).lower()) from None
        args: list[str] = []
        lines.append((number, args))
        for word in words:
            pieces = word.split("\0")
            pieces[1::2] = [literals[int(i)] for i in pieces[1::2]]
            args.append("".join(pieces))
    return lines


def _bad(name: str, number: int, reason: str) -> BournError:
    return BournError(f"{name}: line {number}: {reason}")
