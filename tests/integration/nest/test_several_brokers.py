"""Instances of several brokers as jobs of an instance of several brokers."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

import bourn
from tests.integration.instance import Instance, Shell, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LONG = f"1000.{os.getpid()}"
"""Seconds to sleep that nobody else on this machine sleeps."""
NODES = (
    '{hosts="node[0-3]",cores="0-3",gpus="0",properties=["all"]}',
    '{hosts="node[2-3]",cores="",properties=["last"]}',
)
"""Four nodes of four cores and a GPU, two of which have one more property."""


@pytest.fixture(scope="module")
def four() -> Iterator[Instance]:
    """An instance of four brokers."""
    with Instance(None, "-s4", "--conf", f"resource.config=[{','.join(NODES)}]") as found:
        yield found


@pytest.fixture
def shell(four: Instance, tmp_path: Path) -> Shell:
    return four.shell(tmp_path)


def record(shell: Shell, id: str) -> dict[str, object]:
    """Wait until a job is inactive; return its record."""
    shell.ok(f"bourn job wait-event {id} clean")
    found: dict[str, object] = json.loads(shell.ok(f"bourn jobs --json {id}"))
    return found


def test_a_broker_on_each_node_with_the_node_s_part(shell: Shell) -> None:
    shell.write(
        "look.sh",
        "#!/bin/sh\nbourn resource R\nbourn getattr size\n"
        "bourn exec -r all bourn --parent getattr rank\nbourn run -N3 -n6 echo task\n",
    )
    out = shell.ok("bourn alloc -N3 -n3 -c2 -g1 --requires=rank:1-3 ./look.sh").splitlines()
    execution = json.loads(out[0])["execution"]
    assert [entry["rank"] for entry in execution["R_lite"]] == ["0-2"]
    assert execution["R_lite"][0]["children"]["gpu"] == "0"
    assert execution["nodelist"] == ["node[1-3]"]
    assert execution["properties"] == {"all": "0-2", "last": "1-2"}
    assert out[1] == "3"
    assert sorted(out[2:5]) == ["1", "2", "3"]
    assert out[5:] == ["task"] * 6


def test_run_of_start_is_an_instance(shell: Shell) -> None:
    shell.write(
        "script", "#!/bin/sh\nbourn overlay status\nbourn run -N4 -n4 sh -c 'echo $BOURN_JOB_NNODES'\n"
    )
    out = shell.ok("bourn run -N4 -n4 bourn start ./script")
    assert out.count("full") == 4
    assert out.splitlines()[-4:] == ["4"] * 4


def test_some_brokers_of_a_node_each_on_several(shell: Shell) -> None:
    out = shell.ok("bourn run -N2 -n4 -c2 bourn start sh -c 'bourn resource list -n -o {nnodes}:{ncores}'")
    assert out.splitlines()[0] == "4:8"


def test_three_levels(shell: Shell) -> None:
    inner = "bourn getattr instance-level; bourn resource info; bourn run -N2 echo deep"
    out = shell.ok(f"bourn alloc -N3 -n3 -c2 bourn alloc -N2 -n2 bourn alloc -N2 sh -c '{inner}'")
    assert out.splitlines() == ["3", "2 Nodes, 2 Cores, 0 GPUs", "deep", "deep"]


def test_found_and_seen_at_any_depth(shell: Shell) -> None:
    outer = shell.ok("bourn alloc --bg -N3 -n3 -c2 --job-name=outer")
    inner = shell.ok(f"bourn proxy {outer} bourn alloc --bg -N2 -n2 --job-name=inner")
    id = shell.ok(f"bourn proxy {outer}/{inner} bourn submit -N2 --wait-event=start sleep {LONG}1")
    assert id
    assert shell.ok("bourn pstree --skip-root").splitlines() == [
        "outer", "└── inner", "    └── sleep:R",
    ]  # fmt: skip
    assert f"{outer}/{inner}:" in shell.ok("bourn jobs -R")
    shell.ok(f"bourn cancel {outer}")
    assert record(shell, outer)["result"] == "CANCELED"
    assert shell(f"pgrep -f '^sleep {LONG}1'").code == 1


def test_a_cancelled_child_ends_in_order_and_keeps_its_jobs(shell: Shell) -> None:
    shell.write("long.sh", f"#!/bin/sh\nbourn submit -N3 --wait-event=start sleep {LONG}2\nsleep 1000\n")
    id = shell.ok("bourn batch -N3 --output=long.out --dump=left.tar long.sh")
    until(lambda: shell(f"pgrep -f '^sleep {LONG}2'").code == 0)
    shell.ok(f"bourn cancel {id}")
    assert record(shell, id)["result"] == "CANCELED"
    assert shell(f"pgrep -f '^sleep {LONG}2'").code == 1
    assert "lost" not in (shell.cwd / "long.out").read_text()
    jobs = shell.ok(
        "unset BOURN_URI; bourn start sh -c 'bourn restore -q left.tar; bourn jobs -a -n -o \"{status}\"'"
    )
    assert jobs == "CANCELED"


def test_the_time_limit_reaches_a_child_of_several(shell: Shell) -> None:
    script = "bourn run -N2 true; bourn run -N2 sleep 1000"
    id = shell.ok(f"bourn batch -N2 -t 2s --output=none --dump=limit.tar --wrap '{script}'")
    assert record(shell, id)["result"] == "TIMEOUT"
    assert (shell.cwd / "limit.tar").exists()


def test_signals_reach_the_script_and_no_broker(shell: Shell) -> None:
    shell.write(
        "trap.sh", "#!/bin/sh\ntrap 'echo got it; exit 7' USR1\necho > ready\nwhile :; do sleep 0.05; done\n"
    )
    id = shell.ok("mkfifo ready; bourn batch -N3 --output=trap.out trap.sh")
    shell.ok("cat ready")
    shell.ok(f"bourn job kill -s USR1 {id}")
    assert record(shell, id)["returncode"] == 7
    assert (shell.cwd / "trap.out").read_text().endswith("got it\n")


def test_one_broker_of_a_child_is_lost(shell: Shell) -> None:
    id = shell.ok("bourn alloc --bg -N3 -n3 -c2")
    child = shell.ok(f"bourn uri --local {id}")
    with bourn.Handle(child) as h:
        on_lost = shell.ok(f"BOURN_URI={child} bourn submit --requires=rank:2 sleep 1000")
        beside = shell.ok(f"BOURN_URI={child} bourn submit --requires=rank:1 --wait-event=start sleep 1000")
        shell.ok(f"BOURN_URI={child} bourn job wait-event {on_lost} start")
        os.kill(int(h.rpc("attr.get", {"name": "broker.pid"}, nodeid=2).get()["value"]), signal.SIGKILL)
        shell.ok(f"BOURN_URI={child} bourn job wait-event {on_lost} clean")
        log = shell.ok(f"BOURN_URI={child} bourn job eventlog {on_lost}")
        assert "node-failure" in log
        assert shell.ok(f"BOURN_URI={child} bourn jobs -n -o '{{status}}' {beside}") == "RUN"
        assert shell.ok(f"BOURN_URI={child} bourn overlay status").count("lost") == 1
        assert shell.ok(f"BOURN_URI={child} bourn run -N2 -n2 --requires=-rank:2 echo on").count("on") == 2
    shell.ok(f"bourn cancel {id}")
    assert record(shell, id)["result"] == "CANCELED"


def test_a_broker_that_cannot_start_ends_the_others(shell: Shell) -> None:
    shell.write(
        "odd",
        "#!/bin/sh\n"
        '[ "$PMI_RANK" = 1 ] && exec bourn start --conf tbon.topology=x true\n'
        "exec bourn start true\n",
    )
    found = shell("bourn run -N2 -n2 ./odd")
    assert found.code != 0
    assert "topology" in found.err


BETWEEN = """\
import os, sys
import bourn.broker.broker, bourn.cli.main
bourn.broker.broker.fetch = lambda broker: os.kill(os.getpid(), 9)
sys.exit(bourn.cli.main.main(["start", "true"]))
"""
"""A broker that is killed when it has met the others, and isn't online yet."""


