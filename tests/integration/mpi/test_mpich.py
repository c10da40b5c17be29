"""Parallel programs with a real MPI library: MPICH from the distribution, which speaks PMI-1."""

import os
import select
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bourn.shell.fences import Gathering
from bourn.shell.wire import Start
from tests.integration.instance import BOURN
from tests.integration.shell.host_client import HostClient, jobspec

MPICC = shutil.which("mpicc.mpich")
pytestmark = pytest.mark.skipif(MPICC is None, reason="needs MPICH (apt-get install mpich)")
SIXTEEN = 'resource.config=[{hosts="here",cores="0-15"}]'


def bourn(*command):
    return subprocess.run(
        [BOURN, "start", f"--conf={SIXTEEN}", "--", BOURN, *command],
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("ntasks", [1, 2, 3, 8, 16])
def test_ring_and_allreduce(host, ring, ntasks):
    text = jobspec([ring], {"pmi": "simple"})
    host.send(specs=[(ntasks, text)], start=[Start(ntasks, ntasks, ntasks=ntasks, size=ntasks)])
    assert host.wait(ntasks) == [0]
    assert host.text(ntasks) == f"ring {ntasks} of {ntasks}, sum {ntasks * (ntasks - 1) // 2}\n"


@pytest.mark.parametrize("ntasks", [2, 16])
def test_under_bourn_run(ring, ntasks):
    done = bourn("run", f"-n{ntasks}", ring)
    assert done.stdout == f"ring {ntasks} of {ntasks}, sum {ntasks * (ntasks - 1) // 2}\n"
    assert done.returncode == 0, done.stderr


def test_the_abort_of_one_task_ends_the_job_and_says_who_and_why(ring):
    done = bourn("run", "-n4", ring, "2")
    assert "task 2 of the parallel program called abort with exit code 7" in done.stderr
    assert done.returncode != 0
    assert "ring" not in done.stdout


def test_a_program_of_one_task_runs_with_and_without_pmi(host, ring):
    host.run([ring], first=101)
    host.run([ring], first=102, options={"pmi": "simple"})
    assert host.wait(101, 102) == [0, 0]
    assert host.text(101) == host.text(102) == "ring 1 of 1, sum 0\n"


def test_tasks_without_pmi_are_strangers(ring):
    done = bourn("run", "-n2", "-opmi=off", ring)
    assert done.stdout == "ring 1 of 1, sum 0\n" * 2


@pytest.mark.parametrize("taskmap", ["[[0,2,2,1]]", "[[0,2,1,2]]"])
def test_two_nodes(ring, taskmap):
    with HostClient() as one, HostClient() as two:
        hosts = [one, two]
        gathering = Gathering(2)
        for nodeid, host in enumerate(hosts):
            options = {"pmi": "simple"}
            if taskmap != "[[0,2,2,1]]":
                options["taskmap"] = "cyclic"
            host.send(
                specs=[(1, jobspec([ring], options))],
                start=[
                    Start(
                        1, 1, ntasks=2, first=2 * nodeid, size=4, nodeid=nodeid, nnodes=2,
                        taskmap="[[0,2,2,1]]", hosts="one,two",
                    )
                ],
            )  # fmt: skip
        while any(1 not in host.status for host in hosts):
            for host in select.select(hosts, [], [], 30)[0]:
                for report in host.receive():
                    for id, nodeid, key, data in report.fences:
                        merged = gathering.told(nodeid, key, data)
                        if merged is not None:
                            for each in hosts:
                                each.send(fenced=[(id, key, merged)])
                if host.seq:
                    host.send(ack=host.seq)
        assert [host.status[1] for host in hosts] == [0, 0]
        assert one.text(1) + two.text(1) == "ring 4 of 4, sum 6\n"


@pytest.mark.parametrize("taskmap", ["block", "cyclic"])
def test_over_two_brokers(ring, taskmap):
    conf = 'resource.config=[{hosts="n[0-1]",cores="0-1"}]'
    start = [BOURN, "start", "-s2", f"--conf={conf}", "--", BOURN, "run", "-N2", "-n4"]
    done = subprocess.run([*start, f"--taskmap={taskmap}", ring], capture_output=True, text=True, timeout=120)
    assert done.stdout == "ring 4 of 4, sum 6\n", done.stderr
    assert done.returncode == 0


def test_mpi4py(host, tmp_path):
    pytest.importorskip("mpi4py", reason="needs mpi4py")
    # Its wheel looks for MPICH under the name that MPICH gives it; Debian calls it otherwise.
    library = next(Path("/usr/lib").glob("*/libmpich.so.12"), None)
    if library is None:
        pytest.skip("needs MPICH's shared library")
    (tmp_path / "libmpi.so.12").symlink_to(library)
    environment = {**os.environ, "LD_LIBRARY_PATH": str(tmp_path), "MPI4PY_MPIABI": "mpich"}
    script = "from mpi4py import MPI; c = MPI.COMM_WORLD; print(c.allreduce(c.rank))"
    text = jobspec([sys.executable, "-c", script], {"pmi": "simple"}, environment=environment)
    host.send(specs=[(200, text)], start=[Start(200, 200, ntasks=3, size=3)])
    assert host.wait(200) == [0], host.text(200, "stderr")
    assert host.text(200) == "3\n" * 3
