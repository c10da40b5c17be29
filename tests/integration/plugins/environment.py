"""A fresh environment with a third party's distribution, for tests of what is installed."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

CONTRIB = Path(__file__).parents[3] / "contrib"
needs_pip = pytest.mark.skipif(
    not importlib.util.find_spec("hatchling") or not importlib.util.find_spec("pip"),
    reason="pip and hatchling are needed to build a distribution without a network",
)


class Environment:
    """A virtual environment that sees what this one has, and has one distribution of contrib/ more."""

    def __init__(self, folder: Path, distribution: str) -> None:
        self.folder = folder
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
        self.python = str(folder / "venv" / "bin" / "python")
        (site,) = (folder / "venv").glob("lib/python*/site-packages")
        ours = sysconfig.get_paths()["purelib"]
        (site / "ours.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith("BOURN_")}
        self.run(
            "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", str(CONTRIB / distribution)
        )
        assert list(site.glob(distribution.replace("-", "_") + "*"))

    def run(self, *words: str, stdin: str = "") -> str:
        done = subprocess.run(
            [self.python, *words],
            cwd=self.folder,
            env=self.environ,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def bourn(self, *words: str, stdin: str = "") -> str:
        program = "import sys; from bourn.cli.main import main; sys.exit(main())"
        return self.run("-c", program, *words, stdin=stdin)