@pytest.mark.parametrize("nodes", ["-N2", "-N1"])
@pytest.mark.parametrize("end", ["kill -9 $$", f"exec {sys.executable} between.py"])
def test_a_broker_that_is_killed_as_it_starts_ends_the_others(shell: Shell, nodes: str, end: str) -> None:
    shell.write("between.py", BETWEEN)
    shell.write("odd", f'#!/bin/sh\n[ "$PMI_RANK" = 1 ] && {end}\nexec bourn start sleep 1000\n')
    found = shell(f"bourn run {nodes} -n2 ./odd")
    assert found.code != 0
    reasons = [line for line in found.err.splitlines() if "task 1 was ended by signal 9" in line]
    assert len(reasons) == 1, found.err
    assert "before it had taken leave" in reasons[0]


OUTER = """\
bourn batch -N4 -c2 run.dock.sh
bourn batch -N3 -c1 -g1 run.MD.sh
bourn batch -N1 -c1 -g1 run.AI.sh
bourn queue drain
"""


def test_the_emerging_job_script_over_nodes(shell: Shell) -> None:
    """One allocation over all nodes divided among instances of several brokers; the outer script waits."""
    for name, tasks in (("dock", 8), ("MD", 3), ("AI", 1)):
        shell.write(
            f"run.{name}.sh",
            f"#!/bin/sh\nexec > {name}.out\n"
            f"bourn getattr size; bourn resource info; bourn run -n{tasks} echo {name}\n",
        )
    id = shell.ok("bourn batch -N4 -n4 -c4 -g1 --output=outer.out --wrap", stdin=OUTER)
    assert record(shell, id)["result"] == "COMPLETED", (shell.cwd / "outer.out").read_text()
    assert {name: (shell.cwd / f"{name}.out").read_text().splitlines() for name in ("dock", "MD", "AI")} == {
        "dock": ["4", "4 Nodes, 8 Cores, 0 GPUs", *["dock"] * 8],
        "MD": ["3", "3 Nodes, 3 Cores, 3 GPUs", *["MD"] * 3],
        "AI": ["1", "1 Nodes, 1 Cores, 1 GPUs", "AI"],
    }


def test_the_conventional_job_script_over_nodes(shell: Shell) -> None:
    id = shell.ok("bourn batch -N4 -n4 -c4 --wrap", stdin="  bourn run -N4 -n16 echo sim.app\n")
    assert record(shell, id)["result"] == "COMPLETED"
    assert (shell.cwd / f"bourn-{id}.out").read_text().split() == ["sim.app"] * 16
