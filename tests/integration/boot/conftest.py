from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

BIN = Path(sys.executable).parent


class Result(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def sh(tmp_path: Path) -> Callable[..., Result]:
    """Runs a script outside of any instance, where `bourn` is on the PATH."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("BOURN", "PMI"))}
    env["PATH"] = f"{BIN}:{env['PATH']}"

    def run(script: str, **more: str) -> Result:
        done = subprocess.run(
            ["sh", "-c", script],
            env={**env, **more},
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Result(done.returncode, done.stdout, done.stderr)

    return run
