"""The numbers by which two brokers go on with a conversation after the way between them broke."""

from __future__ import annotations

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from bourn_plugins.shell_manager.channel import OWED_MOST, Channel, Parcel


class Ends:
    """Two ends, and what is on its way between them."""

    def __init__(self) -> None:
        self.ends: list[Channel[int]] = [Channel(), Channel()]
        self.ways: list[deque[Parcel[int]]] = [deque(), deque()]
        """What is on its way to each end."""
        self.said: list[list[int]] = [[], []]
        self.taken: list[list[int]] = [[], []]

    def say(self, end: int) -> None:
        message = len(self.said[end])
        self.said[end].append(message)
        self.ways[1 - end].append(self.ends[end].pack(message))

    def arrive(self, end: int) -> None:
        if self.ways[end]:
            number, got, message = self.ways[end].popleft()
            if self.ends[end].take(number, got):
                assert message is not None
                self.taken[end].append(message)
            receipt = self.ends[end].receipt()
            if receipt is not None:
                self.ways[1 - end].append(receipt)

    def lose(self, end: int) -> None:
        if self.ways[end]:
            self.ways[end].popleft()

    def renew(self) -> None:
        """The way breaks with all that is on it, and there is a new one."""
        for end in (0, 1):
            self.ways[end] = deque(self.ends[1 - end].again(self.ends[end].got))


@given(st.lists(st.tuples(st.sampled_from(["say", "arrive", "lose", "renew"]), st.integers(0, 1))))
def test_each_message_is_taken_once_and_in_order_whatever_is_lost(steps: list[tuple[str, int]]) -> None:
    ends = Ends()
    for what, end in steps:
        ends.renew() if what == "renew" else getattr(ends, what)(end)
        assert all(ends.taken[end] == ends.said[1 - end][: len(ends.taken[end])] for end in (0, 1))
    ends.renew()
    while any(ends.ways):
        ends.arrive(0)
        ends.arrive(1)
    assert (ends.taken[0], ends.taken[1]) == (ends.said[1], ends.said[0])


def test_what_was_taken_is_forgotten_even_if_the_other_end_says_nothing() -> None:
    ends = Ends()
    for _ in range(10 * OWED_MOST):
        ends.say(0)
        ends.arrive(1)
        ends.arrive(0)
    assert len(ends.ends[0].again(0)) < OWED_MOST
    assert ends.taken[0] == []


def test_a_receipt_is_taken_for_no_message() -> None:
    channel: Channel[str] = Channel()
    assert not channel.take(0, 0)
    assert channel.got == 0
