"""Writes docs/commands.md from the commands' own --help: `python docs/make_commands.py`."""

from __future__ import annotations

import contextlib
import io
import os
import re
from pathlib import Path

from bourn.cli.main import VERBS, main

HEAD = """# Commands

Made from the commands' `--help` by `docs/make_commands.py`.

Conventions: a job id may be given in any encoding of RFC 19; a duration is a number with ms, s, m, h or d
(a bare number is minutes in `--time-limit`); ids and ranks are idsets, hosts are hostlists. Errors are one
line on standard error, `bourn-VERB: error: ...`, with status 1, or 2 for wrong usage.
"""


def help_of(words: list[str]) -> str:
    """Return what `bourn WORDS --help` prints."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        main([*words, "--help"])
    return text.getvalue().rstrip()


def sections() -> list[str]:
    """Return the page's sections, one a verb; a verb's sub-commands follow it."""
    found = []
    for verb, (_, summary) in VERBS.items():
        text = help_of([verb])
        found.append(f"## {verb}\n\n{summary[0].upper()}{summary[1:]}.\n\n```\n{text}\n```\n")
        listing = text.partition("  COMMAND\n")[2]
        names = re.findall(r"^    ([a-zA-Z][a-zA-Z-]*)", listing, re.MULTILINE)
        found += [f"### {verb} {name}\n\n```\n{help_of([verb, name])}\n```\n" for name in names]
    return found


if __name__ == "__main__":
    os.environ["COLUMNS"] = "100"
    page = Path(__file__).with_name("commands.md")
    page.write_text("\n".join([HEAD, *sections()]))
    print(f"{page}: {len(VERBS)} commands")
