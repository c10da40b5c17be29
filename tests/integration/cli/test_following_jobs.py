"""`bourn watch`, and `--watch`, `--wait` and `--progress` of the commands that submit, as people use them."""

import signal

import pytest

from bourn.model.jobid import JobID
from tests.integration.cli.terminal import Terminal
from tests.integration.instance import BOURN


@pytest.fixture(autouse=True)
def alone(bourn):
    yield
    bourn.ok("cancel --all --quiet")
    bourn.ok("queue idle")


def test_piped_progress_is_one_plain_line(bourn):
    found = bourn("submit --cc=1-20 --jps --quiet true")
    assert (found.code, found.out) == (0, "")
    assert "\x1b" not in found.err
    assert "\r" not in found.err
    (line,) = found.err.splitlines()
    assert line.startswith("PD:0    R:0    CD:20   F:0    100.0% 0:00:0")
    assert line.endswith(" job/s")


def test_progress_and_output_share_a_terminal(bourn):
    words = ("--cc=1-3", "--watch", "--progress", "--quiet", "sh", "-c", "echo out-$BOURN_JOB_CC; exit 3")
    terminal = Terminal(BOURN, "submit", *words, env=bourn.env)
    assert terminal.ends() == 3
    lines = [line for line in terminal.lines if line]
    assert sorted(lines[:-1]) == ["out-1", "out-2", "out-3"]
    assert lines[-1].startswith("PD:0    R:0    CD:0    F:3    [####")


def test_ctrl_c_leaves_the_jobs_and_says_so(bourn):
    terminal = Terminal(BOURN, "submit", "--progress", "-n2", "sleep", "60", env=bourn.env)
    terminal.shows("R:1")
    (id,) = bourn.ok("jobs -n -o {id}").split()
    terminal.type("\x03")
    assert terminal.ends() == 130
    assert f"bourn: 1 job goes on; `bourn cancel {id}` ends what runs" in "\n".join(terminal.lines)
    assert bourn.ok(f"jobs -n -o {{state}} {id}") == "RUN"


def test_watch_follows_a_job_that_runs(bourn):
    id = bourn.words("submit", "sh", "-c", "echo ready; read x </dev/null; sleep 60; exit 5").out.strip()
    with bourn.start("watch", id) as watch:
        assert watch.stderr.readline() == b"bourn-watch: watching 1 job\n"
        assert watch.stdout.readline() == b"ready\n"
        bourn.ok(f"job kill -s KILL {id}")
        assert watch.stdout.read() == b""
        assert watch.wait() == 128 + signal.SIGKILL


def test_watch_of_several_labels_with_the_job(bourn):
    ids = bourn.words("submit", "--cc=1-2", "-n2", "sh", "-c", "echo $BOURN_JOB_CC").out.split()
    found = bourn.words("watch", "--label-io", *ids)
    assert found.code == 0
    assert sorted(found.lines) == sorted(
        f"{id}: {rank}: {cc}" for cc, id in enumerate(ids, 1) for rank in (0, 1)
    )


def test_watch_of_many_by_the_journal(bourn):
    ended = bourn.words("submit", "--cc=1-10", "--wait", "sh", "-c", "exit 2").out.split()
    held = bourn.ok("submit --cc=1-20 --urgency=hold true").split()
    with bourn.start("watch", "--all", "--count=30", "-v", "--progress") as watch:
        assert b"watching 30 jobs" in watch.stderr.readline()
        for id in held:
            bourn.handle.rpc("job-manager.urgency", {"id": JobID.parse(id), "urgency": 16}).get()
        out, err = watch.communicate()
    assert (watch.returncode, out) == (2, b"")
    assert err.decode().splitlines()[-1].startswith("PD:0    R:0    CD:20   F:10   100.0%")
    assert {f"{id}: complete: status=2" for id in ended} <= set(err.decode().splitlines())


def test_watch_with_nothing_to_watch(bourn):
    assert bourn("watch").err == "bourn-watch: error: there are no jobs to watch\n"
    found = bourn("watch ƒ3")
    assert found.code == 1
    assert found.err.endswith("bourn-watch: error: no such job ƒ3\n")


def test_a_jobs_name_cannot_steer_the_terminal(bourn):
    bourn.words("submit", "--urgency=hold", "--job-name=a\x1b[2Jb", "true")
    terminal = Terminal(BOURN, "jobs", env=bourn.env)
    assert terminal.ends() == 0
    assert terminal.lines[0].split()[0] == "JOBID"
    assert " a?[2Jb " in terminal.lines[1]
