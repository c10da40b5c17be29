"""Hosts that weren't in the list at the start: the list gets longer, they come, and jobs run there."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from bourn.config import Config
from bourn.config.tables import BootHost, BootstrapTable
from bourn.errors import BournError
from bourn_plugins.boot_config import Listed
from tests.integration.instance import BOURN, Instance
from tests.integration.overlay.test_host_list import follow, free_ports, reap

if TYPE_CHECKING:
    from pathlib import Path


def write(path: Path, key: Path, ports: list[int]) -> None:
    """Write the configuration of a chain of hosts."""
    rows = ",\n".join(
        f'{{host="a{rank}", bind="tcp://127.0.0.1:{port}", connect="tcp://127.0.0.1:{port}"'
        + (f', parent="a{rank - 1}"}}' if rank else "}")
        for rank, port in enumerate(ports)
    )
    path.write_text(f'bootstrap.authority = "{key}"\nbootstrap.hosts = [\n{rows}\n]\n')


def test_hosts_are_added_while_the_instance_runs(tmp_path: Path) -> None:
    key, config, run = tmp_path / "authority", tmp_path / "x.toml", tmp_path / "run"
    run.mkdir()
    subprocess.run([BOURN, "keygen", str(key)], check=True)
    ports = free_ports(4)
    write(config, key, ports[:2])
    one = follow(run, config, 1)
    instance = Instance(run, "-c", str(config), "-Shostname=a0", "-Sbroker.quorum=2")
    assert instance.words("run", "-N2", "true").code == 0
    instance.ok("submit -N1 --requires=ranks:0 sleep 1000")
    # One that comes before its parent knows of it waits: the parent, a leaf until then, doesn't even listen.
    write(config, key, ports)
    two = follow(run, config, 2)
    instance.ok("config reload")
    assert instance.ok("getattr size") == "4"
    instance.until(lambda: instance.ok("overlay status -s") == "partial")
    three = follow(run, config, 3)
    instance.until(lambda: instance.ok("overlay status -s") == "full")
    assert instance.ok("getattr hostlist") == "a[0-3]"
    assert instance.ok("exec -r 2-3 bourn getattr size") == "4\n4"
    instance.until(lambda: instance.ok("resource info").startswith("4 Nodes, "))
    out = instance.ok("run -N3 -n3 -l bourn getattr hostname")
    assert sorted(re.findall(r"a\d", out)) == ["a1", "a2", "a3"]
    # Who knows the list of the start only may come back, and learns the other.
    short = tmp_path / "short.toml"
    write(short, key, ports[:2])
    one.kill()
    instance.until(lambda: instance.ok("overlay status -s") == "degraded")
    again = follow(run, short, 1)
    instance.until(lambda: instance.ok("overlay status -s") == "full")
    assert instance.ok("exec -r 1 bourn getattr size") == "4"
    write(config, key, [ports[1], ports[0], *ports[2:]])
    refused = instance("config reload")
    assert refused.code == 1
    assert "rank 0 is 'a0' at" in refused.err
    assert len(refused.err.splitlines()) == 1
    instance.ok("cancel --all")
    instance.end()
    reap(one, two, three, again)
    assert [process.returncode for process in (two, three, again)] == [0, 0, 0]


def test_a_list_of_one_host_gets_longer(tmp_path: Path) -> None:
    key, config, run = tmp_path / "authority", tmp_path / "x.toml", tmp_path / "run"
    run.mkdir()
    ports = free_ports(2)
    write(config, key, ports[:1])
    without = tmp_path / "without.toml"
    without.write_text(config.read_text().replace(f'bootstrap.authority = "{key}"\n', ""))
    shutil.copy(without, config)
    instance = Instance(run, "-c", str(config), "-Shostname=a0")
    assert instance.ok("getattr hostlist") == "a0"
    job = instance.ok("submit sleep 1000")
    instance.ok("config reload")
    write(config, key, ports)
    complete = config.read_text()
    # What is missing is said in one line, and nothing has changed.
    for text, reason in (
        (complete.replace(f'"{key}"', '""'), "[bootstrap] authority is missing: the file that"),
        (complete, f"{key}: No such file or directory; all ranks keep the old configuration"),
    ):
        config.write_text(text)
        refused = instance("config reload")
        assert (refused.code, len(refused.err.splitlines())) == (1, 1)
        assert reason in refused.err
        assert instance.ok("getattr size") == "1"
    subprocess.run([BOURN, "keygen", str(key)], check=True)
    with socket.create_server(("127.0.0.1", ports[0])):
        assert (
            f"can't listen at 127.0.0.1:{ports[0]}: Address already in use" in instance("config reload").err
        )
    one = follow(run, config, 1)  # before it is known
    instance.ok("config reload")
    instance.until(lambda: instance.ok("overlay status -s") == "full")
    assert instance.ok("getattr hostlist") == "a[0-1]"
    instance.until(lambda: instance.ok("resource info").startswith("2 Nodes, "))
    out = instance.ok("run -N2 -n2 -l bourn getattr hostname")
    assert sorted(re.findall(r"a\d", out)) == ["a0", "a1"]
    assert instance.ok(f"jobs -no {{state}} {job}") == "RUN"
    one.kill()
    instance.until(lambda: instance.ok("resource list -s down -no {ranks}") == "1")
    instance.ok("cancel --all")
    instance.end()
    reap(one)


def test_an_instance_that_has_no_list_gets_no_hosts_by_one(tmp_path: Path) -> None:
    config = tmp_path / "x.toml"
    config.write_text("")
    instance = Instance(tmp_path, "-c", str(config))
    instance.ok("config reload")
    config.write_text('bootstrap.hosts = [{host = "a0"}, {host = "a1"}]')
    refused = instance("config reload")
    assert (refused.code, len(refused.err.splitlines())) == (1, 1)
    assert "[bootstrap] hosts: the brokers of this instance weren't started from a list" in refused.err
    assert instance.ok("overlay status").split() == ["0", f"{instance.ok('getattr hostname')}:", "full"]
    instance.end()


@pytest.mark.parametrize("scheduler", ["sched-simple", "sched-graph"])
def test_children_of_a_hierarchy_keep_what_they_have_when_a_host_comes(
    tmp_path: Path, scheduler: str
) -> None:
    key, config, run = tmp_path / "authority", tmp_path / "x.toml", tmp_path / "run"
    run.mkdir()
    subprocess.run([BOURN, "keygen", str(key)], check=True)
    ports = free_ports(2)
    write(config, key, ports[:1])
    tables = ('--conf=hierarchy.shape="node"', f'--conf=modules.sched="{scheduler}"')
    instance = Instance(run, "-c", str(config), "-Shostname=a0", *tables)
    instance.until(lambda: " up: " in instance.ok("tree"))
    child = instance.ok("jobs -n -o {id}:{status}:{nodelist}")
    assert child.endswith(":RUN:a0")
    write(config, key, ports)
    instance.ok("config reload")
    one = follow(run, config, 1)
    instance.until(lambda: instance.ok("resource list -n -s free -o {nodelist}") == "a1")
    assert instance.ok("run echo there") == "there"
    assert instance.ok("jobs -n -o {id}:{status}:{nodelist}") == child
    assert instance.ok("resource list -n -s allocated -o {nodelist}") == "a0"
    instance.end()
    reap(one)
    assert one.returncode == 0


def listed(*hosts: str) -> dict[str, object]:
    return {"bootstrap": {"hosts": [{"host": host} for host in hosts], "authority": "/k"}}


def test_a_list_gets_longer_at_its_end_only() -> None:
    table = BootstrapTable(hosts=(BootHost("n[0-1]"),), authority="/k")
    session = Listed(table, "n1", quorum=1)
    assert session.grown(Config({})) is None
    assert session.grown(Config(listed("n0", "n1"))) is None
    assert session.grown(Config(listed("n0"))) is None
    grown = session.grown(Config(listed("n[0-3]")))
    assert grown is not None
    assert (grown.rank, grown.size, grown.attributes["hostlist"]) == (1, 4, "n[0-3]")
    with pytest.raises(BournError, match=r"rank 1 is 'n1' .* can't become 'm'.*new hosts come last"):
        session.grown(Config(listed("n0", "m", "n1")))
