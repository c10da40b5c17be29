"""Housekeeping on the nodes of jobs that are over, by real brokers."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from tests.integration.instance import Instance

if TYPE_CHECKING:
    from pathlib import Path

THREE = 'resource.config=[{hosts="n[0-2]",cores="0-1"}]'
SCRIPT = """#!/bin/sh
echo $BOURN_JOB_ID >> {folder}/ran-$BOURN_JOB_RANKS
while [ -e {folder}/busy-$BOURN_JOB_RANKS ]; do sleep 0.02; done
[ ! -e {folder}/bad-$BOURN_JOB_RANKS ]
"""


def start(folder: Path, *conf: str, topology: str = "kary:2") -> Instance:
    script = folder / "housekeeping"
    script.write_text(SCRIPT.format(folder=folder))
    script.chmod(0o755)
    run = folder / "run"
    run.mkdir()
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
