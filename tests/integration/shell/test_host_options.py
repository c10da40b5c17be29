"""Shell options as a user gives them, and what wrong ones say."""

import os
import signal
import time

import pytest

from bourn.shell.topology import machine_cores
from bourn.shell.wire import Start
from tests.integration.shell.host_client import HostClient, jobspec

SCRIPT = "import os,sys; print(sorted(os.sched_getaffinity(0)))"


@pytest.fixture(scope="module")
def host():
    with HostClient() as client:
        yield client


def run(host, command, options, **place):
    id = max(host.status, default=0) + 1
    host.send(specs=[(id, jobspec(command, options))], start=[Start(id, id, **place)])
    host.wait(id)
    return id


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"cpu-affinty": "on"},
            "-o cpu-affinty: there is no such shell option; did you mean 'cpu-affinity'?",
        ),
        ({"cpu-affinity": "sometimes"}, "right is on, off, per-task, map:LIST, verbose, dry-run"),
        ({"cpu-affinity": "map:"}, "name CPUs, as map:0-1;2-3"),
        ({"output": {"stdot": {"type": "file"}}}, "did you mean 'stdout'?"),
        (
            {"output": {"stdout": {"tpye": "file"}}},
            "-o output.stdout.tpye: there is no such shell option; did",
        ),
        ({"output": {"stdout": {"type": "disk"}}}, "right is kvs, file or none"),
        ({"output": {"stdout": {"type": "file"}}}, "give output.stdout.path as well"),
        ({"output": {"stdout": {"path": "{{jobbid}}"}}}, "there is no tag {{jobbid}}; did you mean 'jobid'?"),
        ({"output": 3}, "-o output=3: name an option below it, as -o output.limit=1G"),
        (
            {"output": {"stdout": None}},
            "-o output.stdout=None: name an option below it, as -o output.stdout.type=file",
        ),
        ({"output": {"mode": "apend"}}, "right is truncate or append"),
        ({"output": {"limit": "10X"}}, "right is a size as 512K, 10M or 1G, or unlimited"),
        ({"output": {"stdout": {"buffer": {"type": "block"}}}}, "right is line or none"),
        ({"input": {"stdin": {"type": "pipe"}}}, "right is none, service or file"),
        ({"rlimit": {"nofiles": 5}}, "there is no such limit; did you mean 'nofile'?"),
        ({"rlimit": {"nofile": "many"}}, "right is a number, -1 or unlimited"),
        ({"signal": {"signum": "USR9"}}, "-o signal.signum=USR9: there is no such signal"),
        ({"exit-timeout": "soon"}, "-o exit-timeout: 'soon' is not a duration"),
        ({"exit-on-error": "maybe"}, "right is on or off"),
        (
            {"env-expand": {"X": "{{idd}}"}},
            "variable X: {{idd}}: there is no tag {{idd}}; did you mean 'id'?",
        ),
    ],
)
def test_a_wrong_option_fails_the_job_before_anything_runs(host, options, message):
    id = run(host, ["true"], options)
    assert host.status[id] == 126 << 8
    (note,) = host.failures[id]
    assert message in note


def test_binding_to_the_cores_of_the_job(host):
    cpus = sorted(os.sched_getaffinity(0))
    core = machine_cores()[0].cpus & set(cpus)
    python = ["python3", "-c", SCRIPT]
    assert host.text(run(host, python, {}, cores="0")) == f"{sorted(core)}\n"
    assert host.text(run(host, python, {"cpu-affinity": "off"}, cores="0")) == f"{cpus}\n"
    assert host.text(run(host, python, {"cpu-affinity": "map:0"})) == "[0]\n"
    # Cores that the machine doesn't have bind nothing.
    assert host.text(run(host, python, {}, cores="1000-1003")) == f"{cpus}\n"
    dry = run(host, python, {"cpu-affinity": "dry-run"}, cores="0")
    assert host.text(dry) == f"{cpus}\n"
    assert "cpu-affinity: task 0: cpus 0" in host.text(dry, "stderr")


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two CPUs")
def test_binding_each_task(host):
    id = run(host, ["python3", "-c", SCRIPT], {"cpu-affinity": "per-task"}, cores="0-1", ntasks=2, size=2)
    assert len(set(host.text(id).split("\n"))) == 3
    id = run(host, ["python3", "-c", SCRIPT], {"cpu-affinity": "map:1;0"}, ntasks=2, size=2)
    assert sorted(host.text(id).split("\n")) == ["", "[0]", "[1]"]


