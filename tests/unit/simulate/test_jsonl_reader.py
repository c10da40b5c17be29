import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bourn.errors import BournError
from bourn.model.jobspec_build import from_command
from bourn_plugins.simulate.jsonl import read_jsonl
from bourn_plugins.simulate.trace import read_trace


def one(**entry):
    (job,) = read_jsonl([json.dumps(entry)])
    return job


def test_whole_nodes():
    job = one(nnodes=2, runtime=60, duration="1h", submit=5, name="big", user=3, priority=20)
    assert (job.name, job.submit, job.runtime, job.user, job.priority) == ("big", 5, 60, 3, 20)
    counts = job.jobspec.counts
    assert (counts.nnodes, counts.exclusive, counts.duration) == (2, True, 3600.0)


def test_parts_of_nodes():
    counts = one(nnodes=2, ncores=8, ngpus=4, runtime=1).jobspec.counts
    assert (counts.nnodes, counts.ncores, counts.ngpus, counts.exclusive) == (2, 8, 4, False)


def test_gpus_anywhere():
    counts = one(ncores=8, ngpus=4, runtime=1).jobspec.counts
    assert (counts.nslots, counts.cores_per_slot, counts.gpus_per_slot) == (4, 2, 1)


def test_cores_anywhere():
    counts = one(ncores=8, runtime=1).jobspec.counts
    assert (counts.nnodes, counts.nslots, counts.cores_per_slot) == (None, 8, 1)


def test_a_jobspec():
    jobspec = from_command(["x"], 2, duration=30, queue="gpu", environment={})
    job = one(jobspec=jobspec)
    assert job.jobspec.obj == jobspec
    assert (job.runtime, job.queue, job.name) == (30.0, "gpu", "1")


def test_the_limit_stands_in_for_the_run_time():
    assert one(nnodes=1, duration=90).runtime == 90


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not JSON"),
        ("[]", "a job must be an object"),
        ('{"nodes": 1}', "nodes: unknown key; did you mean 'nnodes'?"),
        ('{"runtime": 1}', "a job needs a jobspec, or nnodes, ncores or ngpus"),
        ('{"nnodes": 1}', "runtime: is missing"),
        ('{"nnodes": "1", "runtime": 1}', "nnodes: must be an integer from 0, not '1'"),
        ('{"nnodes": true, "runtime": 1}', "nnodes: must be an integer from 0, not True"),
        ('{"nnodes": 1, "runtime": "soon"}', "runtime: 'soon' is not a duration"),
        ('{"nnodes": 1, "runtime": "inf"}', "runtime: must be a finite time"),
        ('{"nnodes": 1, "runtime": 1, "submit": -2}', "submit: '-2' is not a duration"),
        ('{"nnodes": 2, "ncores": 3, "runtime": 1}', "ncores: 3 can't be divided evenly into 2"),
        ('{"nnodes": 1, "runtime": 1, "queue": 3}', "queue: must be a string"),
        ('{"jobspec": {}, "runtime": 1}', "jobspec: "),
        ('{"jobspec": {}, "nnodes": 1}', "nnodes: stands in the jobspec"),
    ],
)
def test_a_wrong_line_is_named(line, reason):
    with pytest.raises(BournError) as error:
        read_trace("t.jsonl", ["", '{"nnodes": 1, "runtime": 1}', line], "jsonl")
    assert error.value.message.startswith("t.jsonl:3: ")
    assert reason in error.value.message


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
keys = st.sampled_from(
    ["nnodes", "ncores", "ngpus", "jobspec", "duration", "runtime", "submit", "name", "user", "queue"]
)


@given(st.dictionaries(keys, values, max_size=5))
def test_anything_is_read_or_refused(entry):
    try:
        (job,) = read_jsonl([json.dumps(entry)])
    except BournError:
        return
    assert job.submit >= 0
    assert job.runtime >= 0
