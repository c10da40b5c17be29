"""Instances for the examples of docs/examples: made-up nodes, a broker for each."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

BIN = Path(sys.executable).parent
EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"


class Site:
    """Runs the examples, and commands, in an instance."""

    def __init__(self, uri: str, cwd: Path) -> None:
        self.uri = uri
        self.cwd = cwd
        self.env = {**os.environ, "BOURN_URI": uri, "PATH": f"{BIN}:{os.environ['PATH']}", "COLUMNS": "120"}

    def __call__(self, *words: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
        """Run words; a Python file by our interpreter."""
        if str(words[0]).endswith(".py"):
            words = (sys.executable, EXAMPLES / words[0], *words[1:])
        elif str(words[0]).endswith(".sh"):
            words = ("sh", EXAMPLES / words[0], *words[1:])
        done = subprocess.run(
            words,
            env={**self.env, **env},
            cwd=self.cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def ok(self, *words: str | Path, **env: str) -> str:
        """Run what must succeed; return what it printed, stripped."""
        done = self(*words, **env)
        assert done.returncode == 0, done
        return done.stdout.strip()

    def lines(self, *words: str | Path, **env: str) -> list[str]:
        return self.ok(*words, **env).splitlines()


@contextmanager
def running(cwd: Path, *options: str | Path) -> Iterator[Site]:
    """Bring an instance up, and down again."""
    command = [BIN / "bourn", "start", *options, "--", "sh", "-c", "echo $BOURN_URI; exec cat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        uri = process.stdout.readline().strip()
        assert uri, "the instance did not start"
        yield Site(uri, cwd)
        process.stdin.close()
        assert process.wait() == 0


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Four nodes of four cores and a GPU, a broker for each."""
    config = 'resource.config=[{hosts="node[0-3]",cores="0-3",gpus="0"}]'
    with running(tmp_path_factory.mktemp("site"), "--test-size=4", "--conf", config) as found:
        yield found


@pytest.fixture
def site(instance: Site, tmp_path: Path) -> Site:
    return Site(instance.uri, tmp_path)
