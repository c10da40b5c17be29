"""Hosts in network namespaces that are cut off under load, and come back."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

import bourn
from bourn.model.jobid import JobID
from tests.integration.instance import BOURN, Instance, environment
from tests.integration.overlay.network import Network

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LINKS = "[tbon]\nkeepalive = 0.2\ntorpid-after = 0.6\nlost-after = 1.5\nuser-timeout = 1.0\n"


@pytest.fixture
def three_hosts() -> Iterator[Network]:
    """Three hosts; skips where there can't be any."""
    if shutil.which("ip") is None:
        pytest.skip("network namespaces need the command `ip` (iproute2)")
    network = Network(3)
    try:
        network.raise_up()
    except OSError as error:
        network.take_down()
        pytest.skip(f"this machine or user may make no network namespaces: {error}")
    yield network
    network.take_down()


class Cluster:
    """An instance with a broker on each host of a network."""

    def __init__(
        self, network: Network, folder: Path, *parents: str, keep: bool = False, links: str = LINKS
    ) -> None:
        key = folder / "authority"
        subprocess.run([BOURN, "keygen", str(key)], check=True)
        rows = ",\n".join(
            f'{{host="a{number}", bind="tcp://{network.address(number)}:8050", '
            f'connect="tcp://{network.address(number)}:8050"{parent}}}'
            for number, parent in enumerate(parents)
        )
        config = folder / "x.toml"
        config.write_text(f'[bootstrap]\nauthority = "{key}"\nhosts = [\n{rows}]\n{links}')
        run = folder / "run"
        run.mkdir()
        self.brokers = []
        for number in (2, 1):
            command = [*network.inside(number), BOURN, "start", "-c", str(config), f"-Shostname=a{number}"]
            command += [f"-Sstatedir={folder}/state{number}"] if keep else []
            self.brokers.append(self._broker(command, run))
        options = ("-c", str(config), "-Shostname=a0", "-Sbroker.quorum=3")
        options += (f"-Sstatedir={folder}/state0",) if keep else ()
        self.root = Instance(run, *options, under=network.inside(0))

    def _broker(self, command: list[str], folder: Path) -> subprocess.Popen[str]:
        env = environment(TMPDIR=str(folder))
        return subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def end(self) -> list[str]:
        """End all; return what each broker said, rank 0 first."""
        said = [self.root.end()]
        return said + [broker.communicate(timeout=60)[1] for broker in reversed(self.brokers)]


def test_a_host_that_is_cut_off_under_load_costs_its_own_jobs_only(
    three_hosts: Network, tmp_path: Path
) -> None:
    cluster = Cluster(three_hosts, tmp_path, "", ', parent="a0"', ', parent="a0"')
    root = cluster.root
    there = root.words("submit", "-N1", "--requires=rank:2", "sleep", "1000").out.strip()
    elsewhere = root.words("submit", "-n1", "--requires=rank:1", "sleep", "2000").out.strip()
    root.ok(f"job wait-event {there} start")
    many = root.words("submit", "--cc=1-200", "sleep", "0.02").out.split()
    root.ok(f"job wait-event {many[20]} clean")

    three_hosts.pull(2)
    root.ok(f"job wait-event {there} clean")
    assert "type=node-failure" in root.ok(f"job eventlog {there}")
    for id in many:
        bourn.job.event_wait(root.handle, JobID.parse(id), "clean")
    rows = root.ok("jobs -a -c0 --members -no {id.f58}:{ranks}:{result}:{exception.type}").splitlines()
    results = {row.split(":")[0]: row.split(":")[1:] for row in rows}
    assert len(many) == 200
    for id in many:
        ranks, result, kind = results[id]
        assert result == "COMPLETED" or (ranks == "2" and kind == "node-failure"), (id, results[id])
    assert root.ok(f"jobs -no {{state}} {elsewhere}") == "RUN"
    assert root.ok("overlay status -s") == "degraded"

    three_hosts.plug(2)
    root.until(lambda: root.ok("overlay status -s") == "full")
    root.until(lambda: not any("sleep\0001000" in command for command in root.left()))
    root.ok("resource undrain 2")
    root.ok(f"cancel {elsewhere}")
    assert root.words("run", "-N3", "true").code == 0
    assert all("Traceback" not in said for said in cluster.end())
    root.until(lambda: not root.left())


