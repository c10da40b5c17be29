from __future__ import annotations

import pytest

from bourn.broker.states import BrokerState, StateMachine
from bourn.errors import BournError


def test_a_good_life_passes_all_states_in_order() -> None:
    machine = StateMachine(0.0)
    for now in range(1, len(BrokerState)):
        machine.advance(now)
    assert [state.value for state, _ in machine.history] == [
        "load-builtins", "join", "config-sync", "init", "quorum", "run",
        "cleanup", "shutdown", "finalize", "goodbye", "exit",
    ]  # fmt: skip
    assert [time for _, time in machine.history] == list(range(11))
    with pytest.raises(BournError):
        machine.advance(99)


@pytest.mark.parametrize("steps", range(5))
def test_a_failure_before_run_leads_to_shutdown(steps: int) -> None:
    machine = StateMachine(0.0)
    for _ in range(steps):
        machine.advance(0.0)
    assert not machine.ending
    assert machine.fail("no", 1.0) is BrokerState.SHUTDOWN
    assert machine.failure == "no"
    assert machine.ending


def test_a_failure_on_the_way_down_goes_on_down_and_keeps_the_first_reason() -> None:
    machine = StateMachine(0.0)
    machine.fail("first", 0.0)
    assert machine.fail("second", 0.0) is BrokerState.FINALIZE
    assert machine.failure == "first"
