"""Jobs and commands on the ranks of one instance of four brokers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import bourn
from tests.integration.instance import Instance

if TYPE_CHECKING:
    from pathlib import Path


def events(four: Any, id: str) -> list[str]:
    return [line.split()[1] for line in four.ok(f"job eventlog {id}").splitlines()]


def test_tasks_run_on_all_ranks_with_the_address_of_their_own_broker(four: Any) -> None:
    found = four.words("run", "-N4", "-n8", "-l", "sh", "-c", "echo $BOURN_JOB_NNODES $BOURN_URI")
    assert found.code == 0
    lines = sorted(found.out.splitlines())
    uris = [four.uri_of(rank) for rank in range(4)]
    assert lines == [f"{task}: 4 {uris[task // 2]}" for task in range(8)]


def test_the_worst_exit_status_is_the_jobs(four: Any) -> None:
    assert four.words("run", "-N4", "sh", "-c", "exit $BOURN_TASK_RANK").code == 3


def test_input_goes_to_all_ranks(four: Any) -> None:
    found = four("run -N3 -n3 -l cat", stdin=b"word\n")
    assert sorted(found.out.splitlines()) == ["0: word", "1: word", "2: word"]


def test_no_task_starts_before_all_nodes_are_ready(four: Any, tmp_path: Any) -> None:
    # One node can't start the job: then none does.
    script = f"touch {tmp_path}/$BOURN_TASK_RANK"
    found = four.words("run", "-N2", "-o", "nonsense.option=1", "sh", "-c", script)
    ran = {path.name for path in tmp_path.iterdir()}
    assert (found.code == 0) == (ran == {"0", "1"})
    assert ran in (set(), {"0", "1"})


def test_a_job_is_cancelled_on_all_ranks(four: Any) -> None:
    id = four.ok("submit -N4 sleep 1000")
    four.ok(f"job wait-event {id} start")
    four.ok(f"cancel {id}")
    four.ok(f"job wait-event {id} clean")
    assert "finish" in events(four, id)
    assert "free      4" in four.ok("resource list").replace("     free", "free")


def test_constraints_by_rank_and_host(four: Any) -> None:
    found = four.words("run", "-N1", "--requires=rank:2", "sh", "-c", "echo $BOURN_URI")
    assert found.out.strip() == four.uri_of(2)
    found = four.words("run", "-N1", "--requires=host:n3", "sh", "-c", "echo $BOURN_URI")
    assert found.out.strip() == four.uri_of(3)


def test_a_job_that_is_larger_than_the_instance_is_refused(four: Any) -> None:
    assert "nodes" in four("submit -N5 true").err


def test_an_exchange_among_nodes(four: Any) -> None:
    """PMI-1 as a parallel program would use it: each task puts its rank and sees those of the others."""
    program = """
import os, socket
s = socket.socket(fileno=int(os.environ["PMI_FD"])).makefile("rw")
def ask(line):
    s.write(line + "\\n"); s.flush()
    return s.readline().strip()
ask("cmd=init pmi_version=1 pmi_subversion=1")
name = ask("cmd=get_my_kvsname").split("kvsname=")[1]
rank, size = int(os.environ["PMI_RANK"]), int(os.environ["PMI_SIZE"])
ask(f"cmd=put kvsname={name} key=r{rank} value={rank * rank}")
ask("cmd=barrier_in")
values = [ask(f"cmd=get kvsname={name} key=r{r}").split("value=")[1] for r in range(size)]
print(",".join(values), flush=True)
ask("cmd=finalize")
"""
    found = four.words("run", "-N4", "-n8", "python3", "-c", program)
    assert found.out.splitlines() == ["0,1,4,9,16,25,36,49"] * 8, found


def test_exec_on_ranks(four: Any) -> None:
    found = four.words("exec", "-r", "1-3", "-l", "sh", "-c", "cat; echo $BOURN_URI", stdin=b"in\n")
    wanted = [line for rank in (1, 2, 3) for line in (f"{rank}: in", f"{rank}: {four.uri_of(rank)}")]
    assert sorted(found.out.splitlines()) == sorted(wanted)
    assert four("exec -n -r all -x 0 -l echo x").out.count("x\n") == 3


def test_exec_tells_which_ranks_failed_and_how(four: Any) -> None:
    found = four.words("exec", "-n", "-r", "0-2", "sh", "-c", "exit 4")
    assert (found.code, found.err) == (4, "bourn-exec: rank 0-2: exit 4\n")
    found = four("exec -n -r 3 no-such-program")
    assert (found.code, found.err) == (127, "bourn-exec: rank 3: no-such-program: command not found\n")
    found = four("exec -n -r 9 true")
    assert "no rank 9; the instance has ranks 0-3" in found.err


def test_a_command_ends_when_the_one_who_asked_has_gone(four: Any) -> None:
    with bourn.Handle(four.env["BOURN_URI"]) as handle:
        stream = handle.rpc("rexec.exec", {"command": ["sleep", "1000"]}, nodeid=3, streaming=True)
        assert stream.get()["rank"] == 3
        assert len(four.handle.rpc("rexec.list", nodeid=3).get()["processes"]) == 1
    four.until(lambda: not four.handle.rpc("rexec.list", nodeid=3).get()["processes"])


def test_clients_of_any_rank_reach_the_services_of_rank_0(four: Any) -> None:
    with bourn.Handle(four.uri_of(3)) as handle:
        assert handle.attr_get("rank") == "3"
        handle.event_subscribe("greeting")
        four.handle.event_publish("greeting.all", {"n": 1})
        assert handle.event_recv().payload == {"n": 1}
        id = bourn.job.submit(handle, bourn.Jobspec.from_command(["true"]))
        assert bourn.job.event_wait(handle, id, "clean").name == "clean"


def test_the_tree(four: Any) -> None:
    assert four.ok("overlay status -s") == "full"
    assert four.ok("overlay status").splitlines() == [
        "0 " + four.ok("getattr hostname") + ": full",
        *(line.format(four.ok("getattr hostname")) for line in ("├─ 1 {}: full", "│  └─ 3 {}: full")),
        "└─ 2 " + four.ok("getattr hostname") + ": full",
    ]
    assert json.loads(four.ok("overlay status --json"))["online"] == "0-3"
    assert (four.ok("overlay parentof 3"), four.ok("overlay gettopo")) == ("1", "kary:2")
    assert "rank 0 is the root" in four("overlay parentof 0").err
    assert four.ok("getattr size") == "4"
    assert "size 4" in four.ok("uptime")


def test_drain_and_undrain(four: Any) -> None:
    four.ok("resource drain 2 broken")
    assert four.words("run", "-N3", "-l", "true").code == 0
    assert four.ok("resource list -s down -no {ranks}") == "2"
    four.ok("resource undrain 2")
    assert four.ok("run -N4 true") == ""


@pytest.mark.slow
def test_256_brokers_start_run_a_job_across_all_and_stop(tmp_path: Path) -> None:
    instance = Instance(tmp_path, "-s256", "-Stbon.topo=kary:4")
    done = instance.words("run", "-N256", "-n256", "sh", "-c", "echo $BOURN_TASK_RANK")
    assert sorted(map(int, done.out.split())) == list(range(256))
    assert instance.ok("overlay status -s") == "full"
    assert instance.end() == ""
    instance.until(lambda: not instance.left())
