"""Cores of a machine as the kernel describes it."""

from bourn_shell_plugins.affinity import machine_cores


def sysfs(folder, online, siblings):
    (folder / "online").write_text(online + "\n")
    for cpu, text in siblings.items():
        path = folder / f"cpu{cpu}" / "topology"
        path.mkdir(parents=True)
        (path / "thread_siblings_list").write_text(text + "\n")
    return str(folder)


def test_threads_of_a_core_are_one_core(tmp_path):
    root = sysfs(tmp_path, "0-3", {0: "0,2", 1: "1,3", 2: "0,2", 3: "1,3"})
    assert machine_cores(root) == [{0, 2}, {1, 3}]


def test_offline_cpus_leave_no_hole(tmp_path):
    root = sysfs(tmp_path, "0,4", {0: "0", 4: "4"})
    assert machine_cores(root) == [{0}, {4}]


def test_without_topology_each_cpu_is_a_core(tmp_path):
    assert machine_cores(sysfs(tmp_path, "0-1", {})) == [{0}, {1}]
    assert machine_cores(str(tmp_path / "none"))
