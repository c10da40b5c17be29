from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

BOURN = str(Path(sys.executable).with_name("bourn"))
SIXTEEN = 'resource.config=[{hosts="node0",cores="0-15",gpus="0-1"}]'


class Result(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


class Commands:
    """Runs `bourn` in an instance."""

    def __init__(self, uri: str, cwd: Path) -> None:
        self.env = {**os.environ, "BOURN_URI": uri, "COLUMNS": "120"}
        self.cwd = cwd

    def __call__(self, line: str, stdin: bytes | None = None) -> Result:
        """Run a command line, split at blanks."""
        return self.words(*line.split(), stdin=stdin)

    def words(self, *words: str, stdin: bytes | None = None) -> Result:
        done = subprocess.run(
            [BOURN, *words],
            env=self.env,
            cwd=self.cwd,
            input=b"" if stdin is None else stdin,
            capture_output=True,
            check=False,
        )
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [BOURN, *words],
            env=self.env,
            cwd=self.cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def ok(self, line: str) -> str:
        """Run a command that must succeed; return what it printed, stripped."""
        found = self(line)
        assert found.code == 0, found
        return found.out.strip()


@pytest.fixture(scope="module")
def bourn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    """An instance of one broker with a made-up node of 16 cores and 2 GPUs, for the tests of a module."""
    command = [BOURN, "start", "--conf", SIXTEEN, "--", "sh", "-c", "echo $BOURN_URI; exec cat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        uri = process.stdout.readline().strip()
        assert uri, "the instance did not start"
        yield Commands(uri, tmp_path_factory.mktemp("cwd"))
        process.stdin.close()
        assert process.wait() == 0
