"""Jobs that outlive their brokers, and what becomes of them when it is their shell host that goes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bourn.model.jobid import JobID
from tests.integration.robust.program import BOURN, Instance, processes_with, start, until
from tests.integration.robust.test_ends import (
    ended,
    events,
    host_pid,
    names,
    nothing_left,
    running,
    submit,
)

RANKS = ("--test-size=3", '--conf=resource.config=[{hosts="n[0-2]",cores="0-3"}]')
TALK = "echo one; until [ -e go ]; do sleep 0.02; done; echo two; seq 1 1000; exit 5"
SAID = "one\ntwo\n" + "".join(f"{i}\n" for i in range(1, 1001))


@pytest.fixture
def state(tmp_path: Path) -> str:
    return f"-Sstatedir={tmp_path}/state"


def run(instance: Instance, *words: str) -> str:
    """Run a command in an instance that has to succeed; return what it prints."""
    done = subprocess.run(
        [BOURN, *words],
        env={**os.environ, "BOURN_URI": instance.uri, "MARK": instance.tmp.name},
        capture_output=True,
        text=True,
        cwd=instance.tmp,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done
    return done.stdout


def talk(instance: Instance, *words: str) -> int:
    """Submit the job that talks, and goes on when there is a file `go`; return its id once it has begun."""
    id = int(JobID.parse(run(instance, "submit", *words, "sh", "-c", TALK).strip()))
    with instance.handle() as handle:
        for reply in handle.rpc(
            "job-info.eventlog-watch", {"id": id, "path": "guest.output"}, streaming=True
        ):
            if "one" in str(reply):
                return id
    raise AssertionError("it said nothing")


def attach(instance: Instance, id: int) -> tuple[int, str]:
    done = instance.bourn(f"job attach {id}")
    return done.returncode, done.stdout


def finish(instance: Instance, id: int) -> dict[str, Any]:
    (context,) = [e["context"] for e in events(instance, id) if e["name"] == "finish"]
    return context


def reason(instance: Instance, id: int) -> str:
    (note,) = [e["context"]["note"] for e in events(instance, id) if e["name"] == "exception"]
    return str(note)


def test_jobs_go_on_over_a_shutdown_that_keeps_them(tmp_path: Path, state: str) -> None:
    first = Instance(tmp_path, state)
    kept = talk(first)
    (over,) = submit(first, "sh", "-c", f"until [ -e {tmp_path}/go ]; do sleep 0.02; done; echo over")
    running(first, [over])
    waiting = submit(first, "sleep", "0", count=3)
    pid = host_pid(first)
    assert first.bourn("shutdown --keep-jobs").returncode == 0
    assert first.wait() == 0
    assert not first.rundir.exists()
    (tmp_path / "go").touch()
    with Instance(tmp_path, state) as second:
        assert host_pid(second) == pid
        ended(second, [kept, over, *waiting])
        assert attach(second, kept) == (5, SAID)
        assert attach(second, over) == (0, "over\n")
        assert names(second, kept).count("start") == 1
        assert second.end() == 0
        assert second.trouble == ""
    (tmp_path / "go").unlink()
    nothing_left(second)


def test_without_a_state_directory_nothing_can_be_kept(tmp_path: Path) -> None:
    with Instance(tmp_path) as instance:
        done = instance.bourn("shutdown --keep-jobs")
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert line.endswith("jobs can't outlive this instance: start it with -S statedir=DIR")
        assert instance.bourn("uptime").returncode == 0


def test_kept_jobs_wait_longer_than_those_of_a_broker_that_died(tmp_path: Path, state: str) -> None:
    words = [state, "--conf=exec.linger=0.1s", "--conf=exec.kept-linger=1h"]
    first = Instance(tmp_path, *words)
    kept = talk(first)
    pid = host_pid(first)
    first.bourn("shutdown --keep-jobs")
    first.wait()
    fd = os.pidfd_open(pid)
    with pytest.raises(TimeoutError):
        wait_for_end(fd, 0.5)
    with Instance(tmp_path, *words) as second:
        assert "exception" not in names(second, kept)
        second.kill()
    wait_for_end(fd, 20)


def wait_for_end(pidfd: int, seconds: float) -> None:
    import select

    if not select.select([pidfd], [], [], seconds)[0]:
        raise TimeoutError


@pytest.mark.parametrize("how", ["kill", "keep"])
def test_commands_in_a_job_find_the_next_broker(tmp_path: Path, state: str, how: str) -> None:
    script = f"{BOURN} getattr broker.pid; until [ -e go ]; do sleep 0.02; done; {BOURN} getattr broker.pid"
    first = Instance(tmp_path, state)
    id = int(JobID.parse(run(first, "submit", "sh", "-c", script).strip()))
    until(lambda: output(first, id), "it asks")
    if how == "keep":
        first.bourn("shutdown --keep-jobs")
        first.wait()
    else:
        first.kill()
    with Instance(tmp_path, state) as second:
        (tmp_path / "go").touch()
        ended(second, [id])
        assert attach(second, id) == (0, f"{first.process.pid}\n{second.process.pid}\n")
        assert second.end() == 0
    (tmp_path / "go").unlink()
    nothing_left(second)


def output(instance: Instance, id: int) -> str:
    with instance.handle() as handle:
        reply = handle.rpc("job-info.lookup", {"id": id, "keys": ["guest.output"]}).get()
    return "".join(
        entry["context"].get("data", "")
        for entry in map(json.loads, (reply["guest.output"] or "").splitlines())
        if entry["name"] == "data"
    )


def test_a_host_that_hangs_is_found_out(tmp_path: Path) -> None:
    with Instance(tmp_path, "--conf=exec.host-timeout=1s") as instance:
        ids = submit(instance, "sleep", "300", count=4)
        running(instance, ids)
        waiting = submit(instance, "true")
        pid = host_pid(instance)
        os.kill(pid, signal.SIGSTOP)
        ended(instance, [*ids, *waiting])
        for id in ids:
            text = (
                f"the shell host of user {os.getuid()} (process {pid}) didn't answer for 1 s and was killed"
            )
            assert reason(instance, id) == text
        assert "exception" not in names(instance, waiting[0])
        assert not Path(f"/proc/{pid}").exists()
        until(lambda: not processes_with("sleep\0300"), "the jobs' processes are killed")
        assert instance.end() == 0
    nothing_left(instance)


HANGS = """
import time
from bourn.hookspecs import hookimpl
from bourn.hookspecs.shell import ShellPlugin

