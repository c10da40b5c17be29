"""Parallel programs with Open MPI, which finds its tasks through PMIx: `-o pmi=pmix`."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bourn.shell.wire import Start
from tests.integration.instance import BOURN
from tests.integration.shell.host_client import jobspec

MPICC = shutil.which("mpicc.openmpi")


def _has_library():
    try:
        ctypes.CDLL("libpmix.so.2")
    except OSError:
        return False
    return True


pytestmark = [
    pytest.mark.skipif(MPICC is None, reason="needs Open MPI (apt-get install libopenmpi-dev)"),
    pytest.mark.skipif(not _has_library(), reason="needs libpmix.so.2 (apt-get install libpmix2)"),
]
TWO_NODES = 'resource.config=[{hosts="n[0-1]",cores="0-3"}]'
# Test nodes reach each other through the loopback device, which Open MPI wouldn't take by itself.
LOOPBACK = "--env=OMPI_MCA_btl_tcp_if_include=lo"


def bourn(*command):
    start = [BOURN, "start", "-s2", f"--conf={TWO_NODES}", "--", BOURN]
    return subprocess.run([*start, *command], capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("ntasks", [1, 2, 4, 8])
def test_ring_and_allreduce_on_one_node(host, ring, ntasks):
    text = jobspec([ring], {"pmi": "pmix"})
    host.send(specs=[(ntasks, text)], start=[Start(ntasks, ntasks, ntasks=ntasks, size=ntasks)])
    assert host.wait(ntasks) == [0], host.failures
    assert host.text(ntasks) == f"ring {ntasks} of {ntasks}, sum {ntasks * (ntasks - 1) // 2}\n"


@pytest.mark.parametrize("taskmap", ["block", "cyclic"])
def test_over_two_nodes(ring, taskmap):
    done = bourn("run", "-N2", "-n4", "-opmi=pmix", f"--taskmap={taskmap}", LOOPBACK, ring)
    assert done.stdout == "ring 4 of 4, sum 6\n", done.stderr
    assert done.returncode == 0


def test_the_abort_of_one_task_ends_the_job_on_all_nodes(ring):
    done = bourn("run", "-N2", "-n4", "-opmi=pmix", LOOPBACK, ring, "2")
    assert "task 2 of the parallel program called abort with exit code 7" in done.stderr
    assert done.returncode != 0
    assert "ring" not in done.stdout


def test_both_at_once_for_programs_that_choose(host, ring):
    text = jobspec(["sh", "-c", f"echo $PMI_RANK; {ring}"], {"pmi": "simple,pmix"})
    host.send(specs=[(20, text)], start=[Start(20, 20, ntasks=2, size=2)])
    assert host.wait(20) == [0]
    assert sorted(host.text(20).splitlines()) == ["0", "1", "ring 2 of 2, sum 1"]


def test_its_files_go_with_the_job_and_the_user_may_choose_another_place(host):
    name = "OMPI_MCA_btl_vader_backing_directory"
    host.run(["sh", "-c", f"echo ${name}"], first=30, options={"pmi": "pmix"})
    assert host.wait(30) == [0]
    environment = {"PATH": os.environ["PATH"], name: "/mine"}
    host.run(["sh", "-c", f"echo ${name}"], first=31, options={"pmi": "pmix"}, environment=environment)
    assert host.wait(31) == [0]
    folder = Path(host.text(30).strip()).parent
    assert folder.name.startswith("bourn-pmix-")
    assert not folder.exists()
    assert host.text(31) == "/mine\n"


def test_a_server_that_dies_fails_its_job_only(host):
    host.run(["sleep", "100"], first=40, options={"pmi": "pmix"})
    host.run(["cat"], first=41, options={"input": {"stdin": {"type": "service"}}})
    host.until(lambda: {40, 41} <= set(host.started))
    for process in Path(f"/proc/{host.process.pid}/task/{host.process.pid}/children").read_text().split():
        if b"pmix.server" in Path(f"/proc/{process}/cmdline").read_bytes():
            os.kill(int(process), signal.SIGKILL)
    host.until(lambda: 40 in host.failures)
    assert host.failures[40] == ["-o pmi=pmix: its server has ended by itself"]
    host.send(kill=[(40, signal.SIGTERM)])
    host.feed(41, b"alive\n", eof=True)
    assert host.wait(40, 41) == [signal.SIGTERM, 0]
    assert host.text(41) == "alive\n"


def test_mpi4py(host):
    pytest.importorskip("mpi4py", reason="needs mpi4py")
    environment = {**os.environ, "MPI4PY_MPIABI": "openmpi"}
    script = "from mpi4py import MPI; c = MPI.COMM_WORLD; print(c.allreduce(c.rank))"
    text = jobspec([sys.executable, "-c", script], {"pmi": "pmix"}, environment=environment)
    host.send(specs=[(50, text)], start=[Start(50, 50, ntasks=3, size=3)])
    assert host.wait(50) == [0], host.text(50, "stderr")
    assert host.text(50) == "3\n" * 3
