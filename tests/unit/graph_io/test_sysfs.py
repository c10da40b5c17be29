"""The machine as /sys and /dev tell it, on made-up trees of files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn_plugins.graph_readers.sysfs import read_sysfs
from bourn_plugins.sched_graph.resources.graph import ResourceGraph

if TYPE_CHECKING:
    from pathlib import Path

    from bourn.hookspecs.resource_io import Resources


def machine(root: Path, *, smt: int = 1, sockets: int = 2, cores: int = 2) -> range:
    """CPUs count first through the cores, then through their second threads."""
    number = sockets * cores
    for cpu in range(number * smt):
        folder = root / f"sys/devices/system/cpu/cpu{cpu}/topology"
        folder.mkdir(parents=True)
        core = cpu % number
        (folder / "physical_package_id").write_text(f"{core // cores}\n")
        threads = ",".join(str(core + k * number) for k in range(smt))
        (folder / "thread_siblings_list").write_text(f"{threads}\n")
    for socket in range(sockets):
        folder = root / f"sys/devices/system/node/node{socket}"
        folder.mkdir(parents=True)
        local = [cpu for cpu in range(number * smt) if cpu % number // cores == socket]
        (folder / "cpulist").write_text(",".join(map(str, local)) + "\n")
    return range(number * smt)


def pci(root: Path, bus: str, kind: str, vendor: str, memory: int) -> None:
    folder = root / "sys/bus/pci/devices" / bus
    folder.mkdir(parents=True)
    for name, text in (("class", kind), ("vendor", vendor), ("numa_node", str(memory))):
        (folder / name).write_text(text + "\n")


def below(resources: Resources) -> list[str]:
    """Paths below the node."""
    graph = ResourceGraph()
    assert resources.build is not None
    resources.build(graph)
    return [vertex.path.split("/", 3)[3] for vertex in graph if vertex.path.count("/") > 2]


def test_sockets_cores_threads_and_memory(tmp_path: Path) -> None:
    found = read_sysfs(machine(tmp_path, smt=2), None, tmp_path)
    expected = []
    for s in (0, 1):
        expected.append(f"socket{s}")
        for c in (0, 1):
            core = 2 * s + c
            expected.append(f"socket{s}/core{core}")
            expected += [f"socket{s}/core{core}/pu{2 * core + k}" for k in (0, 1)]
        expected.append(f"socket{s}/numanode{s}")
    assert below(found) == expected
    assert found.R is not None
    assert found.R["execution"]["R_lite"] == [{"rank": "0", "children": {"core": "0-3"}}]


def test_only_what_this_process_may_use(tmp_path: Path) -> None:
    machine(tmp_path, smt=2)
    # Both threads of the first core of the second socket, and one of the second.
    assert below(read_sysfs([2, 6, 3], None, tmp_path)) == [
        *("socket0", "socket0/core2", "socket0/core2/pu0", "socket0/core2/pu1"),
        *("socket0/core3", "socket0/core3/pu2", "socket0/numanode0"),
    ]


def test_gpus_stand_in_their_socket(tmp_path: Path) -> None:
    cpus = machine(tmp_path)
    pci(tmp_path, "0000:05:00.0", "0x030200", "0x10de", 1)
    pci(tmp_path, "0000:06:00.0", "0x030200", "0x10de", 0)
    # A server's console, and a disk.
    pci(tmp_path, "0000:01:00.0", "0x030000", "0x1a03", 0)
    pci(tmp_path, "0000:08:00.0", "0x010802", "0x144d", 0)
    allowlist = {"node", "socket", "gpu"}
    assert below(read_sysfs(cpus, allowlist, tmp_path)) == ["socket0", "socket1"]
    for bus in ("05", "06"):
        (tmp_path / f"proc/driver/nvidia/gpus/0000:{bus}:00.0").mkdir(parents=True)
    found = read_sysfs(cpus, allowlist, tmp_path)
    assert below(found) == ["socket0", "socket0/gpu1", "socket1", "socket1/gpu0"]
    assert found.R is not None
    assert found.R["execution"]["R_lite"][0]["children"] == {"core": "0-3", "gpu": "0-1"}
    # One more on the bus than the driver serves: which is where can't be told.
    pci(tmp_path, "0000:07:00.0", "0x030200", "0x10de", 1)
    assert below(read_sysfs(cpus, allowlist, tmp_path)) == [
        "socket0",
        "socket0/gpu0",
        "socket0/gpu1",
        "socket1",
    ]


def test_without_any_topology_there_are_cores(tmp_path: Path) -> None:
    assert below(read_sysfs([0, 1, 4], {"node", "core"}, tmp_path)) == ["core0", "core1", "core2"]
