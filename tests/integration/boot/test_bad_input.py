"""What can be wrong with the brokers of an instance: each ends its broker with one line that says what."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.integration.instance import BIN, BOURN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CODE = "from bourn.cli.main import main; sys.exit(main(sys.argv[1:]))"
OLDER = f"import sys; import bourn._version; bourn._version.__version__ = '0.0.9'; {CODE}"
AHEAD = (
    "import sys, datetime; import bourn.broker.overlay.certs as certs; "
    f"certs.SKEW = -datetime.timedelta(days=2); {CODE}"
)
LATE = (
    "import sys, datetime; import bourn.broker.overlay.certs as certs; "
    f"certs.SKEW = datetime.timedelta(days=9); certs.LIFETIME = -datetime.timedelta(days=2); {CODE}"
)


class Site:
    """Rank 0 of an instance of three hosts, and what is needed to be another one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("BOURN")}
        self.env["TMPDIR"] = str(folder)
        with socket.create_server(("127.0.0.1", 0)) as sock:
            self.port = sock.getsockname()[1]
        subprocess.run([BIN / "bourn", "keygen", folder / "authority"], check=True)
        self.write("site.toml")
        self.zero = self.start(
            "site.toml", 0, "sh", "-c", "echo $BOURN_URI; exec cat", stdout=subprocess.PIPE
        )
        assert self.zero.stdout is not None
        self.env["BOURN_URI"] = self.zero.stdout.readline().strip()

    def write(self, name: str, connect: str = "", more: str = "", seconds: int = 1) -> None:
        connect = connect or f"tcp://127.0.0.1:{self.port}"
        (self.folder / name).write_text(
            f'[bootstrap]\nauthority = "{self.folder}/authority"\n{more}\n'
            f'hosts = [{{host = "a0", bind = "tcp://127.0.0.1:{self.port}", connect = "{connect}"}},'
            '{host = "a[1-2]"}]\n'
            '[[resource.config]]\nhosts = "a[0-2]"\ncores = "0"\n'
            f"[tbon]\nkeepalive = 0.3\nconnect-timeout = {seconds}\n"
        )

    def start(
        self, conf: str, rank: int, *command: str, code: str = "", stdout: int | None = None
    ) -> subprocess.Popen[str]:
        bourn = [sys.executable, "-c", code] if code else [str(BIN / "bourn")]
        env = {name: value for name, value in self.env.items() if name != "BOURN_URI"}
        return subprocess.Popen(
            [*bourn, "start", "-c", str(self.folder / conf), f"-Shostname=a{rank}", *command],
            env=env,
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
        )

    def log(self) -> str:
        """Return the log of rank 0."""
        return subprocess.run(
            [BIN / "bourn", "dmesg"], env=self.env, capture_output=True, text=True, check=True
        ).stdout

    def fails(self, conf: str, rank: int, code: str = "") -> str:
        """Start a broker that can't be taken in; return the line that it says."""
        process = self.start(conf, rank, code=code)
        said = process.communicate(timeout=60)[1]
        assert process.returncode == 1
        assert said.count("\n") == 1, said
        return said


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("site"))
    yield site
    assert site.zero.stdin is not None
    site.zero.communicate("")
    assert site.zero.returncode == 0


@pytest.mark.parametrize(
    ("connect", "reason"),
    [
        ("tcp://nosuch.invalid:8050", "rank 0 at nosuch.invalid:8050 can't be reached: "),
        ("tcp://127.0.0.1:9", "rank 0 at 127.0.0.1:9 can't be reached: "),
    ],
)
def test_a_host_or_port_where_nobody_is(site: Site, connect: str, reason: str) -> None:
    site.write("away.toml", connect)
    said = site.fails("away.toml", 1)
    assert reason in said
    assert "(given up after 1 s)" in said


def test_a_port_of_something_else(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        site.write("other.toml", f"tcp://127.0.0.1:{sock.getsockname()[1]}")
        process = site.start("other.toml", 1)
        peer, _ = sock.accept()
        with peer:
            peer.recv(100)
            peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        said = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert "it doesn't speak TLS" in said
    assert said.count("\n") == 1


def test_unequal_versions_are_both_named(site: Site) -> None:
    assert "rank 0 refuses rank 1: it is Bourn 0.0.9, this is Bourn " in site.fails("site.toml", 1, OLDER)


def test_clocks_that_differ(site: Site) -> None:
    said = site.fails("site.toml", 1, AHEAD)
    assert "rank 0 won't have us: it doesn't accept our certificate; do the two hosts' clocks" in said
    assert "our certificate has expired, by its clock" in site.fails("site.toml", 1, LATE)
    log = site.log()
    assert "it isn't valid yet; the clocks of the two hosts differ" in log
    assert "it has expired; or the clocks of the two hosts differ" in log


def test_a_rank_that_is_there_already(site: Site) -> None:
    site.write("patient.toml", seconds=30)
    first = site.start("site.toml", 2)
    deadline = time.monotonic() + 60
    while (
        "full"
        not in subprocess.run(
            [BIN / "bourn", "overlay", "status"], env=site.env, capture_output=True, text=True, check=True
        ).stdout.splitlines()[-1]
    ):
        assert time.monotonic() < deadline
    assert "rank 0 refuses rank 2: rank 2 is there already, at 127.0.0.1:" in site.fails("patient.toml", 2)
    first.terminate()
    first.communicate()


def test_a_host_that_is_not_in_the_list(site: Site) -> None:
    assert "host 'a7' isn't among [bootstrap] hosts; there are: a0, a1, a2" in site.fails("site.toml", 7)


def test_a_boot_method_that_is_none(site: Site) -> None:
    site.write("method.toml", more='method = "pmy"')
    assert "there is no boot method 'pmy'; did you mean 'pmi'?" in site.fails("method.toml", 0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--test-size=2"], "has this broker start by boot method 'join', and test-size says otherwise"),
        (["-Sbroker.boot-method=single"], "by boot method 'join', and broker.boot-method says otherwise"),
        (["--conf=plugins.disable=['boot-join']"], "BOURN_BOOT: there is no boot method 'join'"),
        (["--conf=bootstrap.method='single'"], "BOURN_BOOT: it isn't what `bourn grow` sets"),
    ],
)
def test_a_launchers_word_that_was_copied_elsewhere(words: list[str], said: str) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("BOURN")}
    command = [BOURN, "start", *words, "true"]
    env["BOURN_BOOT"] = 'join:{"rank": 1}'
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert done.stderr.startswith("bourn-start: error: BOURN_BOOT")
    assert said in done.stderr
