from __future__ import annotations

from typing import Any

import pytest

from bourn.broker.events import Event, EventBus
from bourn.errors import BournError


def publish(bus: EventBus, topic: str, payload: object = None) -> int:
    return bus.publish(topic, payload, userid=1, rolemask=1)


def test_events_are_numbered_and_delivered_by_prefix() -> None:
    bus = EventBus()
    seen: list[Any] = []
    bus.subscribe("job.", lambda event: seen.append((event.seq, event.topic)))
    assert [publish(bus, topic) for topic in ("job.new", "jobs", "job.state", "")] == [1, 2, 3, 4]
    assert seen == [(1, "job.new"), (3, "job.state")]


def test_each_subscription_is_undone_once() -> None:
    bus = EventBus()
    seen: list[Any] = []
    listener = seen.append
    bus.subscribe("a", listener)
    bus.subscribe("a", listener)
    bus.unsubscribe("a", listener)
    publish(bus, "a")
    assert len(seen) == 1
    bus.unsubscribe("a", listener)
    with pytest.raises(BournError, match="not subscribed to 'a'"):
        bus.unsubscribe("a", listener)


def test_an_event_is_encoded_once_for_all() -> None:
    event = Event("a", {"x": 1}, 1, 2, 3)
    assert event.frame is event.frame


def test_an_event_that_cannot_be_sent_takes_no_number_and_reaches_nobody() -> None:
    bus = EventBus()
    seen: list[Any] = []
    bus.subscribe("", seen.append)
    with pytest.raises(BournError):
        publish(bus, "bad", object())
    assert not seen
    assert publish(bus, "good") == 1


def test_a_listener_may_unsubscribe_while_it_is_called() -> None:
    bus = EventBus()
    seen: list[Any] = []

    def once(event: Event) -> None:
        seen.append(event.seq)
        bus.unsubscribe("a", once)

    bus.subscribe("a", once)
    publish(bus, "a")
    publish(bus, "a")
    assert seen == [1]


def test_only_rank_0_publishes() -> None:
    with pytest.raises(BournError, match="rank 0"):
        publish(EventBus(rank=1), "a")
