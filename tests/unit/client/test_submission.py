import json

import pytest

from bourn.client.submission import Submission
from bourn.client.transport import decode, encode
from bourn.errors import JobspecError


def test_equal_jobspecs_are_sent_once():
    spec = {"version": 1, "tasks": []}
    submission = Submission()
    submission.add(spec)
    submission.add(spec, urgency=20, flags=4, key="k", settings={"attributes.user.n": 1})
    submission.add({"version": 1})
    submission.add(json.dumps({"version": 1}))
    assert json.loads(submission.payload()) == {
        "jobspecs": [spec, {"version": 1}, {"version": 1}],
        "jobs": [
            {"jobspec": 0},
            {"jobspec": 0, "urgency": 20, "flags": 4, "key": "k", "set": {"attributes.user.n": 1}},
            {"jobspec": 1},
            {"jobspec": 2},
        ],
    }


def test_a_submission_is_full_before_it_is_too_long_for_a_message():
    submission = Submission()
    count = 0
    while not submission.full:
        submission.add({"filler": "x" * 2_000_000, "n": count})
        count += 1
    assert len(submission.payload()) < 64 << 20


def test_text_that_is_no_json_is_refused():
    with pytest.raises(JobspecError, match="not JSON"):
        Submission().add("{")


def test_what_json_can_not_express_is_refused():
    circle: dict[str, object] = {}
    circle["self"] = circle
    for bad in ({"version": {1}}, circle):
        submission = Submission()
        for _ in range(2):
            with pytest.raises(JobspecError, match="can't be expressed in JSON"):
                submission.add(bad)
        submission.add({})
        assert json.loads(submission.payload()) == {"jobspecs": [{}], "jobs": [{"jobspec": 0}]}


def test_a_payload_goes_into_the_frame_as_it_is():
    submission = Submission()
    submission.add({"name": "\u00e4"})
    frame = encode({"type": "request", "payload": submission.payload(), "flags": 1})
    assert decode(memoryview(frame)[4:]) == {
        "type": "request",
        "flags": 1,
        "payload": {"jobspecs": [{"name": "\u00e4"}], "jobs": [{"jobspec": 0}]},
    }


def test_an_environment_is_sent_once():
    def spec(n, environment):
        return {"version": 1, "tasks": [n], "attributes": {"system": {"environment": environment}}}

    submission = Submission()
    for n in range(3):
        submission.add(spec(n, {"A": "1", "B": None}))
    submission.add(json.dumps(spec(3, {"A": "2"})))
    submission.add(spec(4, {"B": None, "A": "1"}))
    payload = json.loads(submission.payload())
    assert payload["environments"] == [{"A": "1", "B": None}, {"A": "2"}]
    assert payload["jobspecs"] == [spec(n, index) for n, index in enumerate([0, 0, 0, 1, 0])]


def test_an_environment_that_is_none_is_not_taken_for_an_index():
    bad = {"attributes": {"system": {"environment": 0}}}
    with pytest.raises(JobspecError, match=r"attributes.system.environment: must be a dictionary"):
        Submission().add(bad)
    submission = Submission()
    submission.add({"attributes": {"system": {"environment": {"A": ["1"]}}}})
    assert json.loads(submission.payload())["environments"] == [{"A": ["1"]}]