class Hangs(ShellPlugin):
    name = "hangs"
    def wants(self, spec):
        return True
    def start(self, job):
        time.sleep(1000)

@hookimpl
def bourn_shell_plugins():
    yield Hangs()
"""


def test_a_plugin_that_hangs_costs_its_own_job_only(tmp_path: Path) -> None:
    (tmp_path / "hangs.py").write_text(HANGS)
    with Instance(tmp_path, "--conf=exec.host-timeout=1s") as instance:
        (fine,) = submit(instance, "sleep", "300")
        id = int(JobID.parse(run(instance, "submit", "-o", "initrc=hangs.py", "sleep", "301").strip()))
        ended(instance, [id])
        assert "the job's own shell host didn't answer for 1 s and was killed" in reason(instance, id)
        assert "exception" not in names(instance, fine)
        until(lambda: not processes_with("sleep\0301"), "its processes are killed")
        assert instance.end() == 0


def test_a_host_that_died_while_no_broker_was_there(tmp_path: Path, state: str) -> None:
    first = Instance(tmp_path, state)
    flee = "setsid sh -c 'sleep 302 & wait' & sleep 302; wait"
    lost = submit(first, "sh", "-c", flee)
    running(first, lost)
    until(lambda: len(processes_with("sleep\000302")) >= 2, "they run")
    pid = host_pid(first)
    first.kill()
    os.kill(pid, signal.SIGKILL)
    assert processes_with("sleep\000302")
    with Instance(tmp_path, state) as second:
        ended(second, lost)
        who = f"the shell host of user {os.getuid()} (process {pid})"
        assert reason(second, lost[0]) == f"the job was lost: {who} died while no broker was there"
        until(lambda: not processes_with("sleep\000302"), "what was left of the job is killed")
        ended(second, submit(second, "true", count=4))
        assert second.end() == 0
    nothing_left(second)


def test_what_a_broker_has_sent_its_host_before_it_died_runs_once(tmp_path: Path, state: str) -> None:
    first = Instance(tmp_path, state)
    running(first, submit(first, "sleep", "0"))
    pid = host_pid(first)
    os.kill(pid, signal.SIGSTOP)
    ids = submit(first, "sh", "-c", f"echo $BOURN_JOB_ID >>{tmp_path}/ran", count=4)
    until(lambda: all("alloc" in names(first, id) for id in ids), "they are handed out")
    first.kill()
    # It dies in the moment in which it has started its host, too.
    (tmp_path / "state" / f"shell-0-{os.getuid()}.host").unlink()
    os.kill(pid, signal.SIGCONT)
    ran = tmp_path / "ran"
    until(lambda: ran.exists() and len(ran.read_text().split()) == 4, "they run")
    with Instance(tmp_path, state) as second:
        assert host_pid(second) == pid
        assert json.loads((tmp_path / "state" / f"shell-0-{os.getuid()}.host").read_text())["pid"] == pid
        ended(second, ids)
        for id in ids:
            assert "exception" not in names(second, id)
        assert sorted(ran.read_text().split()) == sorted(JobID(id).f58 for id in ids)
        assert second.end() == 0
    ran.unlink()
    nothing_left(second)


def test_a_process_with_the_number_of_a_dead_host_is_left_alone(tmp_path: Path, state: str) -> None:
    first = Instance(tmp_path, state)
    lost = submit(first, "sleep", "300")
    running(first, lost)
    pid = host_pid(first)
    first.kill()
    os.kill(pid, signal.SIGKILL)
    record = tmp_path / "state" / f"shell-0-{os.getuid()}.host"
    found = json.loads(record.read_text())
    assert found["pid"] == pid
    stranger = subprocess.Popen(["sleep", "400"], start_new_session=True)
    try:
        record.write_text(json.dumps({**found, "pid": stranger.pid}))
        with Instance(tmp_path, state) as second:
            ended(second, lost)
            assert "the job was lost" in reason(second, lost[0])
            ended(second, submit(second, "true"))
            assert second.end() == 0
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.parametrize("how", ["kill", "keep"])
def test_jobs_on_several_ranks_outlive_all_their_brokers(tmp_path: Path, state: str, how: str) -> None:
    first = Instance(tmp_path, RANKS[0], state, cores=RANKS[1])
    wide = talk(first, "-N3")
    far = talk(first, "-N1", "--requires=rank:2")
    if how == "keep":
        first.bourn("shutdown --keep-jobs")
        assert first.wait() == 0
    else:
        first.kill()
    (tmp_path / "go").touch()
    with Instance(tmp_path, RANKS[0], state, cores=RANKS[1]) as second:
        ended(second, [wide, far])
        status, said = attach(second, wide)
        assert (status, sorted(said.split())) == (5, sorted(SAID.split() * 3))
        assert attach(second, far) == (5, SAID)
        for id in (wide, far):
            assert names(second, id).count("start") == 1
            assert "exception" not in names(second, id)
        assert run(second, "run", "-N3", "echo", "again") == "again\n" * 3
        assert second.end() == 0
    (tmp_path / "go").unlink()
    nothing_left(second)


def test_of_a_job_on_several_ranks_each_part_ends_once(tmp_path: Path, state: str) -> None:
    """One part is over, durably, before the brokers go; one host is killed while they are away."""
    script = f"if [ $BOURN_TASK_RANK = 1 ]; then exit 9; fi; {TALK}"
    first = Instance(tmp_path, RANKS[0], state, cores=RANKS[1])
    id = int(JobID.parse(run(first, "submit", "-N3", "sh", "-c", script).strip()))
    until(lambda: "end" in parts(first, id), "a part ends")
    lost = talk(first, "-N1", "--requires=rank:2")
    first.kill()
    record = json.loads((tmp_path / "state" / f"shell-2-{os.getuid()}.host").read_text())
    (tmp_path / "go").touch()
    with Instance(tmp_path, RANKS[0], state, cores=RANKS[1]) as second:
        ended(second, [id, lost])
        assert finish(second, id) == {"status": 9 << 8}
        assert output(second, id).split().count("two") == 2
        second.kill()
    assert record["pid"]


def parts(instance: Instance, id: int) -> list[str]:
    with instance.handle() as handle:
        found = handle.rpc("job-info.lookup", {"id": id, "keys": ["guest.exec.parts"]}).get()
    return [json.loads(line)["name"] for line in (found["guest.exec.parts"] or "").splitlines()]


def test_a_far_host_that_died_while_no_broker_was_there(tmp_path: Path, state: str) -> None:
    first = Instance(tmp_path, RANKS[0], state, cores=RANKS[1])
    wide = talk(first, "-N3")
    near = talk(first, "-N1", "--requires=rank:0")
    first.kill()
    record = json.loads((tmp_path / "state" / f"shell-2-{os.getuid()}.host").read_text())
    os.kill(record["pid"], signal.SIGKILL)
    (tmp_path / "go").touch()
    with Instance(tmp_path, RANKS[0], state, cores=RANKS[1]) as second:
        ended(second, [wide, near])
        assert "shell host" in reason(second, wide)
        assert "rank 2" in reason(second, wide)
        assert attach(second, near) == (5, SAID)
        assert run(second, "run", "-N3", "echo", "again") == "again\n" * 3
        assert second.end() == 0
    (tmp_path / "go").unlink()
    nothing_left(second)


def test_a_state_directory_can_be_looked_at_without_running_anything(tmp_path: Path, state: str) -> None:
    first = Instance(tmp_path, state)
    kept = talk(first)
    waiting = submit(first, "sleep", "0", count=8)
    pid = host_pid(first)
    first.bourn("shutdown --keep-jobs")
    first.wait()
    script = f"bourn jobs -no {{state}} | uniq; bourn cancel {waiting[-1]}; bourn dump look.tar"
    done = subprocess.run(
        [BOURN, "start", f"--recovery={tmp_path}/state", "sh", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": f"{Path(BOURN).parent}:{os.environ['PATH']}"},
    )
    assert done.returncode == 0, done
    assert "RUN" in done.stdout
    assert (tmp_path / "look.tar").exists()
    assert Path(f"/proc/{pid}").exists()
    (tmp_path / "look.tar").unlink()
    (tmp_path / "go").touch()
    with Instance(tmp_path, state) as second:
        assert host_pid(second) == pid
        ended(second, [kept, *waiting])
        assert attach(second, kept) == (5, SAID)
        assert second.end() == 0
    (tmp_path / "go").unlink()
    nothing_left(second)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--recovery=/nowhere"], "there is no bourn.sqlite, so it is no state directory"),
        (["--recovery=/x", "-s2"], "is for one broker on this directory, without --test-size"),
        (["--recovery=/x", "-Sstatedir=/y"], "is for one broker on this directory, without -S statedir"),
    ],
)
def test_what_cannot_be_recovered(words: list[str], reason: str) -> None:
    done = start(*words, "true")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.endswith(reason)


def test_where_the_tasks_of_a_job_are(tmp_path: Path) -> None:
    with Instance(tmp_path, RANKS[0], cores=RANKS[1]) as instance:
        id = run(
            instance, "submit", "-N3", "-n6", "sh", "-c", "echo $BOURN_TASK_RANK=$$; exec sleep 300"
        ).strip()
        jobid = int(JobID.parse(id))
        until(lambda: output(instance, jobid).count("\n") == 6, "all tasks run")
        pids = dict(line.split("=") for line in output(instance, jobid).split())
        told = run(instance, "job", "hostpids", id).strip().split(",")
        assert told == [f"n{rank // 2}:{pids[str(rank)]}" for rank in range(6)]
        some = run(instance, "job", "hostpids", "-d ", "-r1,4", id).split()
        assert some == [told[1], told[4]]
        run(instance, "cancel", id)
        ended(instance, [jobid])
        done = instance.bourn(f"job hostpids {id}")
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)


def test_a_job_is_suspended_and_continued(tmp_path: Path, state: str) -> None:
    first = Instance(tmp_path, state)
    (id,) = submit(first, "sh", "-c", "echo $$; sleep 300")
    until(lambda: output(first, id), "it runs")
    pid = output(first, id).strip()
    assert first.bourn(f"job kill -s STOP {id}").returncode == 0
    until(lambda: state_of(pid) == "T", "it is stopped")
    first.kill()
    with Instance(tmp_path, state) as second:
        assert state_of(pid) == "T"
        assert second.bourn(f"job kill -s CONT {id}").returncode == 0
        until(lambda: state_of(pid) == "S", "it goes on")
        second.bourn(f"job kill -s STOP {id}")
        until(lambda: state_of(pid) == "T", "it is stopped")
        # SIGTERM waits behind SIGSTOP; SIGKILL, which follows it, doesn't.
        assert second.bourn(f"cancel {id}").returncode == 0
        ended(second, [id])
        assert finish(second, id)["status"] in (signal.SIGTERM, signal.SIGKILL)
        assert second.end() == 0
    nothing_left(second)


def state_of(pid: str) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
