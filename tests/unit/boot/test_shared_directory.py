"""Cards that go through a private directory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio

from bourn.config import Config
from bourn.errors import BournError
from bourn_plugins.boot_slurm import bourn_boot_methods
from bourn_plugins.boot_slurm.directory import Shared, make_private

if TYPE_CHECKING:
    from pathlib import Path

STEP = {
    "SLURM_JOB_ID": "7",
    "SLURM_STEP_ID": "0",
    "SLURM_PROCID": "1",
    "SLURM_STEP_NUM_TASKS": "3",
}


async def test_brokers_meet_and_leave_nothing(tmp_path: Path) -> None:
    found: dict[int, Any] = {}

    async def broker(rank: int) -> None:
        await trio.sleep(rank)
        session = Shared(rank, 3, tmp_path / "x", 300)
        found[rank] = await session.exchange({"rank": rank}, [1, 2] if rank == 0 else [0])
        await session.close()

    async with trio.open_nursery() as nursery:
        for rank in range(3):
            nursery.start_soon(broker, rank)
    assert found == {0: {1: {"rank": 1}, 2: {"rank": 2}}, 1: {0: {"rank": 0}}, 2: {0: {"rank": 0}}}
    assert not (tmp_path / "x").exists()


async def test_who_does_not_come_is_named(tmp_path: Path) -> None:
    with pytest.raises(BournError, match=r"rank 1-2 hasn't come within 300 s .*; do all hosts see"):
        await Shared(0, 3, tmp_path / "x", 300).exchange({}, [1, 2])


async def test_one_that_cannot_start_tells_the_others(tmp_path: Path) -> None:
    one, two = Shared(0, 2, tmp_path / "x", 300), Shared(1, 2, tmp_path / "x", 300)
    make_private(tmp_path / "x")
    await two.close(BournError("no room"))
    with pytest.raises(BournError, match="rank 1 can't start: no room"):
        await one.exchange({}, [1])


async def test_a_directory_that_others_can_use(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    folder.mkdir()
    folder.chmod(0o770)
    with pytest.raises(BournError, match="a directory of yours that nobody else can use"):
        await Shared(0, 2, folder, 300).exchange({}, [1])
    (tmp_path / "file").touch()
    with pytest.raises(BournError, match="file/x: can't be made: Not a directory"):
        make_private(tmp_path / "file/x")


def test_slurm_s_variables(tmp_path: Path) -> None:
    (method,) = bourn_boot_methods()
    config = Config()
    assert not method.detect({}, config)
    assert not method.detect({**STEP, "SLURM_STEP_NUM_TASKS": "1"}, config)
    assert method.detect(STEP, config)
    session = method.open({**STEP, "HOME": str(tmp_path)}, config)
    assert (session.rank, session.size) == (1, 3)
    other = method.open({**STEP, "SLURM_RESTART_COUNT": "1"}, config)
    assert session.attributes["instance-id"] != other.attributes["instance-id"]
    with pytest.raises(BournError, match="SLURM_PROCID=x: must be a number"):
        method.open({**STEP, "SLURM_PROCID": "x"}, config)


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({}, "this host isn't one of Slurm job 7's nodes; `srun bourn start` runs there"),
        ({"SLURMD_NODENAME": "n1", "SLURM_JOB_NUM_NODES": "1"}, ""),
        ({"SLURMD_NODENAME": "n1", "SLURM_JOB_NUM_NODES": "4"}, "has one of the 4 nodes of Slurm job 7"),
    ],
)
def test_beside_slurm_s_steps(capsys: pytest.CaptureFixture[str], environ: dict[str, str], said: str) -> None:
    (method,) = bourn_boot_methods()
    full = {"SLURM_JOB_ID": "7", **environ}
    assert method.detect(full, Config())
    assert method.open(full, Config()).size == 1
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == bool(said)
