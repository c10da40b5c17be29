import pytest

from tests.soak import broker_kills, host_kills, inner_kills
from tests.soak.eventlog import faults


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_when_the_broker_is_killed() -> None:
    assert broker_kills.run(seed=1, kills=50) == 0


def test_jobs_end_once_however_hosts_and_brokers_are_killed() -> None:
    assert host_kills.run(seed=1, kills=4) == 0


@pytest.mark.slow
@pytest.mark.parametrize(("kills", "ranks"), [(50, 1), (25, 3)])
def test_jobs_end_once_over_many_kills(kills: int, ranks: int) -> None:
    assert host_kills.run(seed=1, kills=kills, ranks=ranks) == 0


def test_only_parts_on_killed_ranks_fail_their_jobs() -> None:
    assert inner_kills.run(seed=1, rounds=1) == 0


@pytest.mark.slow
@pytest.mark.parametrize("state", [False, True])
@pytest.mark.parametrize(("ranks", "topology"), [(6, "custom:0,1,2,3,4"), (13, "kary:3")])
def test_only_parts_on_killed_ranks_fail_their_jobs_in_other_trees(
    ranks: int, topology: str, *, state: bool
) -> None:
    assert inner_kills.run(seed=2, rounds=3, ranks=ranks, topology=topology, state=state) == 0


def test_members_of_arrays_end_once_however_hosts_and_brokers_are_killed() -> None:
    assert host_kills.run(seed=2, kills=3, as_arrays=True) == 0


@pytest.mark.slow
def test_arrays_over_many_kills() -> None:
    assert broker_kills.run(seed=1, kills=30, as_arrays=True) == 0
    assert host_kills.run(seed=1, kills=30, ranks=3, as_arrays=True) == 0


def log(*names: str) -> str:
    return "".join(f'{{"timestamp":1.0,"name":"{name}"}}\n' for name in names)


def test_the_checker_itself() -> None:
    whole = ("submit", "validate", "depend", "priority", "alloc", "start", "finish", "free", "clean")
    assert faults(log(*whole)) == []
    assert faults(log(*whole[:5])) == []
    assert faults(log("validate"))
    assert faults(log(*whole, "start"))
    assert faults(log(*whole[:5], "free", "free", "clean"))
    assert faults(log("submit", "validate", "depend", "alloc"))
    assert faults("nonsense\n")
