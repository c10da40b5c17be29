"""What the variables of other resource managers say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bourn.allocation import Allocation, allocation, repeated
from bourn.machine import discover
from bourn.model.idset import IdSet

if TYPE_CHECKING:
    from pathlib import Path

STEP = {
    "SLURM_JOB_ID": "7",
    "SLURMD_NODENAME": "n3",
    "SLURM_STEP_ID": "0",
    "SLURM_NODEID": "1",
    "SLURM_STEP_TASKS_PER_NODE": "1,3(x2)",
    "SLURM_CPUS_ON_NODE": "6",
    "SLURM_LOCALID": "2",
}


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, Allocation()),
        ({"SLURM_JOB_ID": "7"}, Allocation()),  # a shell of salloc, on a login node
        ({"SLURM_JOB_ID": "7", "SLURMD_NODENAME": "n3"}, Allocation("n3")),
        (STEP, Allocation("n3", 2, 2)),
        ({**STEP, "SLURM_NODEID": "0", "SLURM_LOCALID": "0"}, Allocation("n3", 6)),
        ({**STEP, "SLURM_CPUS_PER_TASK": "1"}, Allocation("n3", 1, 2)),
        ({**STEP, "SLURM_CPUS_ON_NODE": "some"}, Allocation("n3")),
        ({**STEP, "SLURM_STEP_TASKS_PER_NODE": "(x2"}, Allocation("n3", 6)),
        ({"CUDA_VISIBLE_DEVICES": "1,3"}, Allocation(gpus=IdSet("1,3"))),
        ({"CUDA_VISIBLE_DEVICES": ""}, Allocation(gpus=IdSet())),
        ({"CUDA_VISIBLE_DEVICES": "GPU-8932f937"}, Allocation()),
        ({"CUDA_VISIBLE_DEVICES": "0", "SLURM_STEP_GPUS": "2"}, Allocation(gpus=IdSet("0"))),
        ({"SLURM_STEP_GPUS": "2"}, Allocation(gpus=IdSet("2"))),
    ],
)
def test_what_is_given(environ: dict[str, str], wanted: Allocation) -> None:
    assert allocation(environ) == wanted


def test_a_part_of_the_cores() -> None:
    assert Allocation(cores=2, place=1).of_cores(IdSet("0-7")) == IdSet("2-3")
    assert Allocation(cores=2, place=1).of_cores(IdSet("4-5")) == IdSet("4-5")  # bound already
    assert Allocation(cores=2, place=9).of_cores(IdSet("0-6")) == IdSet("5-6")
    assert Allocation().of_cores(IdSet("0-7")) == IdSet("0-7")
    assert Allocation(gpus=IdSet("1-2")).of_gpus(IdSet("0-1")) == IdSet("1")


def test_repeated_numbers() -> None:
    assert repeated("4(x2),2") == [4, 4, 2]
    assert repeated("4(x") == repeated("") == repeated("x2") == []


def test_the_machine_is_what_was_given_of_it(tmp_path: Path) -> None:
    for cpu in range(4):
        topology = tmp_path / f"sys/devices/system/cpu/cpu{cpu}/topology"
        topology.mkdir(parents=True)
        (topology / "thread_siblings_list").write_text(f"{cpu}\n")
    found = discover(tmp_path, {0, 1, 2, 3}, {**STEP, "SLURM_CPUS_PER_TASK": "1"})
    assert (found.hostname, found.cores) == ("n3", IdSet("2"))
