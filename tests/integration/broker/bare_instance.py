"""`bourn start` with the broker's own services only: `python bare_instance.py COMMAND...`."""

from __future__ import annotations

import sys

from bourn.broker.start import StartOptions, run_start
from bourn.errors import BournError
from bourn.plugins import PluginManager


def main() -> int:
    PluginManager.load = lambda self, *_, **__: None  # type: ignore[method-assign]
    attrs = {}
    args = sys.argv[1:]
    while args and args[0] == "-S":
        name, _, value = args[1].partition("=")
        attrs[name] = value
        args = args[2:]
    try:
        return run_start(StartOptions(args, attrs=attrs))
    except BournError as error:
        print(f"bourn-start: error: {error.message}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
