import pytest

from bourn_plugins.simulate.job import Job, Record, sized_jobspec
from bourn_plugins.simulate.report import repeat_table, summary_text
from bourn_plugins.simulate.simulation import Result
from bourn_plugins.simulate.stats import Spread, summarise
from bourn_plugins.simulate.table import aligned, csv_table, row_of, text_table
from bourn_plugins.simulate.usage import Series, size_of, totals_of

SPEC = sized_jobspec(nnodes=1, duration=100)


def record(id, submit, start, end, state="completed", **rest):
    return Record(id, Job(f"j{id}", submit, 100.0, SPEC), submit, state, start, end, **rest)


def result():
    records = [
        record(1, 0.0, 0.0, 100.0),
        record(2, 0.0, 100.0, 200.0, estimate=90.0),
        record(3, 0.0, None, None, "denied", reason="needs 9 nodes"),
    ]
    series = Series([0.0, 100.0, 200.0], {"core": [4, 2, 0], "gpu": [0, 0, 0]}, [1, 0, 0], [1, 1, 0])
    return Result(records, series, 200.0, 7, {"queue-policy": "easy"})


def test_summary():
    found = summarise(result(), {"core": 4, "gpu": 2})
    assert found.states == {"completed": 2, "denied": 1}
    assert found.makespan == 200
    assert list(found.use) == ["core"]
    assert (found.use["core"].whole, found.use["core"].sustained) == (0.75, 1.0)
    assert (found.wait.mean, found.wait.max) == (50, 100)
    assert (found.slowdown.mean, found.queue_mean, found.queue_max, found.late) == (1.5, 0.5, 1, 1)
    assert found.as_dict()["use"]["core"] == {"capacity": 4, "whole": 0.75, "sustained": 1.0}


def test_nobody_waited():
    records = [record(1, 0.0, 0.0, 100.0)]
    series = Series([0.0, 100.0], {"core": [4, 0]}, [0, 0], [1, 0])
    found = summarise(Result(records, series, 100.0, 3, {}), {"core": 4})
    assert found.use["core"].sustained is None
    assert "cores used   100.00%\n" in summary_text(found, {"scheduler": "s"}, {"core": 4})


def test_nothing_happened():
    found = summarise(Result([], Series(), 0.0, 0, {}), {"core": 4})
    assert (found.makespan, found.use, found.wait) == (0.0, {}, Spread(0.0, 0.0, 0.0, 0.0))


def test_percentiles_are_values_that_occur():
    assert Spread.of(range(1, 101)) == Spread(50.5, 50, 95, 100)
    assert Spread.of([3.0]) == Spread(3.0, 3.0, 3.0, 3.0)


def test_slowdown_is_bounded():
    assert record(1, 0.0, 90.0, 91.0).slowdown == pytest.approx(9.1)
    assert record(1, 0.0, 0.0, 1.0).slowdown == 1.0
    assert record(1, 0.0, None, None).slowdown is None


def test_text():
    summary = summarise(result(), {"core": 4})
    text = summary_text(
        summary, {"scheduler": "s", "queue-policy": "easy"}, {"core": 4, "rack": 2}, skipped=3
    )
    assert text.splitlines() == [
        "scheduler    s, queue-policy easy",
        "resources    4 cores",
        "jobs         2 completed, 1 denied, 3 of the trace never ran",
        "makespan     3.33333m",
        "cores used   75.00%; while jobs waited 100.00%",
        "wait         mean 50s, median 0s, 95 % 1.66667m, most 1.66667m",
        "slowdown     mean 1.50, median 1.00, 95 % 2.00, most 2.00",
        "queue        mean 0.5, most 1",
        "late         1 jobs started later than was estimated first",
    ]


def test_repetitions():
    summary = summarise(result(), {"core": 4})
    lines = [line.split() for line in repeat_table([summary, summary], 7).splitlines()]
    assert lines[0] == ["SEED", "MAKESPAN", "CORES%", "WAIT", "SLOWDOWN", "QUEUE"]
    assert [line[0] for line in lines[1:]] == ["7", "8", "mean", "sd", "min", "max"]
    assert lines[3][1:] == ["200.00", "75.00", "50.00", "1.50", "0.50"]
    assert set(lines[4][1:]) == {"0.00"}


def test_table_of_jobs():
    records = result().records
    records[0].R_lite = [{"rank": "0-1", "children": {"core": "0-1"}}]
    assert csv_table(records).splitlines()[1] == "1,j1,0,,completed,0,0,100,0,1,0,0,0,0-1,"
    head = text_table(records).splitlines()[0]
    assert " ".join(head.split()) == "ID NAME STATE START END WAIT SLOWDOWN RANKS REASON"
    assert row_of(records[2])["reason"] == "needs 9 nodes"
    assert row_of(record(1, 0.5, 1.25, 2.0))["wait"] == 0.75


def test_columns():
    assert aligned([["N", "WORD"], ["1", "a"], ["10", ""]]) == " N  WORD\n 1  a\n10\n"


def test_sizes():
    lite = [
        {"rank": "0-1", "children": {"core": "0-3", "gpu": "0"}},
        {"rank": "4", "children": {"core": "7"}},
    ]
    assert size_of(lite) == (0b10011, 9, 2)
    tree = [
        {
            "type": "rack",
            "count": 2,
            "with": [{"type": "slot", "count": 3, "with": [{"type": "core", "count": 4}]}],
        },
        {"type": "storage", "count": 5},
    ]
    assert totals_of(tree) == {"rack": 2, "core": 24, "storage": 5}
