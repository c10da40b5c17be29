"""Children that die, jobs that fit none, children on load, and a root that is killed."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
from collections import Counter
from functools import partial

import pytest

import bourn
from bourn.model.jobid import JobID
from tests.integration.instance import until

from .conftest import ENV, grown


def ran(tree, name="ran"):
    """Return how often each job has begun to run."""
    path = tree.folder / name
    return Counter(path.read_text().split()) if path.exists() else Counter()


def kill_child(tree, index):
    """Kill a child's broker with no notice, once the child is up."""
    tree.wait_for(2)
    child = tree.status()["children"][index]
    os.kill(tree.pid(child), signal.SIGKILL)
    tree.until(lambda: child["id"] not in [other["id"] for other in tree.children()])
    return child["id"]


def test_jobs_of_a_child_that_dies_run_again(tmp_path):
    with grown(tmp_path, 'shape="2"') as tree:
        tree.wait_for(2)
        ids = tree.submit('echo "$BOURN_JOB_ID" >> ran; sleep 0.5', 12)
        for id in ids[:4]:
            bourn.job.event_wait(tree.h, id, "start")
        gone = str(JobID(kill_child(tree, 0)))
        assert tree.results(ids) == ["COMPLETED"] * 12
        lost = [id for id in ids if "debug.rerun" in tree.events(id)]
        assert lost
        for id in lost:
            assert bourn.job.job_list_id(tree.h, id).annotations["exec"]["child"] == gone
            assert tree.events(id).count("start") == tree.events(id).count("finish") == 1
        again = {id for id, times in ran(tree).items() if times > 1}
        assert again <= {str(JobID(id)) for id in lost}
        assert len(ran(tree)) == 12
        assert tree.wait_for(2)


def test_or_they_fail_as_configured(tmp_path):
    with grown(tmp_path, 'shape="2"', 'on-child-failure="fail"') as tree:
        tree.wait_for(2)
        ids = tree.submit('echo "$BOURN_JOB_ID" >> ran; sleep 0.5', 10)
        for id in ids[:4]:
            bourn.job.event_wait(tree.h, id, "start")
        kill_child(tree, 1)
        found = Counter(tree.results(ids))
        assert found["FAILED"] in (1, 2)
        assert found["COMPLETED"] == 10 - found["FAILED"]
        assert set(ran(tree).values()) == {1}
        failed = next(id for id in ids if str(bourn.job.job_list_id(tree.h, id).status) == "FAILED")
        note = bourn.job.job_list_id(tree.h, failed).exception.note
        assert note.startswith("the child instance ")
        assert note.endswith(" that ran it has ended")


def under_fire(tmp_path, seed, kills, count):
    """Kill children at random under load; every job must be accounted for once."""
    rng = random.Random(seed)
    with grown(tmp_path, 'shape="2"', "retries=99", cores="0-7") as tree:
        tree.wait_for(2)
        ids = tree.submit('echo "$BOURN_JOB_ID" >> ran; sleep 0.0$((${#BOURN_JOB_ID} % 7 + 2))', count)
        for _ in range(kills):
            watched = ids[rng.randrange(count)]
            bourn.job.event_wait(tree.h, watched, "start")
            kill_child(tree, rng.randrange(2))
        assert Counter(tree.results(ids)) == {"COMPLETED": count}
        runs = ran(tree)
        assert set(runs) == {str(JobID(id)) for id in ids}
        for id in ids:
            names = Counter(tree.events(id))
            once = ("submit", "alloc", "start", "finish", "release", "free", "clean")
            assert [names[name] for name in once] == [1] * 7, names
            # What ran again without a note hadn't been reported as running: its child died with the news.
            assert runs[str(JobID(id))] <= 1 + kills
        tree.wait_for(2)
        assert all(not child["pending"] and not child["running"] for child in tree.children())


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_many_kills(tmp_path, seed):
    under_fire(tmp_path, seed=seed, kills=12, count=1500)


def test_a_root_that_is_killed_loses_and_repeats_nothing(tmp_path):
    state = tmp_path / "state"
    with grown(tmp_path, 'shape="2"', statedir=state) as tree:
        tree.wait_for(2)
        ids = tree.submit('echo "$BOURN_JOB_ID" >> ran; sleep 0.1; echo said', 40)
        bourn.job.event_wait(tree.h, ids[10], "finish")
        before = {child["id"] for child in tree.children()}
        tree.process.kill()
    with grown(tmp_path, 'shape="2"', statedir=state) as tree:
        assert tree.results(ids) == ["COMPLETED"] * 40
        assert {child["id"] for child in tree.wait_for(2)} == before
        assert ran(tree) == dict.fromkeys((str(JobID(id)) for id in ids), 1)
        for id in ids:
            said = [out.data for out in bourn.job.output_watch(tree.h, id) if out.data]
            assert b"".join(said) == b"said\n"
            assert Counter(tree.events(id))["finish"] == 1


