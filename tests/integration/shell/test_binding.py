"""What tasks are bound to, as they see it themselves."""

import json
import os
import sys

import pytest

from bourn.shell.topology import machine_cores
from bourn.shell.wire import Start
from bourn_shell_plugins.gpu_affinity import share
from tests.integration.shell.host_client import HostClient, jobspec

GPUS = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "ZE_AFFINITY_MASK")
SHOW = """
import os, json
print(json.dumps([int(os.environ["BOURN_TASK_RANK"]), sorted(os.sched_getaffinity(0))]))
"""
ALL = sorted(os.sched_getaffinity(0))
CORES = [sorted(core.cpus & set(ALL)) for core in machine_cores()]
two_cores = pytest.mark.skipif(len(CORES) < 2 or not all(CORES[:2]), reason="needs two cores")
nvidia = pytest.mark.skipif(os.path.exists("/dev/kfd"), reason="AMD's driver reads CUDA's variable, too")


@pytest.fixture(scope="module")
def host():
    with HostClient() as client:
        yield client


def run(host, command, options, environment=None, **place):
    id = max(host.status, default=0) + 1
    system = {} if environment is None else {"environment": environment}
    place.setdefault("size", place.get("ntasks", 1))
    host.send(specs=[(id, jobspec(command, options, **system))], start=[Start(id, id, **place)])
    host.wait(id)
    return id


def cpus(host, options, **place):
    """Return the CPUs of each task."""
    id = run(host, [sys.executable, "-c", SHOW], options, **place)
    return [bound for _, bound in sorted(map(json.loads, host.text(id).splitlines()))]


@two_cores
def test_cpus_of_each_task(host):
    first, second = CORES[:2]
    both = sorted(first + second)
    assert cpus(host, {}, cores="0-1", ntasks=2) == [both, both]
    assert cpus(host, {"cpu-affinity": "per-task"}, cores="0-1", ntasks=2) == [first, second]
    # More tasks than cores share them evenly.
    assert cpus(host, {"cpu-affinity": "per-task"}, cores="0-1", ntasks=4) == [first, first, second, second]
    assert cpus(host, {"cpu-affinity": "off"}, cores="0", ntasks=2) == [ALL, ALL]
    mapped = {"cpu-affinity": f"map:{ALL[1]};{ALL[0]},{ALL[1]}"}
    assert cpus(host, mapped, cores="0", ntasks=3) == [[ALL[1]], ALL[:2], [ALL[1]]]
    masks = {"cpu-affinity": f"map:{1 << ALL[1]:#x};{1 << ALL[0] | 1 << ALL[1]:#x}"}
    assert cpus(host, masks, cores="0", ntasks=2) == [[ALL[1]], ALL[:2]]


@two_cores
def test_made_up_cores_bind_as_far_as_they_exist(host):
    assert cpus(host, {"cpu-affinity": "per-task"}, cores="1,900-902", ntasks=2) == [CORES[1], CORES[1]]
    assert cpus(host, {"cpu-affinity": "per-task"}, cores="900-903", ntasks=4) == [ALL] * 4


def test_verbose_says_what_is_bound_and_dry_run_only_says_it(host):
    first = ",".join(map(str, CORES[0]))
    id = run(host, [sys.executable, "-c", SHOW], {"cpu-affinity": "verbose,per-task"}, cores="0")
    assert host.text(id, "stderr") == f"cpu-affinity: task 0: cpus {first}\n"
    assert json.loads(host.text(id)) == [0, CORES[0]]
    id = run(host, [sys.executable, "-c", SHOW], {"cpu-affinity": "dry-run,map:0"})
    assert host.text(id, "stderr") == "cpu-affinity: task 0: cpus 0\n"
    assert json.loads(host.text(id)) == [0, ALL]


def gpus(host, options, environment=None, **place):
    """Return what each task finds in the variables of the three vendors."""
    script = "; ".join(["echo $BOURN_TASK_RANK", *(f"echo ${{{name}-unset}}" for name in GPUS)])
    environment = {"PATH": os.environ["PATH"], **(environment or {})}
    id = run(host, ["sh", "-c", f"echo $({script})"], options, environment, **place)
    return [line.split()[1:] for line in sorted(host.text(id).splitlines())]


@nvidia
def test_gpus_of_each_task(host):
    assert gpus(host, {}, gpus="1,3") == [["1,3"] * 3]
    assert gpus(host, {}, gpus="0-3", ntasks=2) == [["0,1,2,3"] * 3] * 2
    assert gpus(host, {"gpu-affinity": "per-task"}, gpus="0-3", ntasks=2) == [["0,1"] * 3, ["2,3"] * 3]
    assert gpus(host, {"gpu-affinity": "per-task"}, gpus="2", ntasks=2) == [["2"] * 3] * 2
    assert gpus(host, {"gpu-affinity": "map:3;0-1"}, ntasks=2) == [["3"] * 3, ["0,1"] * 3]


@nvidia
def test_a_job_without_gpus_sees_none_unless_told_otherwise(host):
    given = dict.fromkeys(GPUS, "7")
    assert gpus(host, {}, given) == [["-1", "-1", "unset"]]
    assert gpus(host, {"gpu-affinity": "per-task"}, given) == [["-1", "-1", "unset"]]
    assert gpus(host, {"gpu-affinity": "off"}, given, gpus="0") == [["7"] * 3]


@pytest.mark.parametrize("value", ["sometimes", "map:", "map:a", "map:0;", "map:0xz", {"x": 1}])
def test_wrong_values(host, value):
    id = run(host, ["true"], {"gpu-affinity": value})
    assert host.status[id] == 126 << 8
    assert "-o gpu-affinity" in host.failures[id][0]


def test_shares_are_even():
    assert [share([4, 5, 6], task, 2) for task in range(2)] == [[4], [5, 6]]
    assert [share([4, 5], task, 3) for task in range(3)] == [[4], [4], [5]]
