"""What users see of jobs that children run: the same as of any other job, at the root, by the root's id."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections import Counter

import pytest

import bourn
from bourn.model.jobid import JobID


def test_jobs_are_spread_and_the_root_knows_all_about_them(two):
    ids = two.submit('echo "$BOURN_JOB_ID"; sleep 0.1', 8)
    assert two.results(ids) == ["COMPLETED"] * 8
    infos = [bourn.job.job_list_id(two.h, id) for id in ids]
    children = {str(JobID(child["id"])) for child in two.children()}
    assert Counter(info.annotations["exec"]["child"] for info in infos) == dict.fromkeys(children, 4)
    assert all(info.runtime >= 0.1 and info.t_submit <= info.t_run <= info.t_cleanup for info in infos)
    assert {info.nodelist for info in infos} == {"n0"}
    # The child knows a job by the same id.
    for id in ids:
        said = b"".join(out.data for out in bourn.job.output_watch(two.h, id) if out.data).decode()
        assert said.strip() == str(JobID(id))
    R = bourn.job.lookup(two.h, ids[0], "R")["execution"]["R_lite"]
    assert [entry["rank"] for entry in R] == ["0"]
    assert two.events(ids[0]) == [
        "submit", "validate", "depend", "priority", "alloc", "start", "finish", "release", "free", "clean",
    ]  # fmt: skip
    assert "shell.init" in [e.name for e in bourn.job.event_watch(two.h, ids[0], "guest.exec.eventlog")]


def test_input_output_and_exit_status_pass_through(two):
    done = two.run("bourn", "run", "sh", "-c", "cat; echo oops >&2; exit 3", stdin="one\ntwo\n")
    assert (done.returncode, done.stdout) == (3, "one\ntwo\n")
    assert "oops" in done.stderr.splitlines()
    done = two.run("bourn", "submit", "--output=out-{{id}}.txt", "--wait", "echo", "hello")
    assert (two.folder / f"out-{done.stdout.strip()}.txt").read_text() == "hello\n"


def test_waiting_for_jobs(two):
    ids = two.submit("true", 3) + two.submit("exit 1")
    assert [bourn.job.wait(two.h, id).success for id in ids] == [True, True, True, False]


def test_cancel_kill_and_time_limit(two):
    running = two.submit("sleep 60", 4)
    for id in running:
        bourn.job.event_wait(two.h, id, "start")
    pending = two.submit("sleep 60", 8)
    bourn.job.cancel(two.h, pending[0], "not this one")
    bourn.job.kill(two.h, running[0], signal.SIGUSR1)
    limited = two.submit("sleep 60", system={"duration": 0.3})
    two.run("bourn", "cancel", *map(str, pending[1:]))
    assert two.results(pending) == ["CANCELED"] * 8
    assert two.results(running[:1]) == ["FAILED"]
    assert bourn.job.job_list_id(two.h, running[0]).waitstatus == signal.SIGUSR1
    assert two.results(limited) == ["TIMEOUT"]
    for id in running[1:]:
        bourn.job.cancel(two.h, id)
    assert two.results(running[1:]) == ["CANCELED"] * 3
    assert two.events(limited[0]).count("exception") == 1
    assert all(child["pending"] == child["running"] == 0 for child in two.children())


def test_the_end_of_a_running_job_moves(two):
    (id,) = two.submit("sleep 60", system={"duration": 30.0})
    bourn.job.event_wait(two.h, id, "start")
    assert two.run("bourn", "update", str(id), "duration=0.5s").returncode == 0
    assert two.results([id]) == ["TIMEOUT"]


def test_dependencies_and_held_jobs_stay_at_the_root(two):
    first = two.submit("sleep 0.2; echo first >> order")
    then = two.submit(
        "echo then >> order", system={"dependencies": [{"scheme": "afterok", "value": str(JobID(first[0]))}]}
    )
    held = two.h.rpc(
        "job-ingest.submit",
        {"jobspecs": [bourn.job.lookup(two.h, first[0], "jobspec")], "jobs": [{"jobspec": 0, "urgency": 0}]},
    ).get()["ids"]
    assert two.results(first + then) == ["COMPLETED"] * 2
    assert (two.folder / "order").read_text() == "first\nthen\n"
    assert bourn.job.job_list_id(two.h, held[0]).state == "SCHED"
    bourn.job.cancel(two.h, held[0])
    assert two.results(held) == ["CANCELED"]


def test_a_stopped_queue_calls_jobs_back(two):
    busy = two.submit("sleep 60", 4)
    for id in busy:
        bourn.job.event_wait(two.h, id, "start")
    waiting = two.submit("true", 4)
    assert two.run("bourn", "queue", "stop").returncode == 0
    for id in busy:
        bourn.job.cancel(two.h, id)
    two.results(busy)
    assert [str(bourn.job.job_list_id(two.h, id).state) for id in waiting] == ["SCHED"] * 4
    assert two.run("bourn", "queue", "start").returncode == 0
    assert two.results(waiting) == ["COMPLETED"] * 4


def test_an_instance_as_a_job_of_a_child(two):
    done = two.run(
        "bourn", "batch", "-n1", "--wrap", "bourn run hostname; bourn getattr instance-level; sleep 60"
    )
    id = done.stdout.strip()
    bourn.job.event_wait(two.h, JobID.parse(id), "memo")
    assert two.run("bourn", "uri", id).stdout.startswith("ssh://")
    # It's shown once, where it runs, and its instance with it.
    tree = two.run("bourn", "pstree", "--no-compact").stdout
    assert (tree.count(" bourn"), tree.count("child-")) == (1, 2)
    assert re.search(r"[├└]── child-.\n.*── bourn", tree)
    assert two.run("bourn", "pstree", "-L1").stdout.count(" bourn") == 1
    listed = two.run("bourn", "jobs", "-R", "-n", "-o", "{name}").stdout.split()
    assert (listed.count("bourn"), sum(word.endswith(f"/{id}:") for word in listed)) == (1, 1)
    assert two.run("bourn", "jobs", "-R", "-L1", "-n", "-o", "{name}").stdout.split().count("bourn") == 1
    [outer] = [
        job for job in json.loads(two.run("bourn", "jobs", "-R", "--json").stdout)["jobs"] if job["jobs"]
    ]
    assert [job["name"] for job in outer["jobs"]] == ["bourn"]
    assert two.run("bourn", "jobs", "-n", "-o", "{name}").stdout.split().count("bourn") == 1
    two.run("bourn", "cancel", id)
    assert two.results([int(JobID.parse(id))]) == ["CANCELED"]


def test_the_queue_drains_though_children_stay(two):
    two.submit("sleep 0.1", 4)
    assert two.run("bourn", "queue", "drain").returncode == 0
    assert two.run("bourn", "queue", "idle").returncode == 0
    assert len(two.children()) == 2
    status = json.loads(two.run("bourn", "tree", "--json").stdout)
    assert [child["ncores"] for child in status["children"]] == [2, 2]
    shown = two.run("bourn", "tree").stdout.splitlines()
    assert shown[0] == "2, round-robin: 0 waiting"
    assert "up: 2 cores; 0 pending, 0 running" in shown[2]


def test_children_cannot_be_raised_twice_or_forgotten(two):
    forgotten = two.run("bourn", "module", "reload", "hierarchy")
    assert forgotten.returncode == 1
    assert "it has 2 children; `bourn tree --remove` ends them" in forgotten.stderr
    done = two.run("bourn", "tree", "-T", "4")
    assert (done.returncode, done.stderr) == (
        1,
        "bourn-tree: error: there are children already, of shape 2; `bourn tree --remove` ends them\n",
    )


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["-T", "2x"], "hierarchy.shape: \"2x\": ends with 'x'"),
        (["-T", "4x4"], "1 core can't be divided among 4 children"),
        (["-T", "2", "-p", "rond-robin"], "did you mean 'round-robin'?"),
        (["-T", "2", "--child-conf", "exec.metod=mock"], "hierarchy.child.exec.metod: unknown key"),
        (["-T", "2", "--misfits", "maybe"], "hierarchy.misfits: must be 'run' or 'refuse', not 'maybe'"),
        (["--min", "2"], "name the tree's shape"),
    ],
)
def test_bad_input_is_one_clear_line(options, reason, tmp_path):
    from .conftest import ENV

    command = ["bourn", "tree", *options, "--conf", 'resource.config=[{hosts="n0",cores="0-3"}]', "true"]
    done = subprocess.run(command, env=ENV, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode in (1, 2)
    assert len(done.stderr.splitlines()) == 1
    assert reason in done.stderr


def test_retries_and_arrays(two):
    done = two.run("bourn", "submit", "--retries=3", "sh", "-c", "echo try >> tries; exit 1")
    id = int(JobID.parse(done.stdout.strip()))
    assert two.results([id]) == ["FAILED"]
    assert (two.folder / "tries").read_text().split() == ["try"] * 4
    assert Counter(two.events(id))["retry"] == 3
    assert Counter(two.events(id))["start"] == 4
    command = "echo $BOURN_JOB_CC >> members"
    assert two.run("bourn", "submit", "--wait", "--array=1-9", "sh", "-c", command).returncode == 0
    assert sorted((two.folder / "members").read_text().split()) == [str(n) for n in range(1, 10)]
    log = two.run("bourn", "dmesg").stdout
    assert "execution reports" not in log, log
    assert len(two.children()) == 2


def test_an_array_through_children_is_as_any_other(two):
    """Ids, states, output, and waiting at the root, for an array larger than what waits at a time."""
    command = "echo $BOURN_JOB_CC; test $BOURN_JOB_CC -ne 17"
    done = two.run("bourn", "submit", "--cc=1-600", "sh", "-c", command)
    ids = [JobID.parse(word) for word in done.stdout.split()]
    [listed] = [job for job in bourn.JobList(two.h, arrays=True).jobs() if str(job.members) == "1-600"]
    array = bourn.JobArray.get(two.h, listed.id)
    assert list(array) == ids
    result = array.wait(two.h)
    assert result.errstr == "of 600 members 1 failed"
    counts = {"pending": 0, "running": 0, "completed": 599, "failed": 1, "canceled": 0, "timeout": 0}
    assert result.counts == counts
    for number in (1, 17, 600):
        said = b"".join(out.data for out in bourn.job.output_watch(two.h, array[number]) if out.data)
        assert said.decode().strip() == str(number)
    assert two.run("bourn", "job", "status", str(array.id)).returncode == 1
    members = list(array.jobs(two.h))
    assert sorted(int(job.id) for job in members) == sorted(map(int, ids))
    assert [array[17]] == [job.id for job in members if job.status == "FAILED"]
    children = {str(JobID(child["id"])) for child in two.children()}
    assert {job.annotations["exec"]["child"] for job in members} == children


def test_an_array_in_children_is_cancelled_at_the_root(two):
    [id] = two.run("bourn", "submit", "--array=1-600", "sleep", "60").stdout.split()
    array = bourn.JobArray.get(two.h, JobID.parse(id))
    two.until(lambda: array.counts(two.h)["running"] == 4)
    bourn.job.cancel(two.h, array[600])
    array.cancel(two.h)
    assert array.wait(two.h).counts["canceled"] == 600
    assert two.results([array[1], array[600]]) == ["CANCELED"] * 2
    two.until(lambda: all(child["pending"] == child["running"] == 0 for child in two.children()))
