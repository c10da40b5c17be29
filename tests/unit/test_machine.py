from pathlib import Path

import pytest

from bourn.machine import cpu_limit, discover
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


def group(root: Path, path: str, **files: str) -> None:
    folder = root / "sys/fs/cgroup" / path
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(f"{text}\n")


def inside(root: Path, *lines: str) -> None:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text("".join(f"{line}\n" for line in lines))


@pytest.mark.parametrize(
    ("limits", "cpus"),
    [
        ({"a/b": "max 100000", "a": "max 100000"}, None),
        ({"a/b": "400000 100000"}, 4),
        ({"a/b": "400000 100000", "a": "250000 100000"}, 2),
        ({"": "300000 100000"}, 3),  # as a container sees it that has a namespace of groups
        ({"a/b": "50000 100000"}, 1),
        ({"a/b": "rubbish", "a": ""}, None),
    ],
)
def test_the_least_share_of_time_on_the_way_up_counts(
    tmp_path: Path, limits: dict[str, str], cpus: int | None
) -> None:
    inside(tmp_path, "0::/a/b")
    for path, text in limits.items():
        group(tmp_path, path, cpu__max=text)
    assert cpu_limit(tmp_path) == cpus


def test_groups_of_version_1_and_none(tmp_path: Path) -> None:
    assert cpu_limit(tmp_path) is None
    inside(tmp_path, "5:memory:/x", "4:cpuset:/x", "3:cpu,cpuacct:/docker/1", "0::/")
    group(tmp_path, "cpuset/x", cpu__cfs_quota_us="100000", cpu__cfs_period_us="100000")
    assert cpu_limit(tmp_path) is None
    # The path is the machine's, and what is mounted is the container's.
    group(tmp_path, "cpu,cpuacct", cpu__cfs_quota_us="200000", cpu__cfs_period_us="100000")
    assert cpu_limit(tmp_path) == 2
    group(tmp_path, "cpu,cpuacct/docker/1", cpu__cfs_quota_us="-1", cpu__cfs_period_us="100000")
    assert cpu_limit(tmp_path) == 2


def test_containers_of_one_machine_take_different_cores_of_it(tmp_path: Path) -> None:
    for number in range(8):
        cpu(tmp_path, number, str(number))
    inside(tmp_path, "0::/")
    group(tmp_path, "", cpu__max="200000 100000")
    pods = [
        discover(tmp_path, set(range(8)), {"SLURM_JOB_ID": "1", "SLURMD_NODENAME": f"work-{index}"})
        for index in range(4)
    ]
    assert sorted(str(pod.cores) for pod in pods) == ["0-1", "2-3", "4-5", "6-7"]
    assert str(discover(tmp_path, {3, 5}, {}).cores) == "3,5"


def test_this_machine_has_a_core() -> None:
    assert discover().cores
