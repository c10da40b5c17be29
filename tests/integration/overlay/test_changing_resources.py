"""The resources of a running instance change: attached, removed, set down, marked, related; and so they are
after a restart.
"""

from __future__ import annotations

import json
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

import bourn
from bourn.errors import RPCError
from tests.integration.instance import BOURN, Instance

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG = """
[resource]
config = [{hosts = "n[0-1]", cores = "0-3"}]
"""
MORE = """
[[resource.graph]]
type = "node"
hosts = "n[2-3]"

[[resource.graph]]
type = "core"
in = "node"
count = 4

[[resource.graph]]
type = "gpu"
in = "node"
"""
POWER = """
[[resource.graph]]
type = "node"
hosts = "n[0-1]"

[[resource.graph]]
type = "pdu"
subsystem = "power"
links = "node"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in (("c.toml", CONFIG), ("more.toml", MORE), ("power.toml", POWER), ("odd.toml", "x")):
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def four(folder: Path) -> Iterator[Instance]:
    """Four brokers, two of them in R."""
    found = Instance(folder, "-s4", "-S", f"statedir={folder}/state", "--config-path", f"{folder}/c.toml")
    yield found
    found.end()


def test_resources_grow_and_shrink_under_jobs(four: Instance, folder: Path) -> None:
    run, h = four, four.handle
    job = run.ok("submit -N1 -n4 sleep 600")
    run.ok(f"job wait-event -q {job} start")
    assert run.ok(f"resource attach {folder}/more.toml") == "ranks 2-3"
    assert run.ok("resource info") == "4 Nodes, 16 Cores, 2 GPUs"
    run.until(lambda: bourn.resource.resource_list(h).up.nnodes == 4)
    run.ok("run -n2 -g1 true")
    run.ok("run -n1 --requires=host:n3 true")

    # A property, and a job that asks for it.
    run.ok("resource set-property /cluster0/n3 fast inlet=21")
    assert run.ok("resource get-property /cluster0/n3").splitlines() == ["fast", "inlet=21"]
    marked = run.ok("submit --wait -n1 --requires=fast true")
    assert json.loads(run.ok(f"job info {marked} R"))["execution"]["nodelist"] == ["n3"]

    # Another subsystem, and a relation in it.
    run.ok(f"resource attach {folder}/power.toml")
    run.ok("resource link power /power0/pdu0 /cluster0/n2")
    assert bourn.resource.vertex(h, "/power0/pdu0")["children"] == ["n0", "n1", "n2"]

    # Down for new jobs, by itself or with what it lies in.
    run.ok("resource set-status /cluster0/n2 down")
    assert run.ok("resource get-status /cluster0/n2") == "down"
    assert run.ok("resource status -s down -n -o {nodelist}") == "n2"
    assert run.ok("resource list -s down -n -o {nodelist}") == "n2"
    run.ok("resource set-status /cluster0/n2 up")
    run.until(lambda: bourn.resource.resource_list(h).up.nnodes == 4)

    # What a job holds stays, and an update is made whole or not at all.
    before = run.ok("resource graph")
    held = run(f"resource remove /cluster0/n3 /cluster0/{run.ok(f'jobs -n -o {{nodelist}} {job}')}")
    assert held.code == 1
    assert f"job {job} holds it; set it down and wait until it is idle (--wait)" in held.err
    for line in (
        "resource remove /cluster0/n9",
        f"resource attach {folder}/odd.toml",
        "resource attach /no.toml",
    ):
        wrong = run(line)
        assert wrong.code == 1
        assert wrong.err.startswith("bourn-resource: error: /")
        assert wrong.err.count("\n") == 1
    with pytest.raises(RPCError, match="change 2: unknown change 'grow'"):
        bourn.resource.update(h, [{"op": "remove", "path": "/cluster0/n3"}, {"op": "grow"}])
    assert run.ok("resource graph") == before
    assert run.ok(f"jobs -n -o {{state}} {job}") == "RUN"

    # It goes when the job does: one waits, another is told to end.
    host = run.ok(f"jobs -n -o {{nodelist}} {job}")
    removal = subprocess.Popen([BOURN, "resource", "remove", "--wait", f"/cluster0/{host}"], env=run.env)
    run.until(lambda: bourn.resource.vertex(h, f"/cluster0/{host}")["up"] == "down")
    assert removal.poll() is None
    run.ok(f"cancel {job}")
    assert removal.wait() == 0
    second = run.ok("submit -N1 -n4 --requires=host:n3 sleep 600")
    run.ok(f"job wait-event -q {second} start")
    assert run.ok("resource remove --force /cluster0/n3") == f"ended {second}"
    run.ok(f"job wait-event -q {second} clean")
    assert "its resources are gone: /cluster0/n3" in run.ok(f"job eventlog {second}")
    assert run.ok("resource info") == "2 Nodes, 8 Cores, 1 GPUs"

    # What waits for more than there is left waits on, says why, and runs when there is enough again.
    assert "needs 3 nodes, the instance has 2" in run("submit -N3 -n3 true").err
    blocker = run.ok("submit -N2 -n2 --exclusive sleep 600")
    pair = run.ok("submit -N2 -n2 --exclusive true")
    run.ok(f"job wait-event -q {blocker} start")
    run.ok("resource remove --force /cluster0/n2")
    run.ok(f"job wait-event -q {blocker} clean")
    assert run.ok(f"job explain {pair}").splitlines()[0] == f"{pair}: needs 2 nodes, the instance has 1"
    run.ok(f"resource attach {folder}/more.toml")
    run.ok(f"job wait-event -q {pair} clean")


def test_a_restarted_instance_has_what_was_changed(folder: Path) -> None:
    options = ("-s4", "-S", f"statedir={folder}/state", "--config-path", str(folder / "c.toml"))
    first = Instance(folder, *options)
    first.ok(f"resource attach {folder}/more.toml")
    first.ok(f"resource attach {folder}/power.toml")
    first.ok("resource set-property /cluster0/n3 fast")
    first.ok("resource set-status /cluster0/n2 down")
    first.ok("resource remove /cluster0/n0")
    graph = first.ok("resource graph")
    first.process.send_signal(signal.SIGKILL)
    assert first.end() is not None
    first.until(lambda: not [what for what in first.left() if "bourn" in what and "/" not in what[:1]])
    second = Instance(folder, *options)
    try:
        second.until(lambda: bourn.resource.resource_list(second.handle).up.nnodes == 2)
        assert second.ok("resource graph") == graph
        assert second.ok("resource list -s down -n -o {nodelist}") == "n2"
        assert second.ok("run -n1 --requires=fast echo here") == "here"
        second.ok("resource reload")
        assert json.loads(second.ok("resource graph")) == json.loads(graph)
    finally:
        second.end()


def test_the_simple_scheduler_says_that_it_can_not(folder: Path) -> None:
    found = Instance(folder, "--config-path", f"{folder}/c.toml", "--conf", 'modules.sched="sched-simple"')
    try:
        wrong = found(f"resource attach {folder}/more.toml")
        assert wrong.code == 1
        assert "the scheduler of this instance keeps no graph that could change;" in wrong.err
    finally:
        found.end()
