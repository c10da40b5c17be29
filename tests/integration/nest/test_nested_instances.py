"""Instances as jobs of instances: what they get, how they end, how they are found."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from tests.integration.instance import until

if TYPE_CHECKING:
    from tests.integration.instance import Shell

INFO = "bourn resource info"


def finished(shell: Shell, id: str) -> dict[str, object]:
    """Wait until a job is inactive; return its record."""
    shell.ok(f"bourn job wait-event {id} clean")
    record: dict[str, object] = json.loads(shell.ok(f"bourn jobs --json {id}"))
    return record


def test_a_child_gets_its_part_and_nothing_else(shell: Shell) -> None:
    script = (
        "bourn resource info; bourn resource R; bourn getattr instance-level; bourn getattr jobid; "
        "bourn getattr parent-uri; env | grep -c ^BOURN_JOB_"
    )
    out = shell.ok(f"bourn alloc -n2 -c3 -g1 sh -c '{script} || true'").splitlines()
    assert out[0] == "1 Nodes, 6 Cores, 2 GPUs"
    execution = json.loads(out[1])["execution"]
    assert execution["nodelist"] == ["node0"]
    assert execution["properties"] == {"big": "0"}
    assert execution["R_lite"][0]["rank"] == "0"
    assert out[2] == "1"
    assert out[3].startswith("ƒ")
    assert out[4:] == [shell.env["BOURN_URI"], "0"]


def test_a_child_ends_when_its_job_does(shell: Shell) -> None:
    code = (
        "import bourn; r = bourn.Handle().rpc('resource.status').get()['R']['execution'];"
        "print(r['expiration'] > r['starttime'] > 0)"
    )
    assert shell.ok(f'bourn alloc -n1 -t 5m python -c "{code}"') == "True"


def test_a_child_may_claim_less_but_not_more(shell: Shell) -> None:
    less = 'resource.config=[{hosts="node0",cores="15"}]'
    assert shell.ok(f"bourn alloc -n1 -c2 --conf '{less}' {INFO}") == "1 Nodes, 1 Cores, 0 GPUs"
    more = 'resource.config=[{hosts="node0",cores="0-15"}]'
    found = shell(f"bourn alloc -n1 -c2 --conf '{more}' {INFO}")
    assert found.code == 1
    assert "which the parent instance hasn't given" in found.err


def test_several_levels(shell: Shell) -> None:
    inner = "bourn getattr instance-level; bourn resource info"
    out = shell.ok(f"bourn alloc -n4 bourn alloc -n2 bourn alloc -n1 sh -c '{inner}'")
    assert out.splitlines() == ["3", "1 Nodes, 1 Cores, 0 GPUs"]


def test_own_configuration(shell: Shell) -> None:
    shell.write("own.toml", '[sched-simple]\nfit = "best"\n[modules]\nsched = "sched-simple"\n')
    out = shell.ok("bourn alloc -n1 --conf own.toml --conf exec.kill-timeout=1 bourn config get")
    config = json.loads(out)
    assert config["modules"]["sched"] == "sched-simple"
    assert config["exec"]["kill-timeout"] == 1


def test_several_brokers_share_a_node(shell: Shell) -> None:
    out = shell.ok("bourn run -N1 -n4 -c2 bourn start sh -c 'bourn resource info; bourn run -N4 -n8 echo x'")
    assert out.split("\n") == ["4 Nodes, 8 Cores, 0 GPUs", *["x"] * 8]


def test_several_brokers_that_cannot_find_one_another_are_refused(shell: Shell) -> None:
    found = shell("bourn run -n2 -o pmi=off --label-io bourn start true")
    assert found.code == 1
    lines = [line for line in found.err.splitlines() if line.startswith("0: ")]
    assert len(lines) == 1
    assert "starts 2 brokers that can't find one another: they need PMI" in lines[0]


def test_a_parent_that_is_gone_or_does_not_know_the_job(shell: Shell) -> None:
    gone = shell("bourn start true", BOURN_URI="local:///nonexistent/local", BOURN_JOB_ID="ƒ3")
    assert gone.code == 1
    assert gone.err.count("\n") == 1
    assert "no Bourn instance at /nonexistent/local" in gone.err
    unknown = shell("bourn start true", BOURN_JOB_ID="ƒ3")
    assert unknown.code == 1
    assert "can't ask the parent instance for its resources: no such job" in unknown.err


def test_cancel_ends_the_child_and_its_jobs(shell: Shell) -> None:
    seconds = f"1000.{os.getpid()}"
    shell.write("long.sh", f"#!/bin/sh\nbourn submit --wait-event start sleep {seconds}\nsleep 1000\n")
    id = shell.ok("bourn batch -n1 --output=none --dump=left.tar long.sh")
    until(lambda: shell(f"pgrep -f '^sleep {seconds}'").code == 0)
    shell.ok(f"bourn cancel {id}")
    assert finished(shell, id)["result"] == "CANCELED"
    assert shell(f"pgrep -f '^sleep {seconds}'").code == 1
    jobs = shell.ok(
        "unset BOURN_URI; bourn start sh -c 'bourn restore -q left.tar; bourn jobs -a -n -o \"{status}\"'"
    )
    assert jobs == "CANCELED"


def test_nothing_is_left_of_a_killed_child(shell: Shell) -> None:
    """Neither its program, what that started in the background, in groups of its own, nor its jobs."""
    shell.write(
        "long.sh",
        "#!/bin/sh\nbourn submit --wait-event start sleep 1000.11\nsleep 1000.12 &\n"
        "setsid sh -c 'sleep 1000.13; true' &\necho up > up\nsleep 1000.14\n",
    )
    for where in ("none", "long.out"):
        id = shell.ok(f"rm -f up; mkfifo up; bourn batch -n1 --output={where} long.sh")
        shell.ok("cat up")
        child = shell.ok(f"bourn uri --local {id}")
        shell.ok(f"kill -9 $(BOURN_URI={child} bourn getattr broker.pid)")
        record = finished(shell, id)
        assert (record["result"], record["returncode"]) == ("FAILED", -9)
        shell.ok("while pgrep -f '[s]leep 1000.1[1-4]'; do sleep 0.02; done")


def test_the_time_limit_ends_the_child_cleanly(shell: Shell) -> None:
    id = shell.ok("bourn batch -n1 -t 1s --output=none --dump=limit.tar --wrap 'bourn run true; sleep 1000'")
    assert finished(shell, id)["result"] == "TIMEOUT"
    assert (shell.cwd / "limit.tar").exists()


def test_signals_reach_the_script(shell: Shell) -> None:
    shell.write(
        "trap.sh",
        "#!/bin/sh\ntrap 'echo got it; exit 7' USR1\necho ready > ready\nwhile :; do sleep 0.05; done\n",
    )
    id = shell.ok("mkfifo ready; bourn batch -n1 --output=trap.out trap.sh")
    shell.ok("cat ready")
    shell.ok(f"bourn job kill -s USR1 {id}")
    assert finished(shell, id)["returncode"] == 7
    assert (shell.cwd / "trap.out").read_text().endswith("got it\n")


def test_the_script_s_status_is_the_job_s(shell: Shell) -> None:
    assert finished(shell, shell.ok("bourn batch -n1 --wrap --output=none exit 5"))["returncode"] == 5


def test_dump_is_read_by_restore(shell: Shell) -> None:
    script = "bourn submit --cc=1-4 --job-name=kept true; bourn queue drain"
    id = shell.ok(f"bourn batch -n2 --output=none --dump --wrap '{script}'")
    finished(shell, id)
    shell.ok(f"test -s bourn-{id}-dump.tar")
    look = f'bourn restore -q bourn-{id}-dump.tar; bourn jobs -an -o "{{name}} {{status}}"'
    out = shell.ok(f"unset BOURN_URI; bourn start sh -c '{look}'")
    assert out.splitlines() == ["kept COMPLETED"] * 4


def test_found_by_job_path_and_pid(shell: Shell) -> None:
    id = shell.ok("bourn alloc --bg -n3 --job-name=outer")
    local = shell.ok(f"bourn uri --local {id}")
    assert local.startswith("local:///")
    assert shell.ok(f"bourn uri --remote {id}").startswith("ssh://")
    assert shell.ok(f"bourn uri --local jobid:{id}") == local
    assert shell.ok(f"bourn uri {local.removeprefix('local://')}") == local
    pid = shell.ok(f"bourn proxy {id} bourn getattr broker.pid")
    assert shell.ok(f"bourn uri pid:{pid}") == local
    inner = shell.ok(f"bourn proxy {id} bourn alloc --bg -n1 --job-name=inner")
    assert shell.ok(f"bourn proxy {id}/{inner} {INFO}") == "1 Nodes, 1 Cores, 0 GPUs"
    assert (
        shell.ok(f"bourn proxy {id}/{inner} bourn --parent --parent getattr local-uri")
        == shell.env["BOURN_URI"]
    )
    assert shell.ok(f"bourn proxy {id}/{inner} bourn --parent getattr instance-level") == "1"
    shell.ok(f"bourn proxy {id}/{inner} bourn submit --cc=1-3 sleep 1000")
    first = shell.ok(f"bourn proxy {id}/{inner} bourn pgrep sleep | tail -1")
    shell.ok(f"bourn proxy {id}/{inner} bourn job wait-event {first} start")
    tree = ["outer", "└── inner", "    ├── 2*[sleep:S]", "    └── sleep:R"]
    assert shell.ok("bourn pstree --skip-root").splitlines() == tree
    assert shell.ok("bourn pstree -L1").splitlines() == [".", "└── outer"]
    listed = shell.ok("bourn jobs -R -n -o '{name}'").split()
    assert listed[:1] == ["outer"]
    assert f"{id}/{inner}:" in listed
    assert listed.count("sleep") == 3
    assert shell.ok(f"bourn jobs -n -o '{{user.uri}}' {id}").startswith("ssh://")
    shell.ok(f"bourn cancel {id}")
    finished(shell, id)
    stale = shell(f"bourn uri {id}")
    assert (stale.code, stale.err) == (1, f"bourn-uri: error: job {id} has ended, and its instance with it\n")
    gone = shell(f"bourn proxy {local} true")
    assert gone.code == 1
    assert "it has ended, or BOURN_URI is stale" in gone.err


def test_what_is_not_an_instance(shell: Shell) -> None:
    id = shell.ok("bourn submit true")
    finished(shell, id)
    for target, reason in (
        (id, "it isn't an instance"),
        ("ƒ12", "does not exist"),
        ("nosuch", "is not a job id"),
        ("/no/such/path", "there is no such socket or run directory"),
        ("ssh://elsewhere/x", None),
        ("magic:4", "no way is known to find an instance by 'magic'"),
        ("pid:x", "not a process id"),
    ):
        found = shell(f"bourn uri {target}")
        if reason is not None:
            assert found.code == 1
            assert reason in found.err
            assert found.err.count("\n") == 1
    top = shell("bourn --parent jobs")
    assert (top.code, top.err) == (1, "bourn-parent: error: this instance has no parent\n")


def test_a_job_submits_into_another_instance_by_its_address(shell: Shell) -> None:
    id = shell.ok("bourn alloc --bg -n2")
    shell.write(
        "retrain.sh", "#!/bin/sh\n# bourn: -n1\n# bourn: --output=retrained\nbourn getattr instance-level\n"
    )
    shell.ok(f"bourn run sh -c 'BOURN_URI=$(bourn uri --local {id}) bourn batch retrain.sh'")
    shell.ok(f"bourn proxy {id} bourn queue drain")
    assert (shell.cwd / "retrained").read_text() == "2\n"
    shell.ok(f"bourn cancel {id}")
    finished(shell, id)
