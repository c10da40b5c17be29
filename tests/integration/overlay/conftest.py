from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

import bourn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

BOURN = str(Path(sys.executable).with_name("bourn"))
FOUR = 'resource.config=[{hosts="n[0-3]",cores="0-3"}]'


class Result(NamedTuple):
    code: int
    out: str
    err: str


class Instance:
    """An instance of several brokers on this machine, and commands in it."""

    @staticmethod
    def environment(folder: Path) -> dict[str, str]:
        """Return the environment for commands whose files are to lie in `folder`."""
        env = {**os.environ, "TMPDIR": str(folder), "COLUMNS": "120"}
        for name in ("XDG_RUNTIME_DIR", "BOURN_URI"):
            env.pop(name, None)
        return env

    def __init__(self, folder: Path, *options: str, under: Sequence[str] = ()) -> None:
        """`under`: the words of a command that runs the instance, as on another host."""
        self.folder = folder
        self.env = self.environment(folder)
        self.process = subprocess.Popen(
            [*under, BOURN, "start", *options, "--", "sh", "-c", "echo $BOURN_URI; exec cat"],
            env=self.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        uri = self.process.stdout.readline().strip()
        if not uri:
            assert self.process.stderr is not None
            raise AssertionError(f"no instance: {self.process.stderr.read()}")
        self.env["BOURN_URI"] = uri
        self.handle = bourn.Handle(uri)

    def __call__(self, line: str, stdin: bytes = b"") -> Result:
        """Run a command line, split at blanks."""
        return self.words(*line.split(), stdin=stdin)

    def words(self, *words: str, stdin: bytes = b"") -> Result:
        done = subprocess.run([BOURN, *words], env=self.env, input=stdin, capture_output=True, check=False)
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    def ok(self, line: str) -> str:
        """Run a command that must succeed; return what it printed, stripped."""
        found = self(line)
        assert found.code == 0, found
        return found.out.strip()

    def pid(self, rank: int) -> int:
        """Return the process of a rank."""
        return int(self.handle.rpc("attr.get", {"name": "broker.pid"}, nodeid=rank).get()["value"])

    def uri(self, rank: int) -> str:
        found: str = self.handle.rpc("attr.get", {"name": "local-uri"}, nodeid=rank).get()["value"]
        return found

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something is true."""
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline, "it never was"
            time.sleep(0.01)

    def end(self) -> str:
        """End the instance; return what it wrote to standard error."""
        self.handle.close()
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.stderr is not None
        said = self.process.stderr.read()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process.stderr.close()
        self.process.wait()
        return said

    def left(self) -> list[str]:
        """Return the files and the processes that there are of it."""
        mark = f"TMPDIR={self.folder}\0".encode()
        found = [str(path) for path in self.folder.rglob("*")]
        for proc in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (proc / "environ").read_bytes():
                    found.append((proc / "cmdline").read_text())
            except OSError:
                continue
        return [what for what in found if what]


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """Four brokers, rank 3 below rank 1, each with four made-up cores."""
    instance = Instance(tmp_path_factory.mktemp("four"), "-s4", "-Stbon.topo=kary:2", "--conf", FOUR)
    yield instance
    assert instance.end() == ""
    assert instance.process.returncode == 0
    instance.until(lambda: not instance.left())
