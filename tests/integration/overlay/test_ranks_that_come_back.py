"""Brokers of a host list that end and are started again while jobs run on their ranks."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.integration.instance import BOURN, Instance
from tests.integration.overlay.test_host_list import reap, write_config

if TYPE_CHECKING:
    from pathlib import Path

TALK = "echo one; until [ -e go ]; do sleep 0.02; done; echo two; exit 5"


class Cluster:
    """Three hosts, each with a state directory of its own."""

    def __init__(self, folder: Path, *conf: str) -> None:
        self.config = write_config(folder)
        self.folder = folder
        self.conf = conf
        self.run = folder / "run"
        self.run.mkdir()
        self.others = {rank: self.follow(rank) for rank in (2, 1)}
        self.everybody = [*self.others.values()]
        self.first = self.lead()

    def words(self, rank: int) -> list[str]:
        state = self.folder / f"state{rank}"
        return ["-c", str(self.config), f"-Shostname=a{rank}", f"-Sstatedir={state}", *self.conf]

    def lead(self, *words: str) -> Instance:
        return Instance(self.run, *self.words(0), "-Sbroker.quorum=3", *words)

    def follow(self, rank: int) -> subprocess.Popen[str]:
        env = {**os.environ, "TMPDIR": str(self.run)}
        env.pop("BOURN_URI", None)
        command = [BOURN, "start", *self.words(rank)]
        return subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def again(self, rank: int) -> None:
        self.others[rank] = self.follow(rank)
        self.everybody.append(self.others[rank])

    def talk(self, *words: str) -> str:
        id = self.first.words("submit", f"--cwd={self.folder}", *words, "sh", "-c", TALK).out.strip()
        self.first.until(lambda: "one" in self.first.words("job", "info", id, "guest.output").out)
        return id

    def end(self) -> None:
        self.first.end()
        reap(*self.everybody)
        self.first.until(lambda: not self.first.left())


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_a_job_outlives_the_broker_of_its_rank(tmp_path: Path, signum: int) -> None:
    cluster = Cluster(tmp_path)
    instance = cluster.first
    far, wide = cluster.talk("--requires=rank:2"), cluster.talk("-N3")
    os.kill(cluster.others[2].pid, signum)
    instance.until(lambda: '"online": "0-1"' in instance.ok("overlay status --json"))
    (tmp_path / "go").touch()
    cluster.again(2)
    for id, said in ((far, "one\ntwo\n"), (wide, "one\ntwo\n" * 3)):
        done = instance.words("job", "attach", id)
        assert (done.code, sorted(done.out.split())) == (5, sorted(said.split()))
        assert "exception" not in instance.ok(f"job eventlog {id}")
    assert instance.words("run", "-N3", "true").code == 0
    cluster.end()


def test_a_rank_that_does_not_come_back_fails_its_jobs(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, "--conf=exec.linger=1s")
    instance = cluster.first
    id = cluster.talk("--requires=rank:2")
    os.kill(cluster.others[2].pid, signal.SIGKILL)
    instance.ok(f"job wait-event {id} clean")
    assert 'exception type=node-failure severity=0 note="rank 2 was lost"' in instance.ok(
        f"job eventlog {id}"
    )
    cluster.again(2)  # too late for the job; it removes what the killed one has left
    instance.until(lambda: '"online": "0-2"' in instance.ok("overlay status --json"))
    cluster.end()


@pytest.mark.parametrize("how", ["kill", "keep"])
def test_rank_0_is_started_again_while_the_others_live_on(tmp_path: Path, how: str) -> None:
    cluster = Cluster(tmp_path)
    far, wide = cluster.talk("--requires=rank:2"), cluster.talk("-N3")
    if how == "keep":
        cluster.first.ok("shutdown --keep-jobs")
        for process in cluster.others.values():
            process.wait()
        for rank in (1, 2):
            cluster.again(rank)
    else:
        cluster.first.process.kill()
    cluster.first.end()
    (tmp_path / "go").touch()
    instance = cluster.first = cluster.lead()
    for id, said in ((far, "one\ntwo\n"), (wide, "one\ntwo\n" * 3)):
        done = instance.words("job", "attach", id)
        assert (done.code, sorted(done.out.split())) == (5, sorted(said.split()))
        assert "exception" not in instance.ok(f"job eventlog {id}")
    assert instance.words("run", "-N3", "true").code == 0
    cluster.end()
