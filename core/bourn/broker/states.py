"""The states of a broker from load to exit, as a plain machine."""

from __future__ import annotations

from enum import Enum

from bourn.errors import BournError


class BrokerState(Enum):
    """In order. Up to `RUN` a failure leads to `SHUTDOWN`; from there on everything is undone in order."""

    LOAD_BUILTINS = "load-builtins"
    JOIN = "join"
    CONFIG_SYNC = "config-sync"
    INIT = "init"
    QUORUM = "quorum"
    RUN = "run"
    CLEANUP = "cleanup"
    SHUTDOWN = "shutdown"
    FINALIZE = "finalize"
    GOODBYE = "goodbye"
    EXIT = "exit"


_ORDER = list(BrokerState)
_RUN = _ORDER.index(BrokerState.RUN)


class StateMachine:
    """Where a broker is, and how it came there.

    `history` holds (state, time of entry) pairs in the clock of whoever drives the machine.
    """

    def __init__(self, now: float) -> None:
        self.state = BrokerState.LOAD_BUILTINS
        self.history: list[tuple[BrokerState, float]] = [(self.state, now)]
        self.failure: str | None = None

    def advance(self, now: float) -> BrokerState:
        """The work of this state is done: enter the next one."""
        if self.state is BrokerState.EXIT:
            raise BournError("the broker has exited")
        return self._enter(_ORDER[_ORDER.index(self.state) + 1], now)

    def fail(self, reason: str, now: float) -> BrokerState:
        """The work of this state can't be done: undo what there is."""
        self.failure = self.failure or reason
        if _ORDER.index(self.state) < _RUN:
            return self._enter(BrokerState.SHUTDOWN, now)
        return self.advance(now)

    @property
    def ending(self) -> bool:
        """Whether the broker is past `RUN`."""
        return _ORDER.index(self.state) > _RUN

    def _enter(self, state: BrokerState, now: float) -> BrokerState:
        self.state = state
        self.history.append((state, now))
        return state
