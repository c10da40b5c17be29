from pathlib import Path

from bourn.machine import discover
from bourn.model.idset import IdSet


def cpu(root: Path, number: int, siblings: str) -> None:
    topology = root / f"sys/devices/system/cpu/cpu{number}/topology"
    topology.mkdir(parents=True)
    (topology / "thread_siblings_list").write_text(siblings + "\n")


def test_hardware_threads_of_a_core_are_one_core(tmp_path: Path) -> None:
    for number, siblings in enumerate(["0,2", "1,3", "0,2", "1,3"]):
        cpu(tmp_path, number, siblings)
    assert discover(tmp_path, {0, 1, 2, 3}).cores == IdSet("0-1")


def test_only_cores_that_this_process_may_use_count(tmp_path: Path) -> None:
    for number in range(4):
        cpu(tmp_path, number, str(number))
    assert discover(tmp_path, {2, 3}).cores == IdSet("2-3")


def test_without_sys_each_processor_is_a_core(tmp_path: Path) -> None:
    assert discover(tmp_path, {0, 1}).cores == IdSet("0-1")


def test_gpus_by_driver(tmp_path: Path) -> None:
    assert not discover(tmp_path, {0}).gpus
    for number, gpu_id in enumerate(["0", "4242"]):
        node = tmp_path / f"sys/class/kfd/kfd/topology/nodes/{number}"
        node.mkdir(parents=True)
        (node / "gpu_id").write_text(gpu_id)
    assert discover(tmp_path, {0}).gpus == IdSet("0")
    for bus in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / "proc/driver/nvidia/gpus" / bus).mkdir(parents=True)
    assert discover(tmp_path, {0}).gpus == IdSet("0-1")


def test_this_machine_has_a_core() -> None:
    assert discover().cores
