"""Boot by `[bootstrap]`: brokers on loopback ports, each started on its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from bourn.config.tables import BootHost, BootstrapTable
from bourn.errors import BournError
from bourn.machine import discover
from bourn_plugins.boot_config import Hosts, Listed
from tests.integration.instance import BOURN, Instance

if TYPE_CHECKING:
    from pathlib import Path


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens at."""
    socks = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [sock.getsockname()[1] for sock in socks]
    for sock in socks:
        sock.close()
    return ports


def write_config(folder: Path) -> Path:
    """Write the configuration of three hosts, a2 below a1 below a0."""
    key = folder / "authority"
    if not key.exists():
        subprocess.run([BOURN, "keygen", str(key)], check=True)
    rows = "\n".join(
        f'{{host="a{rank}", bind="tcp://127.0.0.1:{port}", connect="tcp://127.0.0.1:{port}"{parent}}},'
        for rank, (port, parent) in enumerate(
            zip(free_ports(3), ("", ', parent="a0"', ', parent="a1"'), strict=True)
        )
    )
    path = folder / "x.toml"
    path.write_text(f'[bootstrap]\nauthority = "{key}"\nhosts = [\n{rows}\n]\n')
    return path


def follow(folder: Path, config: Path, rank: int) -> subprocess.Popen[str]:
    env = {**os.environ, "TMPDIR": str(folder)}
    env.pop("BOURN_URI", None)
    command = [BOURN, "start", "-c", str(config), f"-Shostname=a{rank}"]
    return subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def reap(*processes: subprocess.Popen[str]) -> list[str]:
    """Wait for brokers; return what they said."""
    return [process.communicate()[1] for process in processes]


