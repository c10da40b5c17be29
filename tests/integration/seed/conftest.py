"""Instances for the examples of docs/examples: made-up nodes, a broker for each."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.instance import Instance, environment

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"


class Site:
    """Runs the examples, and commands, in an instance."""

    def __init__(self, uri: str, cwd: Path) -> None:
        self.uri = uri
        self.cwd = cwd
        self.env = environment(BOURN_URI=uri)

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
    with Instance(None, *options) as instance:
        yield Site(instance.uri, cwd)


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Four nodes of four cores and a GPU, a broker for each."""
    config = 'resource.config=[{hosts="node[0-3]",cores="0-3",gpus="0"}]'
    with running(tmp_path_factory.mktemp("site"), "--test-size=4", "--conf", config) as found:
        yield found


@pytest.fixture
def site(instance: Site, tmp_path: Path) -> Site:
    return Site(instance.uri, tmp_path)