def test_a_job_that_fits_no_child_runs_at_the_root(tmp_path):
    with grown(tmp_path, 'shape="2"') as tree:
        tree.wait_for(2)
        small = tree.submit("sleep 0.3", 8)
        big = tree.submit("echo big >> ran; sleep 0.1", num_tasks=3)
        more = tree.submit("true", 8)
        assert tree.results(big + small + more) == ["COMPLETED"] * 17
        assert ran(tree) == {"big": 3}
        assert "exec" not in (bourn.job.job_list_id(tree.h, big[0]).annotations or {})
        tree.wait_for(2)


def test_children_come_back_when_a_job_waits_for_more_than_they_had(tmp_path):
    with grown(tmp_path, 'shape="4"') as tree:
        tree.wait_for(4)
        holds = tree.submit("sleep 60", num_tasks=1, cores_per_task=2)
        bourn.job.event_wait(tree.h, holds[0], "start")
        waits = tree.submit("true", num_tasks=1, cores_per_task=3)
        small = tree.submit("true", 4)
        assert tree.results(small) == ["COMPLETED"] * 4
        assert str(bourn.job.job_list_id(tree.h, waits[0]).state) == "SCHED"
        bourn.job.cancel(tree.h, holds[0])
        bourn.job.cancel(tree.h, waits[0])
        assert tree.results(holds + waits) == ["CANCELED"] * 2
        tree.wait_for(4)


def test_or_is_refused_as_configured(tmp_path):
    with grown(tmp_path, 'shape="2x2"', 'misfits="refuse"') as tree:
        big, middle, small = (tree.submit("true", num_tasks=n)[0] for n in (3, 2, 1))
        assert tree.results([big, middle, small]) == ["FAILED", "FAILED", "COMPLETED"]
        note = bourn.job.job_list_id(tree.h, big).exception.note
        assert note == "it fits no child of the hierarchy; the largest has 2 cores"
        note = bourn.job.job_list_id(tree.h, middle).exception.note
        assert note == "no child can run it: it fits no child of the hierarchy; the largest has 1 core"


def test_children_come_with_the_load_and_go_when_idle(tmp_path):
    with grown(tmp_path, 'shape="4"', "min=1", "max=3", 'idle="0.2s"', "backlog=1") as tree:
        tree.wait_for(1)
        ids = tree.submit("sleep 0.4", 16)
        tree.wait_for(3)
        assert tree.results(ids) == ["COMPLETED"] * 16
        (left,) = tree.wait_for(1)
        tree.wait_for(0, "leaving")
        gone = [job for job in bourn.job.job_list(tree.h, filters="inactive") if job.name.startswith("child")]
        assert {str(job.status) for job in gone} == {"COMPLETED"}
        assert left["running"] == left["pending"] == 0


def test_three_levels_each_with_its_own_policy(tmp_path):
    conf = ('shape="2x2"', 'child.hierarchy.policy="two-choices"', 'child.exec.kill-timeout="1s"')
    with grown(tmp_path, *conf) as tree:
        ids = tree.submit('echo "$BOURN_JOB_ID"; sleep 0.1', 12)
        assert tree.results(ids) == ["COMPLETED"] * 12
        # Jobs may all have gone to those that were up first.
        until(lambda: tree.run("bourn", "tree").stdout.count(" up: 1 core;") == 4)
        assert tree.run("bourn", "tree").stdout.count("two-choices") == 2
        (running,) = tree.submit("sleep 60")
        bourn.job.event_wait(tree.h, running, "start")
        bourn.job.kill(tree.h, running, signal.SIGINT)
        assert tree.results([running]) == ["FAILED"]
        assert bourn.job.job_list_id(tree.h, running).waitstatus == signal.SIGINT


