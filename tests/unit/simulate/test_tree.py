"""Trees of instances: what their throughput is bound by, and that no job is lost on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bourn.errors import BournError
from bourn_plugins.simulate.command import main
from bourn_plugins.simulate.tree.costs import Costs, read_costs
from bourn_plugins.simulate.tree.leaf import Task
from bourn_plugins.simulate.tree.tree import Tree
from bourn_policies.distribution.least_loaded import LeastLoaded
from bourn_policies.distribution.round_robin import RoundRobin

if TYPE_CHECKING:
    from pathlib import Path

COSTS = Costs(broker=0.004, host=0.002, task=0.001, hand=0.001, hop=0.01)
NODES = [(8, 0)] * 4


def ensemble(count: int, runtime: float = 0.0, ncores: int = 1) -> list[Task]:
    return [Task(id, ncores, runtime) for id in range(1, count + 1)]


def rate(shape: str, count: int = 2000, cpus: int = 0, *, to_leaves: bool = False) -> float:
    return Tree(shape, NODES, RoundRobin, COSTS, cpus, to_leaves=to_leaves).run(ensemble(count)).rate


def test_one_instance_is_bound_by_its_broker() -> None:
    assert rate(".") == pytest.approx(1 / COSTS.broker, rel=0.01)


def test_two_levels_are_bound_by_the_children_until_the_root_is_full() -> None:
    assert rate("2") == pytest.approx(2 / COSTS.broker, rel=0.05)
    assert rate("4x2") == pytest.approx(1 / COSTS.hand, rel=0.05)


def test_jobs_that_are_dealt_out_to_the_leaves_need_no_root() -> None:
    assert rate("4x2", to_leaves=True) == pytest.approx(8 / COSTS.broker, rel=0.05)


def test_processes_of_one_machine_share_its_cpus() -> None:
    whole = COSTS.broker + COSTS.host + COSTS.task
    assert rate(".", cpus=1) == pytest.approx(1 / whole, rel=0.01)
    assert rate("4", cpus=1) == pytest.approx(1 / (whole + COSTS.hand), rel=0.02)


def test_long_jobs_are_bound_by_cores() -> None:
    outcome = Tree("4", NODES, RoundRobin, COSTS).run(ensemble(64, runtime=100.0))
    assert outcome.makespan == pytest.approx(200.0, rel=0.01)
    assert [level.instances for level in outcome.levels] == [1, 4]
    assert 0 < outcome.levels[1].mean <= outcome.levels[1].most < 0.01


def test_a_leaf_never_runs_more_than_it_has_cores_for() -> None:
    tasks = ensemble(40, runtime=10.0, ncores=3)
    Tree("2", NODES, RoundRobin, COSTS).run(tasks)
    begins = sorted((task.start or 0.0, 3) for task in tasks)
    ends = sorted((task.end or 0.0, -3) for task in tasks)
    busy = most = 0
    for _, change in sorted(begins + ends, key=lambda row: (row[0], row[1])):
        busy += change
        most = max(most, busy)
    assert most == 4 * 2 * 3  # two to a node of eight


@given(
    st.sampled_from([".", "2", "4x8", "node", "nodex2", "[2@3,.]", "2x2x2"]),
    st.lists(st.tuples(st.integers(1, 1), st.floats(0, 50), st.floats(0, 50)), min_size=1, max_size=60),
    st.booleans(),
    st.sampled_from([0, 2]),
)
def test_every_job_ends_after_it_started_after_it_came(
    shape: str, rows: list[tuple[int, float, float]], to_leaves: bool, cpus: int
) -> None:
    tasks = [Task(id, ncores, runtime, submit) for id, (ncores, runtime, submit) in enumerate(rows, start=1)]
    outcome = Tree(shape, NODES, LeastLoaded, COSTS, cpus, to_leaves=to_leaves).run(tasks)
    for task in tasks:
        assert task.start is not None
        assert task.end is not None
        assert task.submit < task.start
        assert task.start + task.runtime < task.end <= outcome.makespan


def test_a_job_that_fits_no_leaf_is_named() -> None:
    with pytest.raises(
        BournError, match="job 1 wants 9 cores of a node; an instance of the lowest level has 8"
    ):
        Tree("4", NODES, RoundRobin, COSTS).run(ensemble(1, ncores=9))


def test_the_command_prints_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    costs = tmp_path / "costs.toml"
    costs.write_text("broker = 4000\nhost = 2000\ntask = 1000\nhand = 1000\nhop = 10_000\n")
    common = ["--resources", "nodes=4,cores=8", "--costs", str(costs), "--ensemble", "2000"]
    assert main(["--tree", ".", *common]) == 0
    assert capsys.readouterr().out == (
        "jobs         2,000\nmakespan     8.009 s\nthroughput   250 jobs/s\n"
        "level 1      1 instance, broker busy 99.9%\n"
    )
    assert main(["--tree=2", *common, "--json"]) == 0
    assert '"levels": [{"instances": 1' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("brokr = 1\n", "brokr: unknown key; did you mean 'broker'?"),
        ("broker = 'x'\n", "broker: must be microseconds, not 'x'"),
        ("broker = 1\nhost = 1\ntask = 1\n", "hand: missing; `python -m tests.bench levels` measures it"),
    ],
)
def test_wrong_costs_are_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "costs.toml"
    path.write_text(text)
    with pytest.raises(BournError) as caught:
        read_costs(str(path))
    assert caught.value.message == f"{path}: {reason}"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--ensemble", "1", "--distribution", "round-robbin"], "did you mean 'round-robin'?"),
        ([], "say either TRACE or --ensemble N"),
        (["--ensemble", "1", "--tree", "2y"], "'2y' is no level"),
    ],
)
def test_wrong_words_are_refused(tmp_path: Path, words: list[str], reason: str) -> None:
    costs = tmp_path / "costs.toml"
    costs.write_text("broker = 1\nhost = 1\ntask = 1\nhand = 1\n")
    with pytest.raises(BournError, match=reason.replace("?", r"\?")):
        main(["--tree", "2", "--resources", "nodes=4,cores=8", "--costs", str(costs), *words])