def test_limits_hold_in_the_task_and_not_in_the_host(host):
    options = {"rlimit": {"nofile": 99, "core": 0, "cpu": 1234, "as": 1 << 30}}
    script = "ulimit -n; ulimit -c; ulimit -t; ulimit -v"
    assert host.text(run(host, ["sh", "-c", script], options)) == "99\n0\n1234\n1048576\n"
    with open(f"/proc/{host.process.pid}/limits") as file:
        assert "Max open files            99 " not in file.read()


def test_a_signal_before_the_limit(host):
    options = {"signal": {"signum": "SIGUSR2", "timeleft": 60}}
    script = "trap 'echo warned; exit 0' USR2; echo ready; while :; do sleep 0.01; done"
    id = run(host, ["sh", "-c", script], options, expiration=time.time() + 60.2)
    assert host.text(id) == "ready\nwarned\n"


def test_a_limit_that_moves_moves_the_signal(host):
    options = {"signal": {"signum": int(signal.SIGUSR1), "timeleft": "1m"}}
    script = "trap 'echo warned; exit 0' USR1; echo ready; while :; do sleep 0.01; done"
    id = max(host.status, default=0) + 1
    host.send(
        specs=[(id, jobspec(["sh", "-c", script], options))],
        start=[Start(id, id, expiration=time.time() + 1000)],
    )
    host.until(lambda: "ready" in host.text(id))
    host.send(expire=[(id, time.time() + 1)])
    host.wait(id)
    assert host.text(id) == "ready\nwarned\n"


def test_templates_in_variables(host):
    options = {"env-expand": {"A": "{{id.dec}}/{{ taskid }}/{{size}}", "T": "{{tmpdir}}"}}
    id = run(host, ["sh", "-c", 'echo "$A"; test "$T" = "$BOURN_JOB_TMPDIR" && echo same'], options)
    assert host.text(id) == f"{id}/0/1\nsame\n"


def test_files_of_the_jobspec(host):
    files = {
        "run/me": {"mode": 0o100755, "data": "#!/bin/sh\necho ran\n", "encoding": "utf-8"},
        "raw": {"mode": 0o100600, "data": "//4=", "encoding": "base64"},
        "tree": {"data": {"a": [1]}},
    }
    script = "cd $BOURN_JOB_TMPDIR && run/me && wc -c < raw && cat tree && stat -c %a raw"
    id = max(host.status, default=0) + 1
    host.run(["sh", "-c", script], first=id, files=files)
    host.wait(id)
    assert host.text(id) == 'ran\n2\n{"a": [1]}600\n'
    host.run(["true"], first=id + 1, files={"../x": {"data": ""}})
    host.wait(id + 1)
    assert host.failures[id + 1] == ["file ../x: the name leads out of the job's temporary directory"]


def fail_one(host, options):
    id = max(host.status, default=0) + 1
    script = "if [ $BOURN_TASK_RANK = 1 ]; then exit 4; fi; exec sleep 1000"
    host.send(specs=[(id, jobspec(["sh", "-c", script], options))], start=[Start(id, id, ntasks=3, size=3)])
    host.until(lambda: id in host.failures)
    assert id not in host.status
    host.send(kill=[(id, signal.SIGKILL)])
    host.wait(id)
    return host.failures[id]


def test_the_end_of_a_task_dooms_the_others(host):
    assert fail_one(host, {"exit-timeout": 0.1}) == ["task 1 exited and exit-timeout=0.1s has expired"]
    assert fail_one(host, {"exit-on-error": 1}) == ["task 1 exited with 4 and exit-on-error is set"]


def test_a_task_that_ends_early_dooms_nobody_by_default(host):
    script = "if [ $BOURN_TASK_RANK = 1 ]; then exit 0; fi; sleep 0.2"
    id = run(host, ["sh", "-c", script], {}, ntasks=2, size=2)
    assert host.status[id] == 0
    assert id not in host.failures
