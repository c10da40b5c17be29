"""Real instances in processes of their own, and commands in them as a user types them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

import bourn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["BIN", "BOURN", "Commands", "Instance", "Result", "Shell", "environment", "until"]

BIN = Path(sys.executable).parent
BOURN = str(BIN / "bourn")
SECONDS = 60.0
"""A deadline only ends a test that has failed."""


class Result(NamedTuple):
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


def environment(**more: str) -> dict[str, str]:
    """Return an environment outside of any instance or allocation, where `bourn` is on the PATH."""
    outer = ("BOURN", "PMI", "SLURM", "XDG_RUNTIME_DIR")
    env = {name: value for name, value in os.environ.items() if not name.startswith(outer)}
    return {**env, "PATH": f"{BIN}:{env['PATH']}", "COLUMNS": "120", **more}


def until(
    condition: Callable[[], object], what: Callable[[], object] = lambda: "", seconds: float = SECONDS
) -> None:
    """Wait for something that other processes do; `what` says more when it never happens."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it never was: {what()}"
        time.sleep(0.01)


class Shell:
    """Runs scripts in a folder and an environment; none may end in a traceback."""

    def __init__(self, cwd: Path | None, **env: str) -> None:
        self.cwd = cwd
        self.env = environment(**env)

    def __call__(self, line: str, *, stdin: str | bytes = b"", **env: str) -> Result:
        return self.run(*self.split(line), stdin=stdin, **env)

    def split(self, line: str) -> Sequence[str]:
        return ["sh", "-c", line]

    def run(self, *words: str | Path, stdin: str | bytes = b"", **env: str) -> Result:
        """Run a program."""
        done = subprocess.run(
            words,
            env={**self.env, **env},
            cwd=self.cwd,
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
        result = Result(done.returncode, done.stdout.decode(), done.stderr.decode())
        assert "Traceback" not in result.err, result.err
        return result

    def ok(self, line: str, *, stdin: str | bytes = b"") -> str:
        """Run what must succeed; return what it printed, stripped."""
        found = self(line, stdin=stdin)
        assert found.code == 0, found
        return found.out.strip()

    def write(self, name: str, text: str) -> Path:
        """Write a script."""
        path = (self.cwd or Path.cwd()) / name
        path.write_text(text)
        path.chmod(0o755)
        return path


class Commands(Shell):
    """Runs `bourn` with the words of a line, split at blanks."""

    def split(self, line: str) -> Sequence[str]:
        return [BOURN, *line.split()]

    def words(self, *words: str, stdin: str | bytes = b"") -> Result:
        """Run `bourn` with words that have blanks."""
        return self.run(BOURN, *words, stdin=stdin)

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Run `bourn` beside the test."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [BOURN, *words], env=self.env, cwd=self.cwd, stdin=pipe, stdout=pipe, stderr=pipe
        )


class Instance(Commands):
    """An instance that lives until it is ended, and commands in it. `with` expects that it ends well."""

    def __init__(
        self,
        folder: Path | None,
        *options: str | Path,
        cwd: Path | None = None,
        under: Sequence[str] = (),
        **env: str,
    ) -> None:
        """Start it, and wait until it takes commands.

        Args:
            folder: where all files of the instance are to lie; None: where they lie by themselves.
            options: of `bourn start`.
            cwd: where commands run; by default where the test does.
            under: the words of a command that runs the instance, as on another host.
            env: more environment of its brokers and of commands.
        """
        super().__init__(cwd, **({"TMPDIR": str(folder)} if folder else {}), **env)
        self.folder = folder
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # end() closes it
        self.process = subprocess.Popen(
            [*under, BOURN, "start", *options, "--", "sh", "-c", "echo $BOURN_URI; exec cat"],
            env=self.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        assert self.process.stdout is not None
        self.uri = self.process.stdout.readline().strip()
        assert self.uri, f"no instance: {self.end()}"
        self.env["BOURN_URI"] = self.uri

    @cached_property
    def handle(self) -> bourn.Handle:
        """A connection that lives as long as the instance."""
        return bourn.Handle(self.uri)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        said = self.end()
        assert "Traceback" not in said, said
        assert failed or self.process.returncode == 0, said

    def end(self) -> str:
        """End the instance as its user would; return what it wrote to standard error."""
        if "handle" in vars(self):
            self.handle.close()
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(SECONDS)
        with self._errors as file:
            file.seek(0)
            return file.read().decode()

    def shell(self, cwd: Path) -> Shell:
        """Return what runs scripts in the instance."""
        return Shell(cwd, BOURN_URI=self.uri)

    def pid(self, rank: int) -> int:
        """Return the process of a rank."""
        return int(self._attr("broker.pid", rank))

    def uri_of(self, rank: int) -> str:
        """Return the address of a rank."""
        return self._attr("local-uri", rank)

    def _attr(self, name: str, rank: int) -> str:
        return str(self.handle.rpc("attr.get", {"name": name}, nodeid=rank).get()["value"])

    def until(self, condition: Callable[[], object]) -> None:
        """Wait until something is true."""
        until(condition)

    def left(self) -> list[str]:
        """Return the files and the processes that there are of an instance with a folder of its own."""
        assert self.folder is not None
        mark = f"TMPDIR={self.folder}\0".encode()
        # What goes away meanwhile is no error to os.walk.
        found = [f"{at}/{name}" for at, below, files in os.walk(self.folder) for name in (*below, *files)]
        for proc in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (proc / "environ").read_bytes():
                    found.append((proc / "cmdline").read_text())
            except OSError:
                continue
        return [what for what in found if what]
