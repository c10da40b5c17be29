"""Cores of a machine as the kernel describes it, and how tasks share them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bourn.shell.topology import Core, deal, machine_cores


def sysfs(root: Path, online: str, nodes: tuple[str, ...] = (), **levels: dict[int, str]) -> str:
    """Write what the kernel says; `levels` maps a file below a CPU's folder to its text for each CPU."""
    (root / "cpu").mkdir()
    (root / "cpu" / "online").write_text(online + "\n")
    for number, cpus in enumerate(nodes):
        (root / "node" / f"node{number}").mkdir(parents=True)
        (root / "node" / f"node{number}" / "cpulist").write_text(cpus + "\n")
    files = {
        "threads": "topology/thread_siblings_list",
        "package": "topology/core_siblings_list",
        "cache": "cache/index3/shared_cpu_list",
    }
    for level, texts in levels.items():
        for cpu, text in texts.items():
            path = root / "cpu" / f"cpu{cpu}" / files[level]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n")
    return str(root)


def order(root: str) -> list[list[int]]:
    return [sorted(core.cpus) for core in machine_cores(root)]


def test_threads_of_a_core_are_one_core(tmp_path):
    threads = {0: "0,2", 1: "1,3", 2: "0,2", 3: "1,3"}
    assert order(sysfs(tmp_path, "0-3", threads=threads)) == [[0, 2], [1, 3]]


def test_offline_cpus_leave_no_hole(tmp_path):
    assert order(sysfs(tmp_path, "0,4", threads={0: "0", 4: "4"})) == [[0], [4]]


def test_without_topology_each_cpu_is_a_core(tmp_path):
    assert order(sysfs(tmp_path, "0-1")) == [[0], [1]]
    assert machine_cores(str(tmp_path / "none"))


def test_cores_of_a_package_are_neighbours_though_the_kernel_numbers_them_in_turn(tmp_path):
    package = {cpu: "0,2,4,6" if cpu % 2 == 0 else "1,3,5,7" for cpu in range(8)}
    root = sysfs(tmp_path, "0-7", ("0,2,4,6", "1,3,5,7"), package=package)
    assert order(root) == [[0], [2], [4], [6], [1], [3], [5], [7]]
    assert [core.numa for core in machine_cores(root)] == [0] * 4 + [1] * 4


def test_cores_that_share_a_cache_are_neighbours(tmp_path):
    cache = {cpu: "0,3" if cpu in (0, 3) else "1-2" for cpu in range(4)}
    assert order(sysfs(tmp_path, "0-3", cache=cache)) == [[0], [3], [1], [2]]


def made(*sizes: int) -> list[Core]:
    """Return cores of several memory nodes."""
    cores: list[Core] = []
    for numa, size in enumerate(sizes):
        cores += [Core(frozenset({len(cores) + n}), numa) for n in range(size)]
    return cores


def counts(shares: list[list[Core]]) -> list[int]:
    return [len(share) for share in shares]


@pytest.mark.parametrize(
    ("sizes", "ntasks", "wanted"),
    [
        ((4,), 2, [2, 2]),
        ((4,), 3, [1, 1, 2]),
        ((2,), 4, [1, 1, 1, 1]),
        # An even deal would give the second task cores of both nodes.
        ((4, 4), 3, [2, 2, 4]),
        ((6, 2), 4, [2, 2, 2, 2]),
        # Fewer tasks than memory nodes have to straddle them.
        ((4, 4), 1, [8]),
        ((2, 2, 2), 2, [3, 3]),
    ],
)
def test_how_many_cores_each_task_gets(sizes, ntasks, wanted):
    assert counts(deal(made(*sizes), ntasks)) == wanted


@given(st.lists(st.integers(1, 8), min_size=1, max_size=4), st.integers(1, 40))
def test_every_core_is_used_and_nobody_straddles_without_need(sizes, ntasks):
    cores = made(*sizes)
    shares = deal(cores, ntasks)
    assert len(shares) == ntasks
    assert all(shares)
    if ntasks <= len(cores) and len(sizes) == 1:
        assert sorted(core for share in shares for core in share) == sorted(cores)
    if ntasks >= len(sizes):
        assert all(len({core.numa for core in share}) == 1 for share in shares)
        assert {core.numa for share in shares for core in share} == set(range(len(sizes)))