def test_a_running_instance_gets_children_and_loses_them(tmp_path):
    with grown(tmp_path) as tree:
        first = tree.submit("true", 4)
        assert tree.results(first) == ["COMPLETED"] * 4
        assert tree.run("bourn", "tree").stderr.startswith("bourn-tree: error: this instance has no children")
        assert tree.run("bourn", "tree", "-T", "2", "-p", "hash").returncode == 0
        tree.wait_for(2)
        waiting = tree.submit("sleep 0.2", 30)
        bourn.job.event_wait(tree.h, waiting[0], "start")
        assert tree.run("bourn", "tree", "--remove").returncode == 0
        assert tree.status()["shape"] == ""
        assert tree.results(waiting) == ["COMPLETED"] * 30
        assert tree.run("bourn", "tree", "-T", "1").returncode == 0
        tree.wait_for(1)


def test_a_program_of_a_tree_ends_it(tmp_path):
    from .conftest import ENV

    command = ["bourn", "tree", "-T", "2", "--conf", 'resource.config=[{hosts="n0",cores="0-3"}]']
    script = "bourn submit --wait --cc=1-6 -q '' true >/dev/null 2>&1; bourn run echo done; exit 7"
    done = subprocess.run(
        [*command, "sh", "-c", script], env=ENV, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (7, "done\n"), done.stderr


def test_children_on_other_ranks(tmp_path):
    """Each rank of an instance of several brokers has a child; constraints name the root's ranks."""
    with grown(tmp_path, 'shape="node"', size=2) as tree:
        tree.wait_for(2)
        there = tree.submit("true", 2, system={"constraints": {"ranks": ["1"]}})
        assert tree.results(there) == ["COMPLETED"] * 2
        assert {bourn.job.job_list_id(tree.h, id).ranks for id in there} == {"1"}
        both = tree.submit("echo x >> ran", num_nodes=2, num_tasks=2)
        assert tree.results(both) == ["COMPLETED"]
        assert ran(tree) == {"x": 2}


def test_it_is_told_why_children_do_not_come_up(tmp_path):
    with grown(tmp_path, 'shape="2"', 'child.scheduler.queue-policy="eazy"') as tree:
        tree.until(lambda: any(child["note"] for child in tree.status()["children"]))
        shown = tree.run("bourn", "tree").stdout
        assert "unknown queue policy 'eazy'; did you mean 'easy'?" in shown
        assert tree.status()["children"][0]["done"] == 0


def test_children_are_raised_where_no_virtual_environment_is_activated(tmp_path):
    program = shutil.which("bourn", path=ENV["PATH"])
    command = [program, "tree", "-T", "1", "--conf", 'resource.config=[{hosts="n0",cores="0-1"}]']
    env = {**ENV, "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [*command, "bourn", "run", "echo", "from", "below"],
        env=env, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "from below\n", "")


def test_nodes_that_are_drained_at_the_root_get_no_jobs_at_any_level(tmp_path):
    with grown(tmp_path, 'shape="2x2"', size=2) as tree:
        tree.wait_for(2)
        job_of = partial(bourn.job.job_list_id, tree.h)
        [below] = [child for child in tree.children() if job_of(child["id"]).ranks == "1"]
        with bourn.Handle(below["uri"]) as middle:

            def leaves():
                return middle.rpc("hierarchy.status").get()["children"]

            def drained(uri):
                with bourn.Handle(uri) as h:
                    return [entry["reason"] for entry in h.rpc("resource.status").get()["drain"]]

            tree.until(lambda: all(leaf["state"] == "up" for leaf in leaves()))
            [running] = tree.submit("sleep 60", num_tasks=1, system={"constraints": {"ranks": ["1"]}})
            bourn.job.event_wait(tree.h, running, "start")
            assert tree.run("bourn", "resource", "drain", "1", "broken").returncode == 0
            nested = "in the parent instance: broken"
            tree.until(lambda: drained(below["uri"]) == [nested])
            uris = [leaf["uri"] for leaf in leaves()]
            tree.until(lambda: all(drained(uri) == [f"in the parent instance: {nested}"] for uri in uris))
            ids = tree.submit("true", 8)
            assert tree.results(ids) == ["COMPLETED"] * 8
            assert {job_of(id).ranks for id in ids} == {"0"}
            # What runs there goes on, and what can run only there waits.
            [waits] = tree.submit("true", system={"constraints": {"ranks": ["1"]}})
            assert tree.run("bourn", "resource", "undrain", "1").returncode == 0
            assert tree.results([waits]) == ["COMPLETED"]
            tree.until(lambda: not drained(below["uri"]) and not any(map(drained, uris)))
            assert job_of(running).status == "RUN"
            bourn.job.cancel(tree.h, running)
            assert tree.results([running]) == ["CANCELED"]
