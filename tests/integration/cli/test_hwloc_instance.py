"""An instance whose graph is hwloc's: of this machine, and of a made-up one with a GPU beside each socket."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.integration.instance import BOURN

if TYPE_CHECKING:
    from pathlib import Path

PACKAGE = """<object type="Package">{}<object type="NUMANode"/><object type="Bridge"><object type="PCIDev">
<object type="OSDev" name="cuda{}" osdev_type="5"/></object></object></object>"""
CORE = '<object type="Core"><object type="PU"/></object>'


def start(*options: str, script: str) -> str:
    done = subprocess.run(
        [BOURN, "start", *options, "sh", "-ec", script],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not shutil.which("lstopo") and not shutil.which("lstopo-no-graphics"), reason="no lstopo")
def test_this_machine() -> None:
    out = start(
        "--conf=scheduler.load-format=hwloc-live",
        "--conf=scheduler.match-policy=affinity",
        script="bourn run -n1 echo ok",
    )
    assert out == "ok\n"


def test_gpus_beside_their_cores(tmp_path: Path) -> None:
    packages = PACKAGE.format(CORE * 4, 0) + PACKAGE.format(CORE * 4, 1)
    (tmp_path / "top.xml").write_text(
        f'<topology version="2.0"><object type="Machine"><info name="HostName" value="n0"/>{packages}'
        "</object></topology>"
    )
    config = [
        '--conf=resource.config=[{hosts="n0",cores="0-7",gpus="0-1"}]',
        "--conf=resource.assume-up=true",
        "--conf=exec.method=mock",
        "--conf=exec.mock.run-duration=60",
        f"--conf=scheduler.load-file={tmp_path}/top.xml",
        "--conf=scheduler.match-policy=affinity",
    ]
    script = "for size in '-g1 -c2' '-c2' '-g1 -c4'; do id=$(bourn submit -n1 $size true); "
    script += "bourn job wait-event -q $id alloc; bourn job info $id R; done; bourn cancel --all"
    lines = start(*config, script=script).splitlines()
    found = [json.loads(line)["execution"]["R_lite"][0]["children"] for line in lines[:3]]
    assert found == [{"core": "0-1", "gpu": "0"}, {"core": "2-3"}, {"core": "4-7", "gpu": "1"}]
