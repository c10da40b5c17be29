"""What `[queues]` and `[policy]` say: defaults that make sense, and who may submit."""

from __future__ import annotations

import grp
import os
import pwd
from typing import Any

import pytest

from bourn.config import load_config
from bourn.errors import ConfigError
from bourn_plugins.job_manager.queues import Queues


def queues(*lines: str) -> Queues:
    return Queues(load_config([], lines))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (
            "policy.jobspec.defaults.system.durration='1h'",
            r"policy\.jobspec\.\S+\.durration: jobs have no such attribute; did you mean 'duration'",
        ),
        (
            "queues.q.policy.jobspec.defaults.system.bnak='x'",
            r"queues\.q\.\S+\.bnak: jobs have no such attribute; did you mean 'bank'",
        ),
        ("queues.q.policy.jobspec.defaults.system.duration='1x'", r"duration: '1x' is not a duration"),
        ("policy.jobspec.defaults.system.duration=[]", r"duration: must be a number"),
        ("policy.jobspec.defaults.system.bank=3", r"system\.bank: must be"),
        ("policy.jobspec.defaults.system.queue='none'", "'none' is no queue"),
    ],
)
def test_defaults_are_checked(line: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        queues(line)


def test_defaults_that_are_right() -> None:
    found = queues("queues.q={}", "policy.jobspec.defaults.system={duration='1h',queue='q',bank='b'}")
    assert found.describe(found.get("q"))["defaults"] == {"duration": "1h", "queue": "q", "bank": "b"}


def some_user() -> Any:
    """Return a user who is not the one that runs the test."""
    return next(entry for entry in pwd.getpwall() if entry.pw_uid != os.getuid())


def test_a_queue_without_lists_is_open() -> None:
    assert queues("queues.q={}").refuse("q", 4242) is None


def test_users_of_a_queue() -> None:
    user = some_user()
    found = queues(f"queues.q.allow-users=['{user.pw_name}']")
    assert found.refuse("q", user.pw_uid) is None
    assert found.refuse("q", os.getuid()) is None
    assert found.refuse("q", 424242) == (
        f"queue 'q' is not open to user 424242: it is for users {user.pw_name}"
    )


def test_groups_of_a_queue() -> None:
    user = some_user()
    group = grp.getgrgid(user.pw_gid).gr_name
    found = queues(f"queues.q.allow-groups=['{group}']", "queues.q.allow-users=['root']")
    assert found.refuse("q", user.pw_uid) is None
    reason = found.refuse("q", 424242)
    assert reason is not None
    assert reason.endswith(f"users root and groups {group}")


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"queues\.q\.allow-users\[0\]: no such user 'no-such-one'"):
        queues("queues.q.allow-users=['no-such-one']")
    with pytest.raises(ConfigError, match=r"queues\.q\.allow-groups\[0\]: no such group"):
        queues("queues.q.allow-groups=['no-such-one']")
