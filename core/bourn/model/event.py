"""Events and eventlogs: one JSON object a line, append only (RFC 18)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from bourn.errors import BournError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


@attrs.frozen
class Event:
    """One entry of an eventlog: seconds since the Unix epoch, a name, and a free dictionary."""

    timestamp: float
    name: str
    context: Mapping[str, Any] = attrs.field(factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object; an empty context is left out."""
        entry: dict[str, Any] = {"timestamp": self.timestamp, "name": self.name}
        if self.context:
            entry["context"] = self.context
        return entry

    def encode(self) -> str:
        """Return the newline-terminated JSON line."""
        return encode_event(self.timestamp, self.name, self.context)

    @classmethod
    def from_dict(cls, entry: object) -> Event:
        """Check and wrap a decoded entry; BournError says what is wrong with it."""
        if not isinstance(entry, dict):
            raise BournError("an event is a JSON object with timestamp, name and, optionally, context")
        unknown = entry.keys() - {"timestamp", "name", "context"}
        if unknown:
            raise BournError(f"event: unknown key '{min(unknown)}'; there are: context, name, timestamp")
        timestamp = entry.get("timestamp")
        if isinstance(timestamp, bool) or not isinstance(timestamp, int | float) or not timestamp > 0:
            raise BournError(f"event: timestamp {timestamp!r} must be a number greater than 0")
        name = entry.get("name")
        if not isinstance(name, str) or not name or any(c in name for c in " \t\n"):
            raise BournError(f"event: name {name!r} must be a word")
        context = entry.get("context", {})
        if not isinstance(context, dict):
            raise BournError(f"event '{name}': context must be an object")
        return cls(float(timestamp), name, context)

    @classmethod
    def decode(cls, line: str | bytes) -> Event:
        """Parse one line of an eventlog."""
        try:
            entry = _decode(line)
        except msgspec.DecodeError as err:
            raise BournError(f"event: not JSON: {err}") from None
        return cls.from_dict(entry)


def encode_event(timestamp: float, name: str, context: Mapping[str, Any] | None = None) -> str:
    """Return the newline-terminated JSON line of an event without making an Event first (the hot path)."""
    if context:
        return f'{{"timestamp":{timestamp!r},"name":"{name}","context":{_encode(context).decode()}}}\n'
    return f'{{"timestamp":{timestamp!r},"name":"{name}"}}\n'


def parse_eventlog(text: str | bytes) -> Iterator[Event]:
    """Yield the events of an eventlog; BournError with the line number when one is malformed."""
    if isinstance(text, bytes):
        text = text.decode()
    # Not splitlines(): JSON text may hold separators that it would split at.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield Event.decode(line)
        except BournError as err:
            raise BournError(f"eventlog line {number}: {err.message}") from None
