"""Every piece of Python on docs/python-api.md and in the README runs as it stands."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.integration.client.pages_program import PYTHON

ROOT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent


def test_the_pages_examples_run(tmp_path):
    pages = [ROOT / "docs" / "python-api.md", ROOT / "README.md"]
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
    sleep = tmp_path / "bin" / "sleep"
    sleep.parent.mkdir()
    sleep.write_text("#!/bin/sh\necho slept $1\n")
    sleep.chmod(0o755)
    program = Path(__file__).with_name("pages_program.py")
    done = subprocess.run(
        [
            BIN / "bourn",
            "start",
            "--test-size=2",
            sys.executable,
            program,
            "one,two",
            *pages,
        ],
        env={**os.environ, "PATH": f"{sleep.parent}:{BIN}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    blocks = [code for page in pages for code in PYTHON.findall(page.read_text()) if "hookimpl" not in code]
    ran = [line for line in done.stdout.splitlines() if re.fullmatch(r"\S+\.md:\d+ runs", line)]
    assert len(ran) == len(blocks) > 6
    assert {path.name for path in tmp_path.iterdir()} == {"bin", "one.gz", "two.gz"}
