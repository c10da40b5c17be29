"""Published events: numbered in sequence by rank 0, delivered by topic prefix."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from attrs import define, field

from bourn.broker.codec import encode_frame
from bourn.broker.message import EVENT, PRIVATE, Message
from bourn.errors import BournError

if TYPE_CHECKING:
    from collections.abc import Callable


@define(eq=False)
class Event:
    """One published event; `frame` is its encoding, made at most once for all receivers."""

    topic: str
    payload: Any
    seq: int
    userid: int
    rolemask: int
    private: bool = False
    _frame: bytes | None = field(default=None, kw_only=True)

    @property
    def frame(self) -> bytes:
        """The event as it goes to clients."""
        if self._frame is None:
            self._frame = encode_frame(
                Message(
                    EVENT,
                    self.topic,
                    self.payload,
                    seq=self.seq,
                    userid=self.userid,
                    rolemask=self.rolemask,
                    flags=PRIVATE if self.private else 0,
                )
            )
        return self._frame


class EventBus:
    """Who listens to what on this rank."""

    def __init__(self, rank: int = 0) -> None:
        self.rank = rank
        self.seq = 0
        self._listeners: dict[str, list[Callable[[Event], None]]] = {}

    def subscribe(self, prefix: str, listener: Callable[[Event], None]) -> None:
        """Call `listener` for every event whose topic starts with `prefix`; the empty prefix means all."""
        self._listeners.setdefault(prefix, []).append(listener)

    def unsubscribe(self, prefix: str, listener: Callable[[Event], None]) -> None:
        """Undo one `subscribe`; ENOENT where there was none."""
        listeners = self._listeners.get(prefix, [])
        if listener not in listeners:
            raise BournError(f"not subscribed to '{prefix}'", errno.ENOENT)
        listeners.remove(listener)
        if not listeners:
            del self._listeners[prefix]

    def publish(self, topic: str, payload: Any, *, userid: int, rolemask: int, private: bool = False) -> int:
        """Number an event, deliver it, and return its number. Rank 0 only, so that all see one order."""
        if self.rank != 0:
            raise BournError("events are published on rank 0", errno.EPROTO)
        event = Event(topic, payload, self.seq + 1, userid, rolemask, private)
        if self._listeners and not private:
            event.frame  # noqa: B018  an event that can't be encoded is refused before anyone has seen it
        self.seq = event.seq
        self.deliver(event)
        return event.seq

    def wanted(self, topic: str) -> bool:
        """Say whether anybody on this rank listens to a topic."""
        return any(topic.startswith(prefix) for prefix in self._listeners)

    def deliver(self, event: Event) -> None:
        """Hand an event to this rank's listeners."""
        for prefix, listeners in list(self._listeners.items()):
            if event.topic.startswith(prefix):
                for listener in list(listeners):
                    listener(event)
