"""Brokers started on hosts by ssh: a real sshd on the loopback stands for all of them."""

from __future__ import annotations

import os
import select
import shlex
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from bourn.config.loading import parse_override
from bourn_plugins.boot_ssh.root import member_command
from tests.integration.instance import BIN

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.instance import Shell


def test_a_broker_on_each_host(sh: Shell, ssh: str, tmp_path: Path) -> None:
    (tmp_path / "script").write_text(
        "bourn overlay status; bourn run -N3 -n3 echo there\n"
        "bourn exec -r 2 bourn config get exec.method\nexit 3\n"
    )
    found = sh("bourn start --hosts='far[1-2]' --conf exec.method=shell sh ./script", BOURN_SSH=ssh)
    assert found.code == 3, found
    lines = found.out.splitlines()
    assert [line.endswith(": full") for line in lines[:3]] == [True] * 3
    assert lines[3:6] == ["there"] * 3
    assert "shell" in lines[6]
    assert found.err == ""


def test_the_hosts_and_the_command_stand_in_the_configuration(sh: Shell, ssh: str, tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(
        f"[bootstrap]\nmethod = 'ssh'\nssh = '{ssh}'\nhosts = [{{host = 'far1'}}]\n"
        "[[resource.config]]\nhosts = 'big[0-1]'\ncores = '0-7'\n"
    )
    assert sh("bourn start -c x.toml bourn resource info").out == "2 Nodes, 16 Cores, 0 GPUs\n"


def test_the_shape_of_the_tree_reaches_all(sh: Shell, ssh: str) -> None:
    found = sh(
        "bourn start --hosts='far[1-2]' -S tbon.topo=kary:1 bourn exec -r all bourn getattr tbon.topo",
        BOURN_SSH=ssh,
    )
    assert (found.code, found.out, found.err) == (0, "kary:1\n" * 3, "")


@pytest.mark.parametrize(
    ("options", "program", "reason"),
    [
        ("--hosts=far1", "false", "no broker could be started on host 'far1': ssh ended with status 1"),
        ("--hosts=far1", "/no/ssh", "/no/ssh: No such file or directory ([bootstrap] ssh names the command)"),
        ("--hosts=a,b,a", "ssh", "[bootstrap] hosts names 'a' twice"),
        ("--hosts=-oProxyCommand=x", "ssh", "'-oProxyCommand=x' is no name of a host"),
        ("--hosts=a[", "ssh", "a["),
        ("--hosts=a -s2", "ssh", "--hosts and --test-size can't be given together"),
        ("-S broker.boot-method=ssh", "ssh", "[bootstrap] hosts is empty"),
    ],
)
def test_what_goes_wrong(sh: Shell, options: str, program: str, reason: str) -> None:
    found = sh(f"bourn start {options} true", BOURN_SSH=program)
    assert found.code == 1, found
    assert reason in found.err
    assert found.err.count("\n") == 1


BEFORE = '#!/bin/sh\nwhile [ $# -gt 2 ]; do shift; done\nexec {ssh} $1 "{before}; $2"\n'
"""Stands for ssh to a host whose shell runs something before a command, as by its start-up files."""


@pytest.mark.parametrize(
    ("options", "reasons"),
    [
        ("-p 1", ["host 'far1': ssh: connect to host ", "port 1: Connection refused; host 'far2': ssh: "]),
        ("-oStrictHostKeyChecking=yes -oUserKnownHostsFile=/dev/null", ["Host key verification failed."]),
        ("-oPubkeyAuthentication=no", ["Permission denied (publickey"]),
        ("-oPubkeyAuthentication=no -oBatchMode=no", ["Permission denied"]),
    ],
)
def test_hosts_that_let_nobody_in(sh: Shell, ssh: str, options: str, reasons: list[str]) -> None:
    command = ssh.replace("ssh ", f"ssh {options} ", 1)
    found = sh("setsid bourn start --hosts='far[1-2]' true", BOURN_SSH=command)
    assert found.code == 1, found
    assert found.err.count("\n") == 1, found.err
    assert "bourn-start: error: no broker could be started on host 'far1': " in found.err
    for reason in reasons:
        assert reason in found.err
    found = sh("setsid bourn proxy ssh://far1/nowhere true", BOURN_SSH=command)
    assert found.code == 1
    assert found.err.count("\n") == 1, found.err
    assert "bourn-proxy: error: ssh://far1/nowhere: " in found.err


def test_a_host_without_bourn(sh: Shell, ssh: str) -> None:
    sh.write("ssh", BEFORE.format(ssh=ssh, before="PATH=/usr/bin:/bin"))
    found = sh("bourn start --hosts=far1 true", BOURN_SSH="./ssh")
    assert found.code == 1
    assert "'bourn'" in found.err
    assert found.err.endswith("; `bourn` must be on the PATH that ssh gives\n")
    assert found.err.count("\n") == 1
    found = sh("bourn jobs", BOURN_URI="ssh://far1/nowhere", BOURN_SSH="./ssh")
    assert "bourn: " in found.err
    assert found.err.endswith("; `bourn` must be on the PATH that ssh gives\n")


def test_a_host_whose_shell_prints_something(sh: Shell, ssh: str) -> None:
    sh.write("ssh", BEFORE.format(ssh=ssh, before="echo Welcome to far1; echo; echo 'Mind the step' >&2"))
    script = "bourn overlay status | wc -l; BOURN_URI=ssh://elsewhere${BOURN_URI#local://} bourn getattr size"
    found = sh(f"bourn start --hosts='far[1-2]' sh -c '{script}'", BOURN_SSH=str(sh.cwd) + "/ssh")
    assert (found.code, found.out.split(), found.err) == (0, ["3", "3"], "")


def test_a_host_that_lets_nobody_log_in(sh: Shell, ssh: str) -> None:
    closed = "echo This account is currently not available.; exit 1"
    sh.write("ssh", BEFORE.format(ssh=ssh, before=closed))
    found = sh("bourn start --hosts=far1 true", BOURN_SSH="./ssh")
    assert (found.code, found.err.count("\n")) == (1, 1)
    assert "on host 'far1': This account is currently not available." in found.err


def test_a_host_that_says_nothing(sh: Shell, ssh: str) -> None:
    sh.write("ssh", BEFORE.format(ssh=ssh, before="cat >/dev/null; exit"))  # until nobody listens
    found = sh("bourn start --hosts='far[1-2]' --conf bootstrap.timeout=1s true", BOURN_SSH="./ssh")
    assert found.code == 1
    said = "rank 1-2 hasn't come within 1 s ([bootstrap] timeout): host 'far1', 'far2'"
    assert found.err == f"bourn-start: error: {said}\n"


def test_no_ssh_is_left_by_one_who_changes_his_mind(sh: Shell, ssh: str) -> None:
    assert sh.cwd is not None
    sh.write("ssh", "#!/bin/sh\necho $$ > pid; kill -INT $PPID; exec sleep 1000")
    found = sh("exec bourn start --hosts=far1 true", BOURN_SSH="./ssh")
    assert found.code == 130
    with pytest.raises(ProcessLookupError):
        os.kill(int((sh.cwd / "pid").read_text()), 0)


def test_no_broker_is_left_when_rank_0_is_killed(ssh: str, tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("BOURN")}
    env |= {"BOURN_SSH": ssh, "PATH": f"{BIN}:{env['PATH']}", "TMPDIR": str(tmp_path)}
    command = [BIN / "bourn", "start", "--hosts=far[1-2]", "sh", "-c"]
    command.append("bourn exec -r 1-2 bourn getattr broker.pid; cat")
    with subprocess.Popen(
        command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        others = [os.pidfd_open(int(process.stdout.readline())) for _ in range(2)]
        process.send_signal(signal.SIGKILL)
        for fd in others:
            _wait(fd)
            os.close(fd)


def _wait(fd: int) -> None:
    assert select.select([fd], [], [], 60)[0], "the broker is still there"


def test_the_configuration_survives_the_command_line() -> None:
    conf = {
        "bootstrap": {"method": "ssh"},
        "exec": {"method": 'it\'s "x"', "mock": {"odd key": 1.5}},
        "resource": {"config": [{"hosts": "n[0-1]", "cores": "0-3", "properties": ["a"]}]},
        "tbon": {"keepalive": 2, "flag": True},
    }
    found: dict[str, object] = {}
    words = shlex.split(member_command("1:2:x", conf, 90.0))
    assert words[:5] == [
        "env",
        "BOURN_BOOT=ssh-member:1:2:x",
        "bourn",
        "start",
        "--conf=bootstrap.timeout=90.0",
    ]
    for word in words[5:]:
        found |= parse_override(word.removeprefix("--conf=")).tree
    assert found == {name: table for name, table in conf.items() if name != "bootstrap"}
