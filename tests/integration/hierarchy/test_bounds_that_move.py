"""A nested instance borrows from its parent and gives back; its end moves with that of its job."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

import bourn
from bourn.model.jobid import JobID
from tests.integration.instance import until

from .conftest import Tree, grown

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def nested(tree: Tree, *options: str) -> Iterator[tuple[Tree, int]]:
    """A child instance of two cores, as a job."""
    shape = () if any(o.startswith("-N") for o in options) else ("-n2",)
    done = tree.run("bourn", "alloc", "--bg", *shape, *options)
    id = int(JobID.parse(done.stdout.strip()))
    uri = tree.run("bourn", "uri", str(JobID(id))).stdout.strip()
    child = Tree(tree.process, uri, tree.folder)
    try:
        yield child, id
    finally:
        child.h.close()
        tree.run("bourn", "cancel", str(JobID(id)))


def info(tree: Tree) -> str:
    return tree.run("bourn", "resource", "info").stdout.strip()


def loans(tree: Tree) -> list[str]:
    return [job.name for job in bourn.job.job_list(tree.h, filters="running") if job.name == "loan"]


def test_cores_are_borrowed_used_and_given_back(tmp_path):
    with grown(tmp_path, cores="0-7") as tree, nested(tree) as (child, _):
        assert info(child) == "1 Nodes, 2 Cores, 0 GPUs"
        first = child.run("bourn", "grow", "-n", "2").stdout.strip()
        second = child.run("bourn", "grow", "-n", "1").stdout.strip()
        assert info(child) == "1 Nodes, 5 Cores, 0 GPUs"
        assert loans(tree) == ["loan"] * 2
        (big,) = child.submit("sleep 60", num_tasks=5)
        bourn.job.event_wait(child.h, big, "start")
        # What is in use isn't given back.
        refused = child.run("bourn", "shrink", first)
        assert refused.returncode == 1
        assert f"job {JobID(big)} holds it" in refused.stderr
        assert info(child) == "1 Nodes, 5 Cores, 0 GPUs"
        # The parent's own jobs get what isn't lent.
        (own,) = tree.submit("true", num_tasks=4)
        bourn.job.cancel(child.h, big)
        assert child.results([big]) == ["CANCELED"]
        assert child.run("bourn", "shrink", "-n", "1").returncode == 0
        assert info(child) == "1 Nodes, 4 Cores, 0 GPUs"
        assert tree.results([own]) == ["COMPLETED"]
        odd = child.run("bourn", "shrink", "-n", "1")
        assert odd.stderr == (
            "bourn-shrink: error: loans are given back whole, and 1 core is no sum of the latest: "
            f"{first} (2 cores)\n"
        )
        assert child.run("bourn", "shrink", second).stderr.endswith(
            f"is no loan; there are: {first} (2 cores)\n"
        )
        # Again, now while a job goes on that may finish, and with one that may not.
        (last,) = child.submit("sleep 0.3", num_tasks=4)
        bourn.job.event_wait(child.h, last, "start")
        assert child.run("bourn", "shrink", "--wait").returncode == 0
        assert child.results([last]) == ["COMPLETED"]
        assert info(child) == "1 Nodes, 2 Cores, 0 GPUs"
        until(lambda: not loans(tree))
        child.run("bourn", "grow", "-n", "1")
        (ended,) = child.submit("sleep 60", num_tasks=3)
        bourn.job.event_wait(child.h, ended, "start")
        assert child.run("bourn", "shrink", "--force").returncode == 0
        assert child.results([ended]) == ["FAILED"]


def test_a_loan_ends_with_its_borrower(tmp_path):
    with grown(tmp_path, cores="0-3") as tree:
        with nested(tree) as (child, id):
            child.run("bourn", "grow", "-n", "2")
            assert loans(tree) == ["loan"]
            bourn.job.cancel(tree.h, id)
            bourn.job.event_wait(tree.h, id, "clean")
        assert tree.run("bourn", "queue", "drain").returncode == 0
        until(lambda: not loans(tree))
        assert tree.results(tree.submit("true", num_tasks=4)) == ["COMPLETED"]


def test_what_cannot_be_had_is_waited_for_or_refused(tmp_path):
    with grown(tmp_path, cores="0-3") as tree:
        alone = tree.run("bourn", "grow", "-n", "1")
        assert (alone.returncode, "no job of another one" in alone.stderr) == (1, True)
        with nested(tree) as (child, _):
            (busy,) = tree.submit("sleep 0.5", num_tasks=2)
            bourn.job.event_wait(tree.h, busy, "start")
            assert child.run("bourn", "grow", "-n", "2").returncode == 0
            assert info(child) == "1 Nodes, 4 Cores, 0 GPUs"
            never = child.run("bourn", "grow", "-n", "9")
            assert never.returncode == 1
            assert len(never.stderr.splitlines()) == 1
            its_own = child.run("bourn", "grow", "-N", "1")
            assert its_own.returncode == 1
            assert "the parent instance has 0 nodes besides those of job" in its_own.stderr
            assert child.run("bourn", "grow", "-n", "0").stderr.startswith("bourn-grow: error: --cores=0")


def test_the_end_of_the_job_moves_that_of_the_instance(tmp_path):
    with grown(tmp_path) as tree, nested(tree, "-t", "300s") as (child, id):
        (unlimited,) = child.submit("sleep 60")
        (limited,) = child.submit("sleep 60", system={"duration": 100.0})
        for job in (unlimited, limited):
            bourn.job.event_wait(child.h, job, "start")
        before = bourn.job.job_list_id(child.h, unlimited).expiration
        kept = bourn.job.job_list_id(child.h, limited).expiration
        too_long = child.run("bourn", "update", str(JobID(limited)), "duration=1h")
        assert "the instance ends before that" in too_long.stderr
        assert tree.run("bourn", "update", str(JobID(id)), "duration=+2h").returncode == 0
        until(lambda: bourn.job.job_list_id(child.h, unlimited).expiration > before)
        assert abs(bourn.job.job_list_id(child.h, unlimited).expiration - before - 7200) < 1
        assert bourn.job.job_list_id(child.h, limited).expiration == kept
        assert child.run("bourn", "update", str(JobID(limited)), "duration=1h").returncode == 0


def test_several_loans_of_nodes(tmp_path):
    with grown(tmp_path, cores="0-1", size=4) as tree, nested(tree, "-N1", "-x") as (child, _):
        two, _ = (child.run("bourn", "grow", "-N", count).stdout.strip() for count in ("2", "1"))
        assert child.run("bourn", "overlay", "status", "-s").stdout == "full\n"
        assert child.run("bourn", "shrink", two).returncode == 0
        assert len(child.run("bourn", "overlay", "status").stdout.splitlines()) == 2
        assert child.results(child.submit("true", num_nodes=2, num_tasks=2)) == ["COMPLETED"]
        everywhere = child.run("bourn", "exec", "-lr", "all", "bourn", "getattr", "size").stdout
        assert sorted(everywhere.splitlines()) == ["0: 2", "3: 2"]


def gone(tree: Tree, rank: int) -> None:
    """Make sure that nothing is shown of a rank that has left for good."""
    status = json.loads(tree.run("bourn", "overlay", "status", "--json").stdout)
    assert set(status["statuses"]) == {"full"}
    assert (status["lost"], status["astray"]) == ("", "")
    assert len(tree.run("bourn", "overlay", "status").stdout.splitlines()) == rank
    rest = "0" if rank == 1 else f"0-{rank - 1}"
    assert tree.run("bourn", "resource", "list", "-s", "all", "-no", "{ranks}").stdout == f"{rest}\n"
    assert (
        tree.run("bourn", "resource", "status", "-s", "offline,drain", "-no", "{ranks}").stdout.split() == []
    )
    assert tree.h.rpc("groups.get", {"name": "broker.online"}).get()["members"] == rest
    unknown = tree.run("bourn", "ping", "-c1", f"{rank}!broker").stderr
    assert f"rank {rank} has left the instance for good" in unknown
    assert f"rank {rank} has left" in tree.run("bourn", "overlay", "lookup", str(rank)).stderr


@pytest.mark.parametrize("before", [1, 2])
def test_nodes_are_borrowed_used_and_given_back(tmp_path, before):
    """By an instance of one broker, which has no overlay until then, and by one of several."""
    with grown(tmp_path, cores="0-1", size=4) as tree, nested(tree, f"-N{before}", "-x") as (child, _):
        assert info(child) == f"{before} Nodes, {2 * before} Cores, 0 GPUs"
        loan = child.run("bourn", "grow", "-N", "1")
        assert loan.returncode == 0, loan.stderr
        assert info(child) == f"{before + 1} Nodes, {2 * before + 2} Cores, 0 GPUs"
        assert child.run("bourn", "getattr", "size").stdout == f"{before + 1}\n"
        assert child.run("bourn", "overlay", "status", "-s").stdout == "full\n"
        ranks = child.run("bourn", "exec", "-r", "all", "bourn", "getattr", "size").stdout
        assert ranks == f"{before + 1}\n" * (before + 1)
        everywhere = child.submit("echo x >> ran", num_nodes=before + 1, num_tasks=before + 1)
        assert child.results(everywhere) == ["COMPLETED"]
        assert (tmp_path / "ran").read_text() == "x\n" * (before + 1)
        assert loans(tree) == ["loan"]
        (there,) = child.submit("sleep 60", system={"constraints": {"ranks": [str(before)]}})
        bourn.job.event_wait(child.h, there, "start")
        assert "holds it" in child.run("bourn", "shrink").stderr
        assert child.run("bourn", "shrink", "--force", loan.stdout.strip()).returncode == 0
        assert child.results([there]) == ["FAILED"]
        assert info(child) == f"{before} Nodes, {2 * before} Cores, 0 GPUs"
        until(lambda: not loans(tree))
        said = child.run("bourn", "dmesg").stdout
        assert ".warning[" not in said, said
        assert ".error[" not in said, said
        # Nothing is left of them but their numbers, which aren't used again.
        gone(child, before)
        assert child.run("bourn", "getattr", "size").stdout == f"{before}\n"
        assert child.run("bourn", "overlay", "status", "-s").stdout == "full\n"
        assert child.run("bourn", "grow", "-N", "1").returncode == 0
        again = child.submit("true", system={"constraints": {"ranks": [str(before + 1)]}})
        assert child.results(again) == ["COMPLETED"]
        odd = child.run("bourn", "grow", "-N", "0")
        assert odd.stderr.startswith("bourn-grow: error: --nodes=0: right is 1 node or more")
        never = child.run("bourn", "grow", "-N", "9")
        assert (never.returncode, len(never.stderr.splitlines())) == (1, 1)


def test_nodes_that_the_parent_takes_back(tmp_path):
    """Its administrator cancels the loan: the instance goes on, and what is left of the loan can go."""
    with grown(tmp_path, cores="0-1", size=2) as tree, nested(tree, "-N1", "-x") as (child, _):
        loan = child.run("bourn", "grow", "-N", "1").stdout.strip()
        (there,) = child.submit("sleep 60", system={"constraints": {"ranks": ["1"]}})
        bourn.job.event_wait(child.h, there, "start")
        bourn.job.cancel(tree.h, JobID.parse(loan))
        assert child.results([there]) == ["FAILED"]
        note = bourn.job.job_list_id(child.h, there).exception.note
        assert "rank 1" in note, note
        assert child.results(child.submit("true", 2)) == ["COMPLETED"] * 2
        until(lambda: info(child) == "1 Nodes, 2 Cores, 0 GPUs")
        until(lambda: child.run("bourn", "getattr", "size").stdout == "1\n")
        gone(child, 1)
        assert "nothing was borrowed" in child.run("bourn", "shrink", loan).stderr


def test_cores_that_the_parent_takes_back(tmp_path):
    with grown(tmp_path, cores="0-3") as tree, nested(tree) as (child, _):
        loan = child.run("bourn", "grow", "-n", "2").stdout.strip()
        (there,) = child.submit("sleep 60", num_tasks=4)
        bourn.job.event_wait(child.h, there, "start")
        bourn.job.cancel(tree.h, JobID.parse(loan))
        assert child.results([there]) == ["FAILED"]
        until(lambda: info(child) == "1 Nodes, 2 Cores, 0 GPUs")
        assert tree.results(tree.submit("true", num_tasks=2)) == ["COMPLETED"]


def test_a_scheduler_that_cannot_grow_leaves_the_parent_its_nodes_and_cores(tmp_path):
    with grown(tmp_path, cores="0-3", size=2) as tree:
        simple = ("-N1", "-n2", "--conf", "modules.sched=sched-simple")
        with nested(tree, *simple) as (child, _):
            for what in ("-N1", "-n1"):
                refused = child.run("bourn", "grow", what)
                assert "keeps no graph that could change" in refused.stderr
                assert len(refused.stderr.splitlines()) == 1
                until(lambda: not loans(tree))
            assert child.results(child.submit("true")) == ["COMPLETED"]
