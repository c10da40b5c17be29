"""Housekeeping on the nodes of jobs that are over, by real brokers."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.integration.instance import Instance

if TYPE_CHECKING:
    from pathlib import Path

THREE = 'resource.config=[{hosts="n[0-2]",cores="0-1"}]'
SCRIPT = """#!/bin/sh
echo $BOURN_JOB_ID >> {folder}/ran-$BOURN_JOB_RANKS
while [ -e {folder}/busy-$BOURN_JOB_RANKS ]; do sleep 0.02; done
[ ! -e {folder}/bad-$BOURN_JOB_RANKS ]
"""


def start(folder: Path, *conf: str, topology: str = "kary:2", statedir: str = "") -> Instance:
    script = folder / "housekeeping"
    script.write_text(SCRIPT.format(folder=folder))
    script.chmod(0o755)
    run = folder / "run"
    run.mkdir(exist_ok=True)
    command = f'job-manager.housekeeping.command=["{script}"]'
    return Instance(
        run,
        "-s3",
        f"-Stbon.topo={topology}",
        "--conf",
        THREE,
        "--conf",
        command,
        *(f"--conf={item}" for item in conf),
        *([f"-Sstatedir={statedir}"] if statedir else []),
    )


def allocated(instance: Instance) -> str:
    return instance.ok("resource list -s allocated -no {nnodes}")


def test_nodes_are_given_back_when_all_are_done(tmp_path: Path) -> None:
    instance = start(tmp_path)
    (tmp_path / "busy-1").touch()
    id = instance.ok("submit -N3 true")
    instance.ok(f"job wait-event {id} clean")
    instance.until(lambda: all((tmp_path / f"ran-{rank}").exists() for rank in range(3)))
    assert instance.ok(f"jobs -no {{state}} {id}") == "INACTIVE"
    assert allocated(instance) == "3"
    late = instance.ok("submit -N1 true")
    (tmp_path / "busy-1").unlink()
    instance.ok(f"job wait-event {late} clean")
    instance.until(lambda: allocated(instance) == "0")
    assert (tmp_path / "ran-1").read_text().split()[0] == id
    instance.end()


def test_it_runs_again_where_the_way_to_the_node_broke(tmp_path: Path) -> None:
    instance = start(tmp_path, topology="custom:0,1")
    (tmp_path / "busy-2").touch()
    id = instance.words("submit", "--requires=rank:2", "true").out.strip()
    instance.ok(f"job wait-event {id} clean")
    ran = tmp_path / "ran-2"
    instance.until(ran.exists)
    os.kill(instance.pid(1), signal.SIGKILL)
    instance.until(lambda: ran.read_text().split() == [id, id])
    assert allocated(instance) == "1"
    (tmp_path / "busy-2").unlink()
    instance.until(lambda: allocated(instance) == "0")
    assert instance.ok("resource drain -no {ranks}") == ""
    instance.end()


def test_some_are_given_back_early_and_one_that_fails_is_drained(tmp_path: Path) -> None:
    instance = start(tmp_path, "job-manager.housekeeping.release-after=0.1s")
    (tmp_path / "busy-1").touch()
    (tmp_path / "bad-1").touch()
    id = instance.ok("submit -N3 true")
    instance.until(lambda: allocated(instance) == "1")
    instance.ok("run -N1 --requires=rank:0 true")
    (tmp_path / "busy-1").unlink()
    instance.until(lambda: f"job {id}: housekeeping fai" in instance.ok("resource drain"))
    instance.until(lambda: allocated(instance) == "0")
    # A job that never ran has left nothing to clean up.
    before = (tmp_path / "ran-0").read_text()
    cancelled = instance.ok("submit --urgency=hold true")
    instance.ok(f"cancel {cancelled}")
    instance.ok(f"job wait-event {cancelled} clean")
    assert (tmp_path / "ran-0").read_text() == before
    instance.end()


def listed(instance: Instance, format: str = "{id.f58} {nnodes} {ranks} {active} {nodelist}") -> str:
    return instance.words("housekeeping", "list", "-no", format).out.strip()


@pytest.mark.parametrize("how", ["killed", "ended"])
def test_it_goes_on_after_a_restart(tmp_path: Path, how: str) -> None:
    state = f"{tmp_path}/state"
    first = start(tmp_path, statedir=state)
    (tmp_path / "busy-1").touch()
    id = first.ok("submit -N3 true")
    first.ok(f"job wait-event {id} clean")
    first.until(lambda: listed(first) == f"{id} 3 0-2 1 n[0-2]")
    if how == "killed":
        os.kill(first.process.pid, signal.SIGKILL)
    first.end()
    first.until(lambda: not any("\0" in what and "bourn.shell" not in what for what in first.left()))
    second = start(tmp_path, statedir=state)
    assert listed(second) == f"{id} 3 0-2 1 n[0-2]"
    assert allocated(second) == "3"
    late = second.ok("submit -N1 --exclusive true")
    second.until(lambda: (tmp_path / "ran-1").read_text().split() == [id, id])
    assert second.ok(f"jobs -no {{state}} {late}") == "SCHED"
    (tmp_path / "busy-1").unlink()
    second.ok(f"job wait-event {late} clean")
    second.until(lambda: allocated(second) == "0")
    assert (tmp_path / "ran-0").read_text().split().count(id) == 1
    assert second.ok("resource drain -n") == ""
    second.end()
    third = start(tmp_path, statedir=state)
    assert (listed(third), allocated(third)) == ("", "0")
    third.end()


def test_a_scheduler_that_is_loaded_anew_learns_what_is_kept(tmp_path: Path) -> None:
    instance = start(tmp_path)
    (tmp_path / "busy-1").touch()
    id = instance.ok("submit -N2 --requires=rank:0-1 true")
    instance.ok(f"job wait-event {id} clean")
    instance.ok("module reload sched-graph")
    assert allocated(instance) == "2"
    (tmp_path / "busy-1").unlink()
    instance.until(lambda: allocated(instance) == "0")
    instance.end()


def test_housekeeping_is_listed_and_killed(tmp_path: Path) -> None:
    instance = start(tmp_path)
    for rank in range(3):
        (tmp_path / f"busy-{rank}").touch()
    wide = instance.ok("submit -N2 --requires=rank:0-1 true")
    narrow = instance.ok("submit -N1 --requires=rank:2 true")
    for id in (wide, narrow):
        instance.ok(f"job wait-event {id} clean")
    instance.until(lambda: all((tmp_path / f"ran-{rank}").exists() for rank in range(3)))
    assert set(listed(instance, "{id} {nactive} {nodelist}").splitlines()) == {
        f"{wide} 2 n[0-1]",
        f"{narrow} 1 n2",
    }
    assert listed(instance, "{id}").splitlines() == instance.ok("housekeeping list -no {id.f58}").splitlines()
    assert instance.ok("housekeeping list -n -i n2 -o {id}") == narrow
    assert instance.ok("housekeeping list").split()[0] == "JOBID"
    for line, reason in (
        ("kill", "say which: JOBIDs, --targets or --all"),
        ("kill -t n7", "no housekeeping has the host 'n7'; there are: n0, n1, n2"),
        (f"kill -t 2 {wide}", "no housekeeping runs there"),
        ("kill 1", "there is no housekeeping after job ƒ2"),
        ("kill -s FOO -a", "FOO"),
        ("list -o {noddes}", "unknown field 'noddes'"),
    ):
        found = instance(f"housekeeping {line}")
        assert (found.code, found.err.count("\n")) == (1, 1), found
        assert reason in found.err
    instance.ok(f"housekeeping kill -s KILL -t n1 {wide}")
    instance.until(lambda: f"job {wide}: housekeeping was" in instance.ok("resource drain"))
    instance.ok("housekeeping kill --all")
    instance.until(lambda: allocated(instance) == "0")
    assert listed(instance) == ""
    instance.end()


def test_an_instance_without_housekeeping_says_so(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    instance = Instance(run)
    assert listed(instance) == ""
    assert "names no command" in instance("housekeeping kill --all").err
    instance.end()
