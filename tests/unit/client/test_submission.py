import json

import pytest

from bourn.client.submission import Submission
from bourn.errors import JobspecError


def test_equal_jobspecs_are_sent_once():
    spec = {"version": 1, "tasks": []}
    submission = Submission()
    submission.add(spec)
    submission.add(spec, urgency=20, flags=4, key="k", settings={"attributes.user.n": 1})
    submission.add({"version": 1})
    submission.add(json.dumps({"version": 1}))
    assert submission.payload() == {
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
    assert len(json.dumps(submission.payload())) < 64 << 20


def test_text_that_is_no_json_is_refused():
    with pytest.raises(JobspecError, match="not JSON"):
        Submission().add("{")
