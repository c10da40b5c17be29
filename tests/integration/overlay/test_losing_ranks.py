"""Brokers of real processes that are killed, ended, or never come up."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.integration.instance import BOURN, Instance
from tests.integration.overlay.conftest import FOUR


def test_a_rank_lost_in_the_middle_fails_its_jobs_and_frees_the_rest(tmp_path: Path) -> None:
    instance = Instance(tmp_path, "-s4", "--conf", FOUR)
    wide = instance.ok("submit -N4 sleep 1000")
    narrow = instance.words("submit", "-N1", "--requires=rank:1", "sleep", "1000").out.strip()
    for id in (wide, narrow):
        instance.ok(f"job wait-event {id} start")
    os.kill(instance.pid(2), signal.SIGKILL)
    instance.ok(f"job wait-event {wide} clean")
    assert 'exception type=node-failure severity=0 note="rank 2 was lost"' in instance.ok(
        f"job eventlog {wide}"
    )
    assert instance.ok(f"jobs -no {{state}} {narrow}") == "RUN"
    assert instance.ok("overlay status -s") == "degraded"
    assert "rank 2: " in instance.ok("overlay errors")
    instance.until(lambda: "lost while it ran 1 job" in instance.ok("resource drain"))
    assert instance.words("run", "-N3", "hostname").code == 0
    assert "rank 2 was lost" in instance.end()
    instance.until(lambda: not instance.left())


def test_those_below_a_lost_rank_find_another_parent(tmp_path: Path) -> None:
    instance = Instance(tmp_path, "-s4", "-Stbon.topo=custom:0,1,2", "--conf", FOUR)
    os.kill(instance.pid(1), signal.SIGKILL)
    instance.until(lambda: instance.ok("overlay status -s") == "degraded")
    instance.until(lambda: '"online": "0,2-3"' in instance.ok("overlay status --json"))
    assert instance.words("run", "-N3", "-l", "true").code == 0
    assert instance("ping -c1 3!broker").code == 0
    instance.end()
    instance.until(lambda: not instance.left())


def test_a_rank_that_is_ended_goes_alone_and_without_a_complaint(tmp_path: Path) -> None:
    instance = Instance(tmp_path, "-s3", "-Stbon.topo=custom:0,1")
    os.kill(instance.pid(1), signal.SIGTERM)
    instance.until(lambda: '"online": "0,2"' in instance.ok("overlay status --json"))
    assert instance("overlay status -s").out == "partial\n"
    assert "error" not in instance.end()
    instance.until(lambda: not instance.left())


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_the_end_of_rank_0_is_the_end_of_all(tmp_path: Path, signum: int) -> None:
    instance = Instance(tmp_path, "-s4", "-Stbon.topo=kary:2")
    instance.ok("run -N4 true")
    os.kill(instance.process.pid, signum)
    instance.process.wait()
    instance.end()
    instance.until(lambda: not instance.left())


def test_shutdown_from_any_rank(tmp_path: Path) -> None:
    instance = Instance(tmp_path, "-s3")
    instance.env["BOURN_URI"] = instance.uri_of(2)
    instance.words("shutdown")
    assert instance.process.wait() == 0
    instance.end()
    instance.until(lambda: not instance.left())


def test_a_wrong_topology_is_refused(tmp_path: Path) -> None:
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [BOURN, "start", "-s4", "-Stbon.topo=karry:2", "true"], env=env, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "did you mean 'kary'" in done.stderr
    assert not list(tmp_path.iterdir())


def test_strangers_are_refused_and_named(tmp_path: Path) -> None:
    instance = Instance(tmp_path, "-s2", "-Slog-stderr-level=critical")
    ports = set()
    for line in Path(f"/proc/{instance.process.pid}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and fields[1].startswith("0100007F"):
            inode = fields[9]
            fds = os.listdir(f"/proc/{instance.process.pid}/fd")
            links = {os.readlink(f"/proc/{instance.process.pid}/fd/{fd}") for fd in fds}
            if f"socket:[{inode}]" in links:
                ports.add(int(fields[1].partition(":")[2], 16))
    (port,) = ports
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        plain = sock.getsockname()[1]
        sock.recv(100)
    instance.until(lambda: f"refused 127.0.0.1:{plain}: it speaks HTTP" in instance.ok("dmesg"))
    assert instance.ok("overlay status -s") == "full"
    instance.end()
