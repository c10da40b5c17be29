from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

BIN = Path(sys.executable).parent
SIXTEEN = 'resource.config=[{hosts="node0",cores="0-15",gpus="0-1",properties=["big"]}]'


class Result(NamedTuple):
    code: int
    out: str
    err: str


class Shell:
    """Runs shell scripts in an instance, where `bourn` is on the PATH."""

    def __init__(self, uri: str, cwd: Path) -> None:
        self.uri = uri
        self.cwd = cwd
        self.env = {**os.environ, "BOURN_URI": uri, "PATH": f"{BIN}:{os.environ['PATH']}", "COLUMNS": "120"}

    def __call__(self, script: str, *, stdin: str = "", **env: str) -> Result:
        done = subprocess.run(
            ["sh", "-c", script],
            env={**self.env, **env},
            cwd=self.cwd,
            input=stdin,
            text=True,
            capture_output=True,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Result(done.returncode, done.stdout, done.stderr)

    def ok(self, script: str, *, stdin: str = "") -> str:
        """Run a script that must succeed; return what it printed, stripped."""
        found = self(script, stdin=stdin)
        assert found.code == 0, found
        return found.out.strip()

    def write(self, name: str, text: str) -> Path:
        path = self.cwd / name
        path.write_text(text)
        path.chmod(0o755)
        return path


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An instance with a made-up node of 16 cores and 2 GPUs; its address."""
    command = [BIN / "bourn", "start", "--conf", SIXTEEN, "--", "sh", "-c", "echo $BOURN_URI; exec cat"]
    env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    with subprocess.Popen(
        command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        uri = process.stdout.readline().strip()
        assert uri, "the instance did not start"
        yield uri
        process.stdin.close()
        assert process.wait() == 0


@pytest.fixture
def shell(instance: str, tmp_path: Path) -> Shell:
    return Shell(instance, tmp_path)
