"""Brokers between others that are lost: what runs on the ranks behind them goes on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.instance import BOURN, Instance

if TYPE_CHECKING:
    from collections.abc import Iterator

MARK = "echo begin $BOURN_TASK_RANK; until test -e {}; do sleep 0.05; done; echo end $BOURN_TASK_RANK; exit 3"
TRAP = "trap 'echo got it; exit 4' USR1; echo ready; while :; do sleep 0.05; done"
EXCHANGE = """
import os, pathlib, socket, sys, time
folder = pathlib.Path(sys.argv[1])
s = socket.socket(fileno=int(os.environ["PMI_FD"])).makefile("rw")
def ask(line):
    s.write(line + "\\n"); s.flush()
    return s.readline().strip()
ask("cmd=init pmi_version=1 pmi_subversion=1")
name = ask("cmd=get_my_kvsname").split("kvsname=")[1]
rank, size = int(os.environ["PMI_RANK"]), int(os.environ["PMI_SIZE"])
ask(f"cmd=put kvsname={name} key=r{rank} value={rank + 10}")
(folder / f"up{rank}").touch()
while not (folder / "flag").exists(): time.sleep(0.02)
(folder / f"in{rank}").touch()
ask("cmd=barrier_in")
print(rank, [ask(f"cmd=get kvsname={name} key=r{r}").split("value=")[1] for r in range(size)])
ask("cmd=finalize")
"""
WELL = ["start", "finish", "release", "clean"]
"""What becomes of a job that runs once and ends by itself."""
ILL = ["start", "exception", "finish", "release", "clean"]


def _cores(ranks: int) -> str:
    return f'resource.config=[{{hosts="n[0-{ranks - 1}]",cores="0-3"}}]'


def _submit(instance: Instance, ranks: str, *words: str) -> str:
    nodes = len(ranks.split(","))
    found = instance.words("submit", f"-N{nodes}", f"-n{nodes}", f"--requires=rank:{ranks}", *words)
    assert found.code == 0, found
    return found.out.strip()


def _outcome(instance: Instance, id: str) -> list[str]:
    """Return the events of a job's eventlog that may come once only."""
    lines = instance.ok(f"job eventlog {id}").splitlines()
    return [name for name in (line.split()[1] for line in lines) if name in ILL]


