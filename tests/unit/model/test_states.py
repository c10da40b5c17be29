from __future__ import annotations

import pytest

from bourn.errors import BournError
from bourn.model.states import Result, State, job_status, job_status_abbrev, parse_filter


def test_the_values_of_rfc_21() -> None:
    assert [int(s) for s in (State.NEW, State.DEPEND, State.PRIORITY, State.SCHED)] == [1, 2, 4, 8]
    assert [int(s) for s in (State.RUN, State.CLEANUP, State.INACTIVE)] == [16, 32, 64]
    assert State.PENDING == State.DEPEND | State.PRIORITY | State.SCHED
    assert State.RUNNING == State.RUN | State.CLEANUP
    assert State.ACTIVE == State.PENDING | State.RUNNING
    assert [int(r) for r in Result] == [1, 2, 4, 8]


def test_abbreviations() -> None:
    letters = [State(1 << i).abbrev for i in range(7)]
    assert letters == ["N", "D", "P", "S", "R", "C", "I"]
    assert [r.abbrev for r in Result] == ["CD", "F", "CA", "TO"]
    assert job_status_abbrev(State.RUN) == "R"
    assert job_status_abbrev(State.INACTIVE, Result.TIMEOUT) == "TO"
    assert job_status(State.INACTIVE, Result.CANCELED) == "CANCELED"
    assert job_status(State.SCHED) == "SCHED"
    assert job_status(State.INACTIVE) == "INACTIVE"


def test_filters_by_name() -> None:
    assert parse_filter("pending,running") == (62, 0)
    assert parse_filter("failed timeout") == (64, 10)
    assert parse_filter("") == (0, 0)
    with pytest.raises(BournError, match="'pendin' is no job state or result; did you mean 'pending'"):
        parse_filter("pendin")
