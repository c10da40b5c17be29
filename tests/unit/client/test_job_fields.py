import time

import pytest

from bourn.client.jobfields import FIELDS, JobInfo, attrs_of, field
from bourn.errors import BournError
from bourn.model.states import State

BASE = {"id": 6731191091817518, "userid": 0, "t_submit": 1.0, "urgency": 16, "priority": 16}


def info(state=State.INACTIVE, **more):
    return JobInfo({**BASE, "state": int(state), **more})


def test_times():
    assert info(t_run=2.0, t_cleanup=5.0).runtime == 3.0
    assert info(State.SCHED).runtime == 0.0
    assert info(State.RUN, t_run=time.time() - 10).runtime >= 10
    assert 0 < info(State.RUN, expiration=time.time() + 5).t_remaining <= 5
    assert info(State.SCHED, duration=60.0).contextual_time == 60.0


@pytest.mark.parametrize(
    ("more", "code", "reason"),
    [
        ({"waitstatus": 0, "result": 1}, 0, "Exit 0"),
        ({"waitstatus": 256, "result": 2}, 1, "Exit 1"),
        ({"waitstatus": 127 << 8, "result": 2}, 127, "command not found"),
        ({"waitstatus": 9, "result": 2}, -9, "Killed"),
        ({"result": 4, "exception_note": "bye"}, -128, "Canceled: bye"),
        ({"result": 4}, -128, "Canceled"),
        ({"result": 8, "waitstatus": 14}, -14, "Timeout"),
        (
            {"result": 2, "exception_type": "exec", "exception_severity": 0, "exception_note": "gone"},
            -128,
            "Exception: type=exec note=gone",
        ),
    ],
)
def test_how_a_job_ended(more, code, reason):
    assert (info(**more).returncode, info(**more).inactive_reason) == (code, reason)


@pytest.mark.parametrize(
    ("state", "more", "text"),
    [
        (State.DEPEND, {"dependencies": ["afterok=f1", "begin-time=2"]}, "depends:afterok=f1,begin-time=2"),
        (State.PRIORITY, {}, "priority-wait"),
        (State.SCHED, {"urgency": 0}, "held"),
        (State.SCHED, {"annotations": {"sched": {"reason": "waits for 4 cores"}}}, "waits for 4 cores"),
        (State.SCHED, {"annotations": {"sched": {"t_estimate": 1.0}}}, "eta:now"),
        (State.RUN, {"nodelist": "node[0-3]"}, "node[0-3]"),
    ],
)
def test_what_matters_in_each_state(state, more, text):
    assert info(state, **more).contextual_info == text


def test_nested_names():
    job = info(exception_type="cancel", annotations={"user": {"note": "x"}, "sched": {"reason": "r"}})
    assert (job.exception.type, job.user.note, job.sched.reason) == ("cancel", "x", "r")
    assert job.annotations["user"] == {"note": "x"}
    with pytest.raises(AttributeError):
        _ = job.exception.kind
    with pytest.raises(AttributeError):
        _ = job.nmae


def test_every_field_can_be_read_of_a_job_that_has_hardly_anything():
    for name, (heading, get) in FIELDS.items():
        get({**BASE, "state": int(State.SCHED)})
        assert heading == heading.upper(), name


def test_the_attributes_that_fields_need_suffice():
    full = {
        **BASE,
        "state": 64,
        "result": 2,
        "waitstatus": 256,
        "nodelist": "n",
        "t_run": 1.0,
        "t_cleanup": 2.0,
    }
    for name, (_, get) in FIELDS.items():
        part = {key: value for key, value in full.items() if key in attrs_of([name])}
        assert get(part) == get(full), name


def test_unknown_fields_are_answered_with_the_nearest():
    with pytest.raises(BournError, match="did you mean 'status'"):
        field("statsu")
