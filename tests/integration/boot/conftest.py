from __future__ import annotations

import getpass
import os
import shlex
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.instance import BIN, Shell

if TYPE_CHECKING:
    from collections.abc import Iterator

SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")


@pytest.fixture
def sh(tmp_path: Path) -> Shell:
    """Runs a script outside of any instance."""
    return Shell(tmp_path)


@pytest.fixture(scope="session")
def ssh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A command that reaches this machine by a real sshd, whatever the host is called."""
    if SSHD is None or shutil.which("ssh") is None:
        pytest.skip("sshd or ssh isn't installed")
    folder = tmp_path_factory.mktemp("sshd")
    folder.chmod(0o700)
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-N", "", "-t", "ed25519", "-f", folder / name], check=True)
    shutil.copy(folder / "user.pub", folder / "authorized")
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    (folder / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\n"
        f"HostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\n"
        f"PidFile none\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nSetEnv PATH={BIN}:/usr/bin:/bin\n"
    )
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            [SSHD, "-D", "-e", "-f", folder / "config"], stdin=subprocess.DEVNULL, stderr=log
        )
    deadline = time.monotonic() + 20
    while b"Server listening" not in (folder / "log").read_bytes():
        assert time.monotonic() < deadline, (folder / "log").read_text()
        time.sleep(0.02)
    options = [
        "-o", "HostName=127.0.0.1", "-p", str(port), "-i", str(folder / "user"), "-l", getpass.getuser(),
        "-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={folder}/known", "-o", "BatchMode=yes",
        "-o", "LogLevel=ERROR", "-F", "none",
    ]  # fmt: skip
    yield shlex.join(["ssh", *options])
    process.terminate()
    process.wait()
