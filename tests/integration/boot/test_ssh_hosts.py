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
        ("--hosts=far1", "false", "no broker could be started on host 'far1' (status 1)"),
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
    words = shlex.split(member_command("1:2:x", conf))
    assert words[:4] == ["env", "BOURN_BOOT_MEMBER=1:2:x", "bourn", "start"]
    for word in words[4:]:
        found |= parse_override(word.removeprefix("--conf=")).tree
    assert found == {name: table for name, table in conf.items() if name != "bootstrap"}
