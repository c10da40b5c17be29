"""What the sub-commands of `bourn kvs` have in common."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bourn.errors import BournError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from bourn.cli.parser import Parser
    from bourn.client.handle import Handle

    Run = Callable[[Handle, argparse.Namespace], int | None]


def add_common(parser: Parser, run: Run, at: bool = False) -> Parser:
    """Give a sub-command the options of all."""
    parser.add_argument(
        "-N", "--namespace", metavar="NAME", help="namespace (default: that of the job, or primary)"
    )
    if at:
        parser.add_argument(
            "-a", "--at", metavar="ROOT", type=_root, help="look at a version, or what getroot said"
        )
    parser.set_defaults(run=run, at=None)
    return parser


def _root(text: str) -> int:
    try:
        found = json.loads(text)
        return int(found["version"] if isinstance(found, dict) else found)
    except (ValueError, KeyError, TypeError):
        raise BournError(f"--at: '{text}' is neither a version nor what `bourn kvs getroot` prints") from None