def _waits(pid: int) -> bool:
    """Whether a process sleeps until something happens."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_a_job_behind_a_lost_broker_goes_on(tmp_path: Path, signum: int) -> None:
    instance = Instance(tmp_path, "-s3", "-Stbon.topo=custom:0,1", "--conf", _cores(3))
    flag = tmp_path / "flag"
    id = _submit(instance, "2", "sh", "-c", MARK.format(flag))
    instance.ok(f"job wait-event -p guest.output {id} data")
    os.kill(instance.pid(1), signum)
    instance.until(lambda: '"online": "0,2"' in instance.ok("overlay status --json"))
    assert instance.ok(f"jobs -no {{state}} {id}") == "RUN"
    flag.touch()
    found = instance(f"job attach {id}")
    assert (found.code, found.out) == (3, "begin 0\nend 0\n")
    assert _outcome(instance, id) == WELL
    assert instance.ok("resource drain -no {ranks}") == ""
    flag.unlink()
    instance.end()
    instance.until(lambda: not instance.left())


def test_what_was_told_while_the_way_was_broken_arrives(tmp_path: Path) -> None:
    instance = Instance(tmp_path, "-s3", "-Stbon.topo=custom:0,1", "--conf", _cores(3))
    doomed, trapper = _submit(instance, "2", "sleep", "1000"), _submit(instance, "2", "sh", "-c", TRAP)
    instance.ok(f"job wait-event -p guest.output {trapper} data")
    instance.ok(f"job wait-event {doomed} start")
    reader = subprocess.Popen(
        [BOURN, "run", "--requires=rank:2", "sh", "-c", "echo up; exec cat"],
        env=instance.env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert reader.stdin is not None
    assert reader.stdout is not None
    assert reader.stdout.readline() == b"up\n"
    # A broker that is stopped passes nothing on, and its links stand: what is sent ends with it.
    middle = instance.pid(1)
    os.kill(middle, signal.SIGSTOP)
    late = _submit(instance, "2", "echo", "late")
    reader.stdin.write(b"hello\n")
    reader.stdin.flush()
    instance.ok(f"job kill -s USR1 {trapper}")
    instance.ok(f"cancel {doomed}")
    instance.ok(f"job wait-event {doomed} exception")
    os.kill(middle, signal.SIGKILL)
    out, _ = reader.communicate(b"there\n")
    assert (reader.returncode, out) == (0, b"hello\nthere\n")
    found = instance(f"job attach {trapper}")
    assert (found.code, found.out) == (4, "ready\ngot it\n")
    assert instance(f"job attach {late}").out == "late\n"
    instance.ok(f"job wait-event {doomed} clean")
    assert [_outcome(instance, id) for id in (trapper, late, doomed)] == [WELL, WELL, ILL]
    assert instance.ok("resource drain -no {ranks}") == ""
    instance.end()
    instance.until(lambda: not instance.left())


def test_what_a_host_said_before_it_died_arrives(tmp_path: Path) -> None:
    instance = Instance(tmp_path, "-s3", "-Stbon.topo=custom:0,1", "--conf", _cores(3))
    flag, number = tmp_path / "flag", tmp_path / "number"
    script = f"echo $$ >{number}; echo up; until test -e {flag}; do sleep 0.02; done; echo end; exit 3"
    early = _submit(instance, "2", "sh", "-c", script)
    late = _submit(instance, "2", "sleep", "1000")
    instance.ok(f"job wait-event -p guest.output {early} data")
    instance.ok(f"job wait-event {late} start")
    hosts = instance.handle.rpc("shell-manager.stats").get()["hosts"]
    (host,) = [host["pid"] for host in hosts if host["rank"] == 2]
    middle = instance.pid(1)
    os.kill(middle, signal.SIGSTOP)
    flag.touch()
    task = Path(f"/proc/{number.read_text().strip()}")
    instance.until(lambda: not task.exists() and _waits(host))  # it has been reaped, and reported
    os.kill(host, signal.SIGKILL)
    instance.until(lambda: not any("sleep\0001000" in command for command in instance.left()))
    os.kill(middle, signal.SIGKILL)
    instance.ok(f"job wait-event {late} clean")
    assert _outcome(instance, early) == WELL
    assert instance(f"job attach {early}").out == "up\nend\n"
    assert f"(process {host}) died" in instance.ok(f"job eventlog {late}")
    assert instance.ok("resource drain -no {ranks}") == ""
    assert instance.words("run", "--requires=rank:2", "true").code == 0
    flag.unlink()
    number.unlink()
    instance.end()
    instance.until(lambda: not instance.left())


def test_an_exchange_that_was_on_its_way_completes(tmp_path: Path) -> None:
    instance = Instance(tmp_path, "-s4", "-Stbon.topo=custom:0,1,1", "--conf", _cores(4))
    marks = tmp_path / "marks"
    marks.mkdir()
    id = _submit(instance, "2,3", sys.executable, "-c", EXCHANGE, str(marks))
    instance.until(lambda: all((marks / f"up{task}").exists() for task in range(2)))
    middle = instance.pid(1)
    os.kill(middle, signal.SIGSTOP)
    (marks / "flag").touch()
    instance.until(lambda: all((marks / f"in{task}").exists() for task in range(2)))
    os.kill(middle, signal.SIGKILL)
    found = instance(f"job attach {id}")
    assert sorted(found.out.splitlines()) == ["0 ['10', '11']", "1 ['10', '11']"]
    assert _outcome(instance, id) == WELL
    instance.end()
    shutil.rmtree(marks)
    instance.until(lambda: not instance.left())


def test_a_command_of_bourn_exec_fails_cleanly(tmp_path: Path) -> None:
    instance = Instance(tmp_path, "-s3", "-Stbon.topo=custom:0,1", "--conf", _cores(3))
    running = subprocess.Popen(
        [BOURN, "exec", "-r", "2", "sh", "-c", "echo up; exec sleep 1000"],
        env=instance.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert running.stdout is not None
    assert running.stdout.readline() == b"up\n"
    os.kill(instance.pid(1), signal.SIGKILL)
    _, err = running.communicate()
    assert running.returncode == 1
    assert b"the link to rank 1 was lost" in err
    assert b"Traceback" not in err
    instance.until(lambda: not any("sleep\0001000" in command for command in instance.left()))
    instance.until(lambda: instance("exec -r 2 echo again").out == "again\n")
    instance.end()
    instance.until(lambda: not instance.left())


Bereaved = tuple[Instance, dict[str, str]]


@pytest.fixture(scope="module")
def bereaved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bereaved]:
    """Seven brokers, of which rank 1 was killed under jobs, and these by the ranks that they ran on."""
    folder = tmp_path_factory.mktemp("seven")
    instance = Instance(folder, "-s7", "-Stbon.topo=kary:2", "--conf", _cores(7))
    flag = folder / "flag"
    script = MARK.format(flag)
    jobs = {ranks: _submit(instance, ranks, "sh", "-c", script) for ranks in ("1", "3", "1,3", "3,5", "4,6")}
    for id in jobs.values():
        instance.ok(f"job wait-event {id} start")
    os.kill(instance.pid(1), signal.SIGKILL)
    instance.until(lambda: '"online": "0,2-6"' in instance.ok("overlay status --json"))
    flag.touch()
    for id in jobs.values():
        instance.ok(f"job wait-event {id} clean")
    yield instance, jobs
    instance.end()
    flag.unlink()
    instance.until(lambda: not instance.left())


@pytest.mark.parametrize("ranks", ["3", "3,5", "4,6"])
def test_jobs_without_a_part_on_the_lost_rank_end_well(bereaved: Bereaved, ranks: str) -> None:
    instance, jobs = bereaved
    assert _outcome(instance, jobs[ranks]) == WELL
    said = instance(f"job attach {jobs[ranks]}")
    tasks = range(len(ranks.split(",")))
    assert sorted(said.out.splitlines()) == sorted(f"{what} {n}" for n in tasks for what in ("begin", "end"))
    assert said.code == 3


@pytest.mark.parametrize("ranks", ["1", "1,3"])
def test_jobs_with_a_part_on_the_lost_rank_fail_with_it(bereaved: Bereaved, ranks: str) -> None:
    instance, jobs = bereaved
    log = instance.ok(f"job eventlog {jobs[ranks]}")
    assert 'exception type=node-failure severity=0 note="rank 1 was lost"' in log
    assert _outcome(instance, jobs[ranks]) == ILL


def test_only_the_lost_rank_is_drained(bereaved: Bereaved) -> None:
    instance, _ = bereaved
    assert instance.ok("resource drain -no {ranks}") == "1"
    assert instance.words("run", "-N6", "true").code == 0


def test_a_rank_that_isnt_reached_again_within_the_grace_is_lost_too(tmp_path: Path) -> None:
    options = ("--conf", "tbon.rejoin-grace=1", "--conf", "tbon.keepalive=0.2")
    instance = Instance(tmp_path, "-s3", "-Stbon.topo=custom:0,1", "--conf", _cores(3), *options)
    id = _submit(instance, "2", "sleep", "1000")
    instance.ok(f"job wait-event {id} start")
    middle, end = instance.pid(1), instance.pid(2)
    os.kill(middle, signal.SIGSTOP)  # it can't tell of the other's death
    os.kill(end, signal.SIGKILL)
    os.kill(middle, signal.SIGKILL)
    instance.ok(f"job wait-event {id} clean")
    assert 'note="rank 2 was lost"' in instance.ok(f"job eventlog {id}")
    instance.until(lambda: instance.ok("resource drain -no {ranks}") == "2")
    assert '"lost": "1-2"' in instance.ok("overlay status --json")
    instance.end()
    instance.until(lambda: not instance.left())