SIGNALLED = """
trap 'echo one' USR1
trap 'echo two; exit 3' USR2
echo ready
while :; do sleep 0.05; done
"""


def test_signals_to_a_host_that_is_cut_off_arrive_when_it_is_back(
    three_hosts: Network, tmp_path: Path
) -> None:
    cluster = Cluster(three_hosts, tmp_path, "", ', parent="a0"', ', parent="a0"', keep=True)
    root = cluster.root
    id = root.words("submit", "-N1", "--requires=rank:2", "sh", "-c", SIGNALLED).out.strip()
    root.ok(f"job wait-event -p output -m stream=stdout {id} data")
    three_hosts.pull(2)
    root.ok(f"job kill -s USR1 {id}")  # the link counts as whole yet
    root.until(lambda: '"online": "0-1"' in root.ok("overlay status --json"))
    root.ok(f"job kill -s USR2 {id}")
    assert root.ok(f"jobs -no {{state}} {id}") == "RUN"
    three_hosts.plug(2)
    attached = root.words("job", "attach", id)
    assert (attached.code, attached.out.split()) == (3, ["ready", "one", "two"])
    assert all("Traceback" not in said for said in cluster.end())
    root.until(lambda: not root.left())


def test_those_behind_a_cut_host_are_reached_another_way(three_hosts: Network, tmp_path: Path) -> None:
    cluster = Cluster(three_hosts, tmp_path, "", ', parent="a0"', ', parent="a1"')
    root = cluster.root
    flag = tmp_path / "flag"
    script = f"seq 1 3000; until test -e {flag}; do echo on; sleep 0.01; done; seq 3001 6000; exit 5"
    behind = root.words("submit", "--requires=rank:2", "sh", "-c", script).out.strip()
    cut = root.words("submit", "--requires=rank:1", "sleep", "1000").out.strip()
    many = root.words("submit", "--requires=rank:2", "--cc=1-30", "sh", "-c", "echo a; sleep 0.1; echo b")
    for id in (behind, cut):
        root.ok(f"job wait-event {id} start")
    root.ok(f"job wait-event {many.out.split()[5]} clean")
    three_hosts.pull(1)
    root.until(lambda: '"online": "0,2"' in root.ok("overlay status --json"))
    root.ok("ping -c1 2!broker")
    root.ok(f"job wait-event {cut} clean")
    flag.touch()
    said = root(f"job attach {behind}")
    assert [line for line in said.out.split() if line != "on"] == [str(n) for n in range(1, 6001)]
    assert said.code == 5
    for id in many.out.split():
        assert root(f"job attach {id}") == (0, "a\nb\n", "")
    assert root.ok("resource drain -no {ranks}") == "1"
    flag.unlink()
    assert root.words("run", "-N2", "true").code == 0
    three_hosts.plug(1)
    root.until(lambda: root.ok("overlay status -s") == "full")
    root.ok("resource undrain 1")
    assert root.words("run", "-N3", "true").code == 0
    brokers = cluster.end()
    assert "rank 2 is linked to rank 0 now" in brokers[2]
    assert "events" not in "".join(brokers), "those that were missed have been sent again"
    root.until(lambda: not root.left())


def test_those_behind_a_host_that_lives_but_is_cut_off_are_reached_another_way(
    three_hosts: Network, tmp_path: Path
) -> None:
    links = f"{LINKS}rejoin-grace = 8.0\n"
    cluster = Cluster(three_hosts, tmp_path, "", ', parent="a0"', ', parent="a1"', links=links)
    root = cluster.root
    flag = tmp_path / "flag"
    script = f"echo on; until test -e {flag}; do sleep 0.02; done; exit 5"
    behind = root.words("submit", "--requires=rank:2", "sh", "-c", script).out.strip()
    root.ok(f"job wait-event -p output -m stream=stdout {behind} data")
    three_hosts.part(0, 1)
    root.until(lambda: '"online": "0,2"' in root.ok("overlay status --json"))
    assert root.ok(f"jobs -no {{state}} {behind}") == "RUN"
    flag.touch()
    assert root(f"job attach {behind}")[:2] == (5, "on\n")
    assert root.ok("resource drain -no {ranks}") == ""
    flag.unlink()
    one = cluster.brokers[1]
    assert one.poll() is None, "it goes on looking for rank 0"
    one.terminate()
    assert "rank 2 is linked to rank 0 now" in cluster.end()[2]
    root.until(lambda: not root.left())
