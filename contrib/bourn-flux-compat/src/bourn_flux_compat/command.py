"""`flux VERB ...`: the same as `bourn VERB ...`."""

from __future__ import annotations

import os
import sys

from bourn.cli.main import main as bourn

_MINI = ("submit", "run", "bulksubmit", "batch", "alloc")


def main() -> int:
    """Run one command line and return its exit status."""
    adopt_environment()
    return bourn(translate(sys.argv[1:]))


def adopt_environment() -> None:
    """Let a FLUX_URI say which instance is meant where no BOURN_URI does."""
    if "BOURN_URI" not in os.environ and "FLUX_URI" in os.environ:
        os.environ["BOURN_URI"] = os.environ["FLUX_URI"]


def translate(words: list[str]) -> list[str]:
    """Return Bourn's words for those of `flux`: they differ where `flux` is older."""
    match words:
        case ["mini", verb, *rest] if verb in _MINI:
            return [verb, *rest]
        case ["python", *rest]:
            os.execv(sys.executable, [sys.executable, *rest])
    return words
