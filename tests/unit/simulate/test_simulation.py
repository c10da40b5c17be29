from functools import cache
from itertools import pairwise

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from bourn.errors import BournError
from bourn.hookspecs.modules import ModuleSpec
from bourn.model.idset import IdSet
from bourn_plugins.simulate.command import mixed
from bourn_plugins.simulate.job import Job, Trace, sized_jobspec
from bourn_plugins.simulate.machine import machine_of_text
from bourn_plugins.simulate.setup import load_plugins, make_setting
from bourn_plugins.simulate.stats import summarise
from bourn_plugins.simulate.table import csv_table

MACHINE = machine_of_text("nodes=4,cores=4,gpus=2")
plugins = cache(load_plugins)


def simulate(jobs, scheduler="sched-graph", until=float("inf"), machine=MACHINE, **keys):
    keys = {key.replace("_", "-"): value for key, value in keys.items()}
    return make_setting(machine, plugins(), scheduler, keys).run(Trace(tuple(jobs)), until)


def job(name="", submit=0.0, runtime=10.0, limit=None, **size):
    return Job(name, submit, runtime, sized_jobspec(**size, duration=runtime if limit is None else limit))


def starts(result):
    return [record.start for record in result.records]


# -- by hand --


def test_one_after_another():
    result = simulate([job(nnodes=3), job(nnodes=2), job(nnodes=1)], queue_policy="fcfs")
    assert starts(result) == [0, 10, 10]
    assert result.end == 20
    assert [record.state for record in result.records] == ["completed"] * 3


def test_easy_fills_holes_without_delaying_the_first():
    jobs = [
        job("runs", nnodes=3, runtime=100),
        job("first", nnodes=4, runtime=10),
        job("too long", nnodes=1, runtime=101),
        job("fits", nnodes=1, runtime=100),
    ]
    result = simulate(jobs, queue_policy="easy")
    assert starts(result) == [0, 100, 110, 0]
    assert result.records[1].estimate == 100


def test_an_early_end_starts_the_next_early():
    result = simulate([job(nnodes=4, runtime=10, limit=100), job(nnodes=4)])
    assert starts(result) == [0, 10]
    assert result.records[1].estimate == 100


def test_a_job_ends_at_its_limit():
    result = simulate([job(nnodes=4, runtime=50, limit=20), job(nnodes=4)])
    assert [record.state for record in result.records] == ["timeout", "completed"]
    assert starts(result) == [0, 20]


def test_a_job_without_a_limit_runs_as_long_as_it_takes():
    (record,) = simulate([job(nnodes=1, runtime=12345, limit=0)]).records
    assert (record.end, record.state) == (12345, "completed")


def test_a_job_of_no_time():
    assert starts(simulate([job(nnodes=4, runtime=0, limit=5), job(nnodes=4)])) == [0, 0]


@pytest.mark.parametrize("scheduler", ["sched-graph", "sched-simple"])
def test_what_can_never_run_is_denied_with_the_reason(scheduler):
    result = simulate([job(nnodes=5), job(nnodes=4)], scheduler)
    denied, other = result.records
    assert (denied.state, denied.start) == ("denied", None)
    assert "5 nodes" in denied.reason
    assert other.start == 0


def test_what_waits_says_why():
    result = simulate([job(nnodes=3, runtime=100), job(nnodes=2)], until=50)
    assert [record.state for record in result.records] == ["running", "pending"]
    assert result.records[1].reason == "needs 2 nodes, 1 free"
    assert result.end == 50


def test_nothing_after_the_clock_stopped():
    result = simulate([job(nnodes=1), job(nnodes=1, submit=100)], until=50)
    assert len(result.records) == 1


def test_priority_comes_before_submission():
    jobs = [job(nnodes=4), job(nnodes=4, submit=1), evolve(job(nnodes=4, submit=2), priority=20)]
    assert starts(simulate(jobs)) == [0, 20, 10]


def test_gpus_and_cores_of_one_node():
    jobs = [job(nnodes=1, ncores=2, ngpus=2), job(nnodes=1, ncores=2), job(nnodes=1, ncores=1)]
    result = simulate(jobs, machine=machine_of_text("nodes=1,cores=4,gpus=2"))
    assert starts(result) == [0, 0, 10]
    series = result.series
    assert (series.used["gpu"][0], series.used["core"][0], series.used["node"][0]) == (2, 4, 1)
    assert (series.used["gpu"][-1], series.used["core"][-1], series.used["node"][-1]) == (0, 0, 0)


