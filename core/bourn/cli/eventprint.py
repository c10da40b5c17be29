"""How events are printed: `job eventlog`, `wait-event`, `attach --show-events`, `resource eventlog`."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bourn.cli.parser import Parser


LOGS = {"exec": "guest.exec.eventlog", "output": "guest.output", "input": "guest.input"}
"""Short names of a job's other logs."""


def add_event_options(parser: Parser) -> None:
    """Add the options that say how events are printed."""
    parser.add_argument(
        "-f", "--format", choices=["text", "json"], default="text", help="text (default) or json"
    )
    parser.add_argument(
        "-T",
        "--time-format",
        choices=["raw", "offset", "iso", "human"],
        default="raw",
        help="seconds since 1970 (default), since the first event, date and time",
    )
    parser.add_argument(
        "-H", "--human", dest="time_format", action="store_const", const="human", help="-T human"
    )


class EventPrinter:
    """Turns event dictionaries into lines."""

    def __init__(self, form: str = "text", time_format: str = "raw") -> None:
        self._json = form == "json"
        self._time = time_format
        self.zero: float | None = None

    def line(self, event: Mapping[str, Any]) -> str:
        """Return the line for an event; offsets count from the first one that was seen."""
        if self.zero is None:
            self.zero = event["timestamp"]
        if self._json:
            return json.dumps(event, separators=(",", ":"), ensure_ascii=False)
        context = "".join(f" {key}={_value(value)}" for key, value in event.get("context", {}).items())
        return f"{self._stamp(event['timestamp'])} {event['name']}{context}"

    def _stamp(self, timestamp: float) -> str:
        assert self.zero is not None
        if self._time == "raw":
            return f"{timestamp:.6f}"
        if self._time == "offset":
            return f"{timestamp - self.zero:.6f}"
        local = time.localtime(timestamp)
        if self._time == "iso":
            micro = int(timestamp % 1 * 1e6)
            return time.strftime(f"%Y-%m-%dT%H:%M:%S.{micro:06d}%z", local)
        offset = timestamp - self.zero
        first = time.strftime("%b%d %H:%M", local)
        return f"[{first}]" if offset == 0 else f"[{offset:+11.6f}]"


def _value(value: object) -> str:
    if isinstance(value, str):
        return f'"{value}"' if not value or any(c.isspace() for c in value) else value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
