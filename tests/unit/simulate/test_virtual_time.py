import pytest

from bourn_plugins.simulate.clock import Agenda, Kind


def test_order():
    agenda = Agenda()
    for when, kind, what in (
        (5, Kind.SUBMIT, "d"), (1, Kind.SUBMIT, "b"), (1, Kind.END, "a"), (1, Kind.SUBMIT, "c"),
    ):  # fmt: skip
        agenda.add(when, kind, what)
    assert agenda.next == 1
    assert agenda.pop() is None
    agenda.now = 1
    assert [agenda.pop()[1] for _ in range(3)] == ["a", "b", "c"]
    assert agenda.pop() is None
    with pytest.raises(AssertionError):
        agenda.add(0.5, Kind.END, "late")