def test_types_that_r_does_not_have(tmp_path):
    path = tmp_path / "site.toml"
    path.write_text(
        '[[resource.graph]]\ntype="node"\ncount=2\n'
        '[[resource.graph]]\ntype="core"\nin="node"\ncount=4\n'
        '[[resource.graph]]\ntype="memory"\nin="node"\ncount=4\nsize=8\n'
    )
    from bourn.model.interned import INTERNED
    from bourn_plugins.simulate.machine import machine_of_file

    readers = {reader.name: reader for _, reader in plugins().collect("bourn_resource_readers")}
    obj = sized_jobspec(nnodes=1, ncores=1, duration=10).obj
    slot = obj["resources"][0]["with"][0]
    slot = {**slot, "with": [*slot["with"], {"type": "memory", "count": 16}]}
    obj = {**obj, "resources": [{**obj["resources"][0], "with": [slot]}]}
    jobs = [Job(str(i), 0.0, 10.0, INTERNED.intern_obj(obj)) for i in range(5)]
    result = simulate(jobs, machine=machine_of_file(str(path), "", readers))
    assert starts(result) == [0, 0, 0, 0, 10]
    assert result.series.used["memory"] == [64, 16, 0]


class Follow:
    """One job after another: the next comes a second after the one before ended."""

    def __init__(self, count):
        self.left = count

    def begin(self):
        return [job(nnodes=4)]

    def finished(self, record):
        self.left -= 1
        return [job(nnodes=4, submit=record.end + 1)] if self.left else []


def test_a_workload_that_reacts():
    result = make_setting(MACHINE, plugins()).run(Follow(3))
    assert starts(result) == [0, 11, 22]


class Twice:
    """A scheduler that breaks the protocol."""

    def __init__(self, ctx):
        self.ctx = ctx

    async def run(self, *, task_status):
        task_status.started()

    def alloc(self, jobs):
        R = {"execution": {"R_lite": [{"rank": "0", "children": {"core": "0"}}]}}
        self.ctx.provider("job-manager").alloc_success([(jobs[0].id, R, None)] * 2)

    def free(self, jobs): ...
    def cancel(self, ids): ...
    def prioritize(self, jobs): ...
    def expiration(self, id, t): ...
    def feasibility(self, jobspec): ...


def test_a_scheduler_that_answers_twice_is_named():
    setting = evolve(make_setting(MACHINE, plugins()), scheduler=ModuleSpec("twice", Twice))
    with pytest.raises(BournError, match="twice: answered job 1 twice; it is running"):
        setting.run(Trace((job(nnodes=1),)))


class Broken(Twice):
    def alloc(self, jobs):
        raise KeyError("rank")


def test_a_scheduler_that_fails_is_named():
    setting = evolve(make_setting(MACHINE, plugins()), scheduler=ModuleSpec("broken", Broken))
    with pytest.raises(BournError, match="scheduler broken failed at 3 s: KeyError: 'rank'"):
        setting.run(Trace((job(nnodes=1, submit=3),)))


def test_a_module_that_is_no_scheduler_is_named():
    setting = evolve(make_setting(MACHINE, plugins()), scheduler=ModuleSpec("no", lambda ctx: object()))
    with pytest.raises(BournError, match="module no lacks methods"):
        setting.run(Trace((job(nnodes=1),)))


def test_wrong_names():
    for keys, reason in (
        ({"scheduler": "sched-grap"}, "unknown scheduler 'sched-grap'; did you mean 'sched-graph'?"),
        ({"queue_policy": "esy"}, "unknown queue policy 'esy'; did you mean 'easy'?"),
        ({"match_policy": "lo"}, "unknown match policy 'lo'"),
        ({"queue_depth": 0}, "queue-depth must be an integer from 1"),
    ):
        with pytest.raises(BournError) as error:
            simulate([job(nnodes=1)], **keys)
        assert reason in error.value.message


# -- whatever the workload --

