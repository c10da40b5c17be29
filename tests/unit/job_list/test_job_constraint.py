"""Job constraints: what they match, what SQL may decide beforehand, and what is wrong with the others."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bourn.errors import BournError
from bourn.hookspecs.store import JobQuery
from bourn_plugins.job_list.constraint import compile_constraint, narrow

JOB = {
    "id": 7,
    "userid": 1000,
    "name": "sim",
    "queue": "batch",
    "state": 64,
    "result": 1,
    "ranks": "0-3",
    "nodelist": "n[1-4]",
    "t_submit": 10.0,
    "t_inactive": 20.0,
}
PENDING = {"id": 8, "userid": 1001, "name": "other", "state": 8, "priority": 16, "t_submit": 11.0}


@pytest.mark.parametrize(
    ("constraint", "job", "pending"),
    [
        ({}, True, True),
        ({"and": []}, True, True),
        ({"or": []}, True, True),
        ({"not": []}, False, False),
        ({"userid": [1000]}, True, False),
        ({"userid": [-1]}, True, True),
        ({"name": ["sim", "x"]}, True, False),
        ({"queue": ["batch"]}, True, False),
        ({"states": ["inactive"]}, True, False),
        ({"states": ["pending", 16]}, False, True),
        ({"states": [14]}, False, True),
        ({"results": ["completed"]}, True, False),
        ({"results": ["failed", "timeout"]}, False, False),
        ({"hostlist": ["n[3-9]"]}, True, False),
        ({"hostlist": ["n5"]}, False, False),
        ({"ranks": ["2"]}, True, False),
        ({"t_submit": [">10.5"]}, False, True),
        ({"t_inactive": [">=20"]}, True, False),
        ({"t_submit": [">=10", "<=10.0"]}, True, False),
        ({"id": [7]}, True, False),
        ({"not": [{"userid": [1000]}]}, False, True),
        ({"or": [{"name": ["other"]}, {"results": [1]}]}, True, True),
        ({"and": [{"name": ["sim"]}, {"not": [{"queue": ["debug"]}]}]}, True, False),
        ({"name": ["sim"], "userid": [1001]}, False, False),
        ({"name": []}, False, False),
    ],
)
def test_matches(constraint: dict[str, Any], job: bool, pending: bool) -> None:
    matches = compile_constraint(constraint)
    assert (matches(JOB), matches(PENDING)) == (job, pending)


@pytest.mark.parametrize(
    ("constraint", "message"),
    [
        ([], "must be an object"),
        ({"nmae": ["x"]}, "no operator 'nmae'; did you mean 'name'"),
        ({"name": "x"}, "'name' must be a list"),
        ({"name": [1]}, "'name' takes strings"),
        ({"userid": ["me"]}, "'userid' takes numbers"),
        ({"states": ["runing"]}, "no 'runing'; did you mean 'RUNNING'"),
        ({"t_run": ["12"]}, "'t_run' takes"),
        ({"t_run": [">1.2.3"]}, "'t_run' takes"),
        ({"hostlist": ["a["]}, ""),
        ({"ranks": ["x"]}, ""),
        ({"and": [3]}, "must be an object"),
    ],
)
def test_what_is_wrong_is_named(constraint: Any, message: str) -> None:
    with pytest.raises(BournError) as caught:
        compile_constraint(constraint)
    assert message in caught.value.message


def test_depth_is_bounded() -> None:
    constraint: dict[str, Any] = {}
    for _ in range(1000):
        constraint = {"not": [constraint]}
    with pytest.raises(BournError, match="nested too deeply"):
        compile_constraint(constraint)


LEAVES = st.one_of(
    st.builds(lambda v: {"userid": v}, st.lists(st.sampled_from([-1, 1000, 1001]), max_size=2)),
    st.builds(lambda v: {"name": v}, st.lists(st.sampled_from(["sim", "other"]), max_size=2)),
    st.builds(lambda v: {"queue": v}, st.lists(st.sampled_from(["batch", "debug"]), max_size=2)),
    st.builds(lambda v: {"states": v}, st.lists(st.sampled_from(["inactive", "run", 62]), max_size=2)),
    st.builds(lambda v: {"results": v}, st.lists(st.sampled_from([1, 2, 4]), max_size=2)),
    st.builds(lambda v: {"id": v}, st.lists(st.integers(0, 9), max_size=3)),
    st.builds(
        lambda v: {"t_inactive": v}, st.lists(st.sampled_from([">5", "<=20", ">=30", ">20"]), max_size=2)
    ),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.builds(
        lambda op, v: {op: v}, st.sampled_from(["and", "or", "not"]), st.lists(inner, max_size=3)
    ),
    max_leaves=6,
)
JOBS = st.fixed_dictionaries(
    {
        "id": st.integers(0, 9),
        "userid": st.sampled_from([1000, 1001]),
        "name": st.sampled_from(["sim", "other"]),
        "state": st.just(64),
        "result": st.sampled_from([1, 2, 4, 8]),
        "t_inactive": st.sampled_from([1.0, 20.0, 30.0]),
    },
    optional={"queue": st.sampled_from(["batch", "debug"])},
)


def selects(query: JobQuery, job: dict[str, Any]) -> bool:
    return (
        (query.userid is None or job["userid"] == query.userid)
        and (query.name is None or job["name"] == query.name)
        and (not query.queues or job.get("queue") in query.queues)
        and (not query.results or bool(job["result"] & query.results))
        and job["t_inactive"] > query.since
        and (query.min_id is None or job["id"] >= query.min_id)
        and (query.max_id is None or job["id"] <= query.max_id)
    )


@given(TREES, JOBS)
def test_narrowing_never_loses_a_job(tree: dict[str, Any], job: dict[str, Any]) -> None:
    if compile_constraint(tree)(job):
        query = narrow(JobQuery(), tree)
        assert query is not None
        assert selects(query, job)
