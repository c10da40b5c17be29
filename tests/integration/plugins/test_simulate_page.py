"""Runs what docs/simulate.md shows, and compares what it prints with what the page says."""

from __future__ import annotations

import fnmatch
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "simulate.md"


def blocks(text):
    """Return (language, file name, content) of each fenced block."""
    return re.findall(r"^```(\w+) ?(\S*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(content):
    """Return (command, expected lines) of a console block."""
    parts = re.split(r"^\$ (.*)\n", content, flags=re.MULTILINE)[1:]
    return list(zip(parts[::2], parts[1::2], strict=True))


def test_the_page(tmp_path):
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    ran = 0
    for language, name, content in blocks(PAGE.read_text(encoding="utf-8")):
        if name:
            (tmp_path / name).write_text(content, encoding="utf-8")
        if language != "console":
            continue
        for command, expected in commands(content):
            done = subprocess.run(
                ["bash", "-c", command],
                cwd=tmp_path,
                env=env,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                timeout=120,
            )
            said = done.stdout.splitlines()
            assert done.returncode == 0 or "error:" in expected, done.stdout
            for line in expected.splitlines():
                pattern = re.sub(r"([\[\]?])", r"[\1]", line)
                assert fnmatch.filter(said, pattern), f"$ {command}\n{done.stdout}\nlacks: {line}"
            ran += 1
    assert ran > 10
    for picture in ("gantt.svg", "usage.svg"):
        assert ElementTree.parse(tmp_path / picture).getroot().tag.endswith("svg")


def test_the_pictures_of_the_page_are_there():
    for name in re.findall(r"^!\[.*\]\((.*)\)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE):
        assert (PAGE.parent / name).is_file()