sizes = st.one_of(
    st.builds(dict, nnodes=st.integers(1, 4)),
    st.builds(lambda n, c: {"nnodes": n, "ncores": n * c}, st.integers(1, 4), st.integers(1, 4)),
    st.builds(lambda n, g: {"nnodes": n, "ncores": n, "ngpus": n * g}, st.integers(1, 2), st.integers(1, 2)),
    st.builds(dict, ncores=st.integers(1, 16)),
)
workloads = st.lists(
    st.builds(
        lambda size, submit, runtime, extra: job(
            submit=submit, runtime=runtime, limit=runtime + extra, **size
        ),
        sizes,
        st.integers(0, 60).map(float),
        st.integers(1, 40).map(float),
        st.sampled_from([0, 0, 5, 30, -0.5]),
    ),
    min_size=1,
    max_size=14,
)
schedulers = st.sampled_from(
    [
        ("sched-simple", {}),
        ("sched-graph", {"queue_policy": "fcfs"}),
        ("sched-graph", {"queue_policy": "easy", "match_policy": "low"}),
        ("sched-graph", {"queue_policy": "easy", "match_policy": "pack"}),
        ("sched-graph", {"queue_policy": "conservative"}),
        ("sched-graph", {"queue_policy": "hybrid", "reservation_depth": 2, "queue_depth": 3}),
    ]
)


def held(record):
    """Yield (rank, type, id) of all that a job had."""
    for entry in record.R_lite:
        for rank in IdSet(entry["rank"]):
            for type, ids in entry["children"].items():
                for id in IdSet(ids):
                    yield rank, type, id


@given(workloads, schedulers)
@settings(max_examples=120, deadline=None)
def test_nothing_starts_too_early_or_is_given_twice(jobs, scheduler):
    name, keys = scheduler
    result = simulate(jobs, name, **keys)
    times = {}
    for record in result.records:
        assert record.state in ("completed", "timeout")
        assert record.start >= record.submit
        assert record.end - record.start == min(record.job.runtime, record.job.jobspec.counts.duration)
        for unit in held(record):
            times.setdefault(unit, []).append((record.start, record.end))
    for unit, stretches in times.items():
        for before, after in pairwise(sorted(stretches)):
            assert before[1] <= after[0], unit
    for type, column in result.series.used.items():
        assert max(column) <= MACHINE.capacity[type]
        assert column[-1] == 0
    work = sum(record.ncores * (record.end - record.start) for record in result.records)
    spans = result.series.spans(result.end)
    assert sum(result.series.used["core"][i] * seconds for i, seconds in spans) == pytest.approx(work)


@given(workloads, st.sampled_from(["sched-simple", "sched-graph"]))
@settings(max_examples=60, deadline=None)
def test_first_come_first_served(jobs, scheduler):
    records = simulate(jobs, scheduler, queue_policy="fcfs").records
    assert all(before.start <= after.start for before, after in pairwise(records))


@given(workloads, st.sampled_from(["low", "first", "pack"]), st.sampled_from(["easy", "conservative"]))
@settings(max_examples=120, deadline=None)
def test_a_reservation_is_kept(jobs, match_policy, queue_policy):
    """Ends come at the limit at the latest, so no job may start after what was reserved for it first.

    EASY promises that to the first of the queue only, and to nobody else does it give an estimate. Under
    conservative backfilling a later pass plans anew, so that only the first is sure there as well.
    """
    depth = 1 if queue_policy == "conservative" else 32
    keys = {"match_policy": match_policy, "queue_policy": queue_policy, "queue_depth": depth}
    for record in simulate(jobs, **keys).records:
        if record.estimate is not None:
            assert record.start <= record.estimate + 0.05


@given(workloads, schedulers)
@settings(max_examples=20, deadline=None)
def test_equal_input_gives_equal_output(jobs, scheduler):
    name, keys = scheduler
    one, other = (simulate(jobs, name, **keys) for _ in range(2))
    assert csv_table(one.records) == csv_table(other.records)
    assert one.series == other.series
    assert summarise(one, MACHINE.capacity) == summarise(other, MACHINE.capacity)


@given(workloads, st.integers())
def test_shuffling_keeps_jobs_and_submit_times(jobs, seed):
    found = mixed(jobs, seed)
    assert [each.submit for each in found] == [each.submit for each in jobs]
    assert sorted(id(each.jobspec) for each in found) == sorted(id(each.jobspec) for each in jobs)
    assert [e.jobspec for e in mixed(jobs, seed)] == [e.jobspec for e in found]