def test_brokers_find_one_another_and_a_restarted_one_comes_back(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    run = tmp_path / "run"
    run.mkdir()
    two = follow(run, config, 2)  # in any order
    one = follow(run, config, 1)
    instance = Instance(run, "-c", str(config), "-Shostname=a0", "-Sbroker.quorum=3")
    assert instance.ok("getattr hostlist") == "a[0-2]"
    assert instance.words("run", "-N3", "-l", "true").code == 0
    assert [line.split()[-2:] for line in instance.ok("overlay status").splitlines()] == [
        ["a0:", "full"],
        ["a1:", "full"],
        ["a2:", "full"],
    ]
    os.kill(two.pid, signal.SIGKILL)
    instance.until(lambda: instance.ok("overlay status -s") == "degraded")
    again = follow(run, config, 2)
    instance.until(lambda: instance.ok("overlay status -s") == "full")
    assert instance.words("run", "-N3", "true").code == 0
    instance.end()
    reap(two, one, again)
    assert (one.returncode, again.returncode) == (0, 0)


def nodes(instance: Instance, *states: str) -> str:
    """Return the hosts in these states."""
    return instance.ok(f"resource list -n -s {','.join(states)} -o {{nodelist}}")


def test_hosts_tell_what_they_have_and_a_lost_one_is_known_after_a_restart(tmp_path: Path) -> None:
    config, state = write_config(tmp_path), tmp_path / "state"
    run = tmp_path / "run"
    run.mkdir()
    options = ("-c", str(config), "-Shostname=a0", f"-Sstatedir={state}")
    others = [follow(run, config, rank) for rank in (1, 2)]
    instance = Instance(run, *options, "-Sbroker.quorum=3")
    cores = len(discover().cores)
    assert instance.ok("resource info").startswith(f"3 Nodes, {3 * cores} Cores")
    assert instance.words("run", "-N3", "true").code == 0
    others[1].kill()
    instance.until(lambda: nodes(instance, "down") == "a2")
    instance.end()
    reap(*others)
    # Rank 0 alone: a1 and a2 are what they were, and not there.
    instance = Instance(run, *options)
    assert (nodes(instance, "all"), nodes(instance, "down")) == ("a[0-2]", "a[1-2]")
    waiting = instance.ok("submit -N2 true")
    one = follow(run, config, 1)
    assert instance.words("job", "status", waiting).code == 0
    assert nodes(instance, "down") == "a2"
    # On fewer processors than before.
    if cores > 1:
        allowed = os.sched_getaffinity(0)
        try:
            os.sched_setaffinity(0, {min(allowed)})
            two = follow(run, config, 2)
        finally:
            os.sched_setaffinity(0, allowed)
        instance.until(lambda: instance.ok("overlay status -s") == "full")
        instance.until(lambda: "missing resources: cores" in instance.ok("resource drain -n -o long"))
        instance.ok("resource reload")
        instance.ok("resource undrain a2")
        assert instance.ok("resource info").startswith(f"3 Nodes, {2 * cores + 1} Cores")
        assert instance.words("run", "-N3", "true").code == 0
    instance.end()
    reap(one, *([two] if cores > 1 else []))


def test_a_foreign_authority_is_refused_with_one_line(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    instance = Instance(tmp_path, "-c", str(config), "-Shostname=a0", "-Slog-stderr-level=critical")
    other = tmp_path / "other"
    other.mkdir()
    subprocess.run([BOURN, "keygen", str(other / "authority")], check=True)
    foreign = other / "x.toml"
    foreign.write_text(config.read_text().replace(str(tmp_path / "authority"), str(other / "authority")))
    stranger = follow(other, foreign, 1)
    (said,) = reap(stranger)
    assert stranger.returncode == 1
    (line,) = said.splitlines()
    assert line.startswith("bourn-start: error: rank 0 at 127.0.0.1:")
    assert "its certificate isn't accepted" in line
    instance.end()


def test_keygen_never_overwrites(tmp_path: Path) -> None:
    path = tmp_path / "key"
    assert subprocess.run([BOURN, "keygen", str(path)], check=False).returncode == 0
    assert path.stat().st_mode & 0o777 == 0o600
    done = subprocess.run([BOURN, "keygen", str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "exists; remove it first" in done.stderr


def table(*hosts: BootHost, authority: str = "/k") -> BootstrapTable:
    return BootstrapTable(hosts=hosts, authority=authority, default_port=9)


def test_a_list_with_ranges_defaults_and_parents() -> None:
    hosts = Hosts(table(BootHost("n0"), BootHost("n[1-3]", parent="n0"), BootHost("m", parent="n2")))
    assert hosts.names == ["n0", "n1", "n2", "n3", "m"]
    assert hosts.bind[3] == ("0.0.0.0", 9)
    assert hosts.connect[3] == ("n3", 9)
    assert hosts.parents == [0, 0, 0, 2]
    assert Hosts(table(BootHost("a"), BootHost("b"))).parents is None
    listed = Listed(table(BootHost("a"), BootHost("b")), "b.example.org", quorum=1)
    assert (listed.rank, listed.size) == (1, 2)


@pytest.mark.parametrize(
    ("hosts", "me", "reason"),
    [
        ([BootHost("a"), BootHost("a")], "a", r"bootstrap.hosts\[1\]: host 'a' is in the list already"),
        ([BootHost("a"), BootHost("b")], "bb", "host 'bb' isn't among .* did you mean 'b'|there are"),
        ([BootHost("a"), BootHost("b", parent="c")], "a", "parent 'c' isn't among"),
        ([BootHost("a", parent="b"), BootHost("b")], "a", "'a' is rank 0 and can't have a parent"),
        (
            [BootHost("a", bind="tcp://x"), BootHost("b")],
            "a",
            r"bootstrap.hosts\[0\].bind: 'tcp://x' must be",
        ),
        ([BootHost("a", connect="x:99999"), BootHost("b")], "a", r"connect: 'x:99999' must be"),
    ],
)
def test_a_wrong_list_is_an_error_that_names_the_place(hosts: list[BootHost], me: str, reason: str) -> None:
    with pytest.raises(BournError, match=reason):
        Listed(table(*hosts), me, quorum=1)


def test_no_authority_is_an_error_that_says_how_to_make_one() -> None:
    with pytest.raises(BournError, match="bourn keygen FILE"):
        Listed(table(BootHost("a"), BootHost("b"), authority=""), "a", quorum=1)
    with pytest.raises(BournError, match="must be an absolute path"):
        Listed(table(BootHost("a"), BootHost("b"), authority="key"), "a", quorum=1)
