"""Does what the tutorials on plugins say, word for word, with pip told to do without a network."""

from __future__ import annotations

import fnmatch
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = {"tutorial-validator": "site-rules", "tutorial-distribution-policy": "by-length"}

pytestmark = pytest.mark.skipif(
    not importlib.util.find_spec("hatchling") or not importlib.util.find_spec("pip"),
    reason="pip and hatchling are needed to build a distribution without a network",
)


def blocks(text):
    """Return (information, content) of each fenced block."""
    return re.findall(r"^```(\w+(?: \S+)?)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(content):
    """Return (command, expected output) of a console block."""
    parts = re.split(r"^\$ (.*)\n", content, flags=re.MULTILINE)[1:]
    return list(zip(parts[::2], parts[1::2], strict=True))


def environment(folder, own_code=""):
    """Return an environment in which pip installs into a folder that Python looks into."""
    site = folder / "installed"
    own = {name: value for name, value in os.environ.items() if not name.startswith("BOURN_")}
    return own | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(site), str(folder / own_code)]),
        "PIP_TARGET": str(site),
        "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "false",  # pip's way to say yes
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_QUIET": "1",
    }


@pytest.mark.parametrize("page", PAGES)
def test_the_tutorial(page, tmp_path):
    ran = 0
    for information, content in blocks((ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")):
        language, _, name = information.partition(" ")
        if name:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(content, encoding="utf-8")
        elif language == "console":
            for command, expected in commands(content):
                check(command, expected, tmp_path, PAGES[page])
                ran += 1
    assert ran >= 5


def check(command, expected, folder, own_code):
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment(folder, own_code),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
    )
    for line in expected.splitlines():
        pattern = re.sub(r"([\[\]?*])", r"[\1]", line).replace("...", "*")
        found = any(fnmatch.fnmatchcase(said, pattern) for said in done.stdout.splitlines())
        assert found, f"$ {command}\n{done.stdout}\nlacks: {line}"
    if not expected:
        assert done.returncode == 0, f"$ {command}\n{done.stdout}"


def test_the_example_distribution_passes_its_own_tests(tmp_path):
    example = ROOT / "contrib" / "bourn-example-validator"
    env = environment(tmp_path)
    subprocess.run([sys.executable, "-m", "pip", "install", str(example)], env=env, check=True, timeout=120)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(example / "tests")],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
