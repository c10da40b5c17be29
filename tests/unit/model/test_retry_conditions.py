"""When a job that failed is run again."""

from __future__ import annotations

import signal

import pytest

from bourn.errors import BournError, JobspecError
from bourn.model.jobspec_build import from_command
from bourn.model.jobspec_check import check_jobspec
from bourn.model.retry import DEFAULT_ON, cause, due, parse_retry_on


@pytest.mark.parametrize(
    ("on", "status", "exception", "found"),
    [
        (DEFAULT_ON, 3 << 8, None, "exit status 3"),
        (DEFAULT_ON, 9, None, "signal 9"),
        (DEFAULT_ON, 0, None, None),
        (DEFAULT_ON, None, None, None),
        (DEFAULT_ON, 9, "node-failure", "node-failure"),
        (DEFAULT_ON, 127 << 8, "exec", None),
        (DEFAULT_ON, 15, "timelimit", None),
        (DEFAULT_ON, 15, "cancel", None),
        (("exit", "signal", "node", "exec", "timeout"), 15, "cancel", None),
        (("timeout",), 15, "timelimit", "timelimit"),
        (("exec",), None, "exec", "exec"),
        (("75",), 75 << 8, None, "exit status 75"),
        (("10-20",), 9 << 8, None, None),
        (("10-20",), 20 << 8, None, "exit status 20"),
        (("SIGBUS",), int(signal.SIGBUS), None, "signal 7"),
        (("bus",), (128 + 7) << 8, None, "signal 7"),
        (("SIGBUS",), int(signal.SIGKILL), None, None),
        (("exit",), 9, None, None),
        (("signal",), 9 << 8, None, None),
    ],
)
def test_causes(on, status, exception, found):
    assert cause(on, status, exception) == found


def test_the_limit():
    assert due({"limit": 2}, 1, 256, None) == "exit status 1"
    assert due({"limit": 2}, 2, 256, None) is None
    assert due({"limit": 0}, 0, 256, None) is None


@pytest.mark.parametrize("word", ["singal", "0", "300", "9-3", "SIGNONE", "-4"])
def test_wrong_conditions(word):
    with pytest.raises(BournError, match=f"'{word}' is no condition"):
        parse_retry_on(f"exit,{word}")


def test_in_a_jobspec():
    obj = from_command(["true"], retries=2, retry_on=["75", "node"])
    check_jobspec(obj)
    assert obj["attributes"]["system"]["retry"] == {"limit": 2, "on": ["75", "node"]}
    obj["attributes"]["system"]["retry"]["on"] = ["nodes"]
    with pytest.raises(JobspecError, match=r"retry\.on\[0\]: 'nodes' is no condition; did you mean 'node'"):
        check_jobspec(obj)
    obj["attributes"]["system"]["retry"] = {"limt": 2}
    with pytest.raises(JobspecError, match="limt"):
        check_jobspec(obj)
