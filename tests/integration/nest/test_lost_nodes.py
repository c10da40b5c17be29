"""A node of the parent is lost: what becomes of the instances that have it."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

import bourn
from tests.integration.overlay.conftest import FOUR, Instance

if TYPE_CHECKING:
    from pathlib import Path


def inside(instance: Instance, target: str, line: str) -> str:
    """Run a command in a nested instance."""
    return instance.ok(f"proxy {target} bourn {line}")


def lose(instance: Instance, rank: int) -> None:
    os.kill(instance.pid(rank), signal.SIGKILL)
    instance.until(lambda: instance.ok("overlay status -s") == "degraded")


def test_a_child_goes_on_without_a_node_and_so_does_its_own(tmp_path: Path) -> None:
    instance = Instance(tmp_path, "-s4", "--conf", FOUR)
    plain = instance.ok("submit -N2 -n2 --requires=rank:2-3 sleep 1000")
    child = instance.ok("alloc --bg -N4 -n4 -c3")
    deep = inside(instance, child, "alloc --bg -N3 -n3 -c2 --requires=rank:0-2")
    there = inside(instance, child, "submit --requires=rank:2 --wait-event=start sleep 1000")
    beside = inside(instance, child, "submit --requires=rank:3 --wait-event=start sleep 1000")
    deeper = inside(
        instance, f"{child}/{deep}", "submit -N2 --requires=rank:0-1 --wait-event=start sleep 1000"
    )
    instance.ok(f"job wait-event {plain} start")
    lose(instance, 2)
    instance.ok(f"job wait-event {plain} clean")
    assert "severity=0" in instance.ok(f"job eventlog {plain}")
    log = instance.ok(f"job wait-event {child} exception")
    assert "type=node-failure severity=2" in log
    assert "goes on without rank 2" in log
    inside(instance, child, f"job wait-event {there} clean")
    assert "severity=0" in inside(instance, child, f"job eventlog {there}")
    assert inside(instance, child, f"jobs -no {{state}} {beside}") == "RUN"
    assert "severity=2" in inside(instance, child, f"job wait-event {deep} exception")
    assert inside(instance, f"{child}/{deep}", f"jobs -no {{state}} {deeper}") == "RUN"
    assert inside(instance, f"{child}/{deep}", "run -N2 -n2 echo on") == "on\non"
    assert inside(instance, child, "overlay status -s") == "degraded"
    instance.ok(f"cancel {child}")
    instance.ok(f"job wait-event {child} clean")
    instance.end()


def test_a_child_that_ends_well_without_a_node_in_the_middle_has_not_failed(tmp_path: Path) -> None:
    instance = Instance(tmp_path, "-s4", "--conf", FOUR)
    id = instance.ok("alloc --bg -N3 -n3 --requires=rank:0-2 --broker-opts=-Stbon.topo=kary:1")
    instance.until(lambda: '"critical"' in instance.ok(f"job info {id} guest.exec.parts"))
    lose(instance, 1)
    assert "severity=2" in instance.ok(f"job wait-event {id} exception")
    assert inside(instance, id, "run -N2 -n2 echo on") == "on\non"
    inside(instance, id, "shutdown")
    instance.ok(f"job wait-event {id} clean")
    assert instance.ok(f"jobs -no {{status}} {id}") == "COMPLETED"
    instance.end()


def test_a_child_that_loses_its_rank_0_is_over(tmp_path: Path) -> None:
    instance = Instance(tmp_path, "-s4", "--conf", FOUR)
    id = instance.ok("alloc --bg -N2 -n2 --requires=rank:2-3")
    lose(instance, 2)
    instance.ok(f"job wait-event {id} clean")
    assert "type=node-failure severity=0" in instance.ok(f"job eventlog {id}")
    instance.end()


def test_what_is_wrong_with_critical_ranks(tmp_path: Path) -> None:
    instance = Instance(tmp_path, "-s2", "--conf", FOUR.replace("n[0-3]", "n[0-1]"))
    id = bourn.JobID.parse(instance.ok("submit -N2 --wait-event=start sleep 1000"))
    for payload, reason in (
        ({"id": int(id), "ranks": "1-2"}, "has no rank 2; it has: 0-1"),
        ({"id": 7, "ranks": "0"}, "job 7 isn't running"),
    ):
        with pytest.raises(bourn.errors.BournError, match=reason):
            instance.handle.rpc("job-exec.critical-ranks", payload).get()
    instance.ok("cancel --all")
    instance.end()
