"""What brokers and shell hosts that are killed leave in TMPDIR, and who removes it."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

import bourn
from tests.integration.instance import Instance, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FOUR = ("-s2", '--conf=resource.config=[{hosts="n[0-1]",cores="0-3"}]')


@pytest.fixture
def tmp(tmp_path: Path) -> Path:
    path = tmp_path / "tmp"
    path.mkdir()
    return path


def kill(instance: Instance) -> None:
    instance.process.kill()
    instance.end()


def host(instance: Instance) -> int:
    (found,) = instance.handle.rpc("shell-manager.stats").get()["hosts"]
    return int(found["pid"])


def use_tmpdir(instance: Instance) -> str:
    """Submit a job that lasts, with a file in its private directory; return its id once that is there."""
    script = "echo x >$BOURN_JOB_TMPDIR/file; echo up; sleep 1000"
    id = instance.words("submit", "sh", "-c", script).out.strip()
    instance.ok(f"job wait-event -p guest.output {id} data")
    return id


def empty(tmp: Path) -> Callable[[], bool]:
    return lambda: not os.listdir(tmp)


@pytest.mark.parametrize("size", [1, 2])
def test_the_next_broker_removes_what_one_that_was_killed_left(tmp: Path, size: int) -> None:
    first = Instance(tmp, f"-s{size}")
    use_tmpdir(first)
    kill(first)
    with Instance(tmp) as second:
        with Instance(tmp) as third:
            assert second.ok("getattr rank") == third.ok("getattr rank") == "0"
        assert second.ok("run echo fine") == "fine"
    until(empty(tmp), lambda: os.listdir(tmp))


@pytest.mark.parametrize("shape", ["-n1", "-N2 -n2"])
def test_what_a_killed_broker_of_a_job_left_goes_with_the_job(tmp: Path, shape: str) -> None:
    with Instance(tmp, *FOUR) as instance:
        before = set(os.listdir(tmp))
        id = instance.ok(f"alloc --bg {shape}")
        with bourn.Handle(instance.ok(f"uri --local {id}")) as child:
            pid = int(child.rpc("attr.get", {"name": "broker.pid"}).get()["value"])
        assert set(os.listdir(tmp)) > before
        os.kill(pid, signal.SIGKILL)
        instance.ok(f"job wait-event {id} clean")
        until(lambda: set(os.listdir(tmp)) == before, lambda: os.listdir(tmp))
    until(empty(tmp), lambda: os.listdir(tmp))


def test_what_a_killed_host_left_goes_at_once(tmp: Path) -> None:
    state = f"-Sstatedir={tmp.parent}/state"
    with Instance(tmp, state) as instance:
        before = set(os.listdir(tmp))
        id = use_tmpdir(instance)
        assert set(os.listdir(tmp)) > before
        os.kill(host(instance), signal.SIGKILL)
        instance.ok(f"job wait-event {id} clean")
        until(lambda: set(os.listdir(tmp)) == before, lambda: os.listdir(tmp))
    until(empty(tmp), lambda: os.listdir(tmp))


@pytest.mark.parametrize("first_to_die", ["broker", "host"])
def test_what_a_killed_broker_and_its_host_left_goes_at_the_restart(tmp: Path, first_to_die: str) -> None:
    state = f"-Sstatedir={tmp.parent}/state"
    first = Instance(tmp, state)
    use_tmpdir(first)
    pid = host(first)
    if first_to_die == "broker":
        kill(first)
        os.kill(pid, signal.SIGKILL)
    else:
        first.process.send_signal(signal.SIGSTOP)
        os.kill(pid, signal.SIGKILL)
        kill(first)
    with Instance(tmp, state) as second:
        assert second.ok("run echo fine") == "fine"
        second.ok("cancel --all")
    until(empty(tmp), lambda: os.listdir(tmp))
    assert sorted(os.listdir(tmp.parent / "state")) == ["bourn.sqlite", "lock"]
