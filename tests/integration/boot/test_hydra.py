"""Instances started by MPICH's own process manager; what Open MPI's can't do."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.instance import Shell

hydra = pytest.mark.skipif(not shutil.which("mpiexec.hydra"), reason="MPICH's mpiexec.hydra isn't installed")


@hydra
def test_mpiexec_starts_an_instance(sh: Shell, tmp_path: Path) -> None:
    (tmp_path / "script").write_text(
        "bourn getattr size\nbourn run -N3 -n3 sh -c 'echo $BOURN_TASK_RANK'\nenv\n"
    )
    found = sh("mpiexec.hydra -n 3 bourn start sh ./script")
    assert found.code == 0, found
    lines = found.out.splitlines()
    assert lines[0] == "3"
    assert sorted(lines[1:4]) == ["0", "1", "2"]
    assert not any(line.startswith("PMI_") for line in lines)


@hydra
def test_the_program_s_status_is_mpiexec_s(sh: Shell) -> None:
    assert sh("mpiexec.hydra -n 2 bourn start sh -c 'exit 3'").code == 3


@hydra
def test_one_broker_that_cannot_start_ends_all(sh: Shell, tmp_path: Path) -> None:
    (tmp_path / "odd").write_text(
        "[ $PMI_RANK = 0 ] && exec bourn start --conf tbon.interface=nosuch9 true\nexec bourn start true\n"
    )
    found = sh("mpiexec.hydra -n 2 sh ./odd")
    assert found.code != 0
    assert '[tbon] interface = "nosuch9": there is no such interface' in found.err


@pytest.mark.skipif(not shutil.which("mpirun.openmpi"), reason="Open MPI isn't installed")
def test_open_mpi_s_brokers_could_not_find_one_another(sh: Shell) -> None:
    mpirun = "mpirun.openmpi --allow-run-as-root --oversubscribe -n 2"
    found = sh(f"{mpirun} bourn start true")
    assert found.code != 0
    assert "mpirun starts 2 brokers that can't find one another: Open MPI's has PMIx only" in found.err
    found = sh(f"{mpirun} bourn start -S broker.boot-method=single bourn getattr size")
    assert (found.code, found.out.split()) == (0, ["1", "1"]), found
