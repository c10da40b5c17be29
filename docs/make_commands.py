"""Makes docs/commands.md from the commands' own --help: ``python -m docs.make_commands``."""

from __future__ import annotations

import contextlib
import io
import os
import re
from pathlib import Path
from unittest import mock

from bourn.cli.main import VERBS, main
from bourn.hookspecs import CLI_GROUP
from bourn.plugins import PluginManager

HEAD = """# Commands

Made from the commands' `--help` by `python -m docs.make_commands`.

Conventions: a job id may be given in any encoding of RFC 19; a duration is a number with ms, s, m, h or d
(a bare number is minutes in `--time-limit`); ids and ranks are idsets, hosts are hostlists. Errors are one
line on standard error, `bourn-VERB: error: ...`, with status 1, or 2 for wrong usage.
"""


WIDTH = "100"


def page() -> str:
    """Return the whole page: each verb and its sub-commands, then the commands of stock plugins."""
    summaries = {verb: summary for verb, (_, summary) in VERBS.items()} | _of_plugins()
    # Help is written to a buffer, which `main` must not take for a terminal without one.
    with mock.patch.dict(os.environ, COLUMNS=WIDTH, PYTHONUNBUFFERED=""):
        verbs = [part for verb, summary in summaries.items() for part in _verb(verb, summary)]
    return "\n".join([HEAD, *verbs])


def _verb(verb: str, summary: str) -> list[str]:
    text = _help([verb])
    found = [f"## {verb}\n\n{summary[0].upper()}{summary[1:]}.\n\n```\n{text}\n```\n"]
    listing = text.partition("  COMMAND\n")[2]
    names = re.findall(r"^    ([a-zA-Z][a-zA-Z-]*)", listing, re.MULTILINE)
    return found + [f"### {verb} {name}\n\n```\n{_help([verb, name])}\n```\n" for name in names]


def _help(words: list[str]) -> str:
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        main([*words, "--help"])
    return text.getvalue().rstrip()


def _of_plugins() -> dict[str, str]:
    manager = PluginManager()
    manager.load(groups=(CLI_GROUP,))
    commands = manager.collect("bourn_cli_commands")
    return {command.name: command.summary for record, command in commands if record.distribution == "bourn"}


if __name__ == "__main__":
    Path(__file__).with_name("commands.md").write_text(page(), encoding="utf-8")
