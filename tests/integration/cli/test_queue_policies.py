"""Queues over parts of one graph, each with policies of its own, in a real instance."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

from tests.integration.instance import BOURN

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """
[resource]
assume-up = true
config = [
    {hosts = "n[0-3]", cores = "0-1"},
    {hosts = "n[0-1]", properties = ["batch"]},
    {hosts = "n[2-3]", properties = ["debug"]},
]

[scheduler]
match-policy = "lonode"

[exec]
method = "mock"

[exec.mock]
run-duration = "1h"

[queues.batch]
requires = ["batch"]
queue-policy = "fcfs"

[queues.debug]
requires = ["debug"]
match-policy = "hinode"

[queues.all]
match-policy = "lonodex"
"""
SCRIPT = """
bourn queue start -a -q
show() {{
    id=$(bourn submit -q $1 -n1 -t 10m true)
    bourn job wait-event -q $id alloc
    bourn job info $id R
}}
show batch; show debug; show all; show debug; show batch
blocked=$(bourn submit -q batch -N2 -n2 --exclusive -t 1m true)
bourn submit -q batch -n1 -t 1m true >/dev/null
fits=$(bourn submit -q debug -n1 -t 1m true)
bourn job wait-event -q $fits alloc
bourn job explain $blocked | head -1 | cut -d: -f2
bourn jobs -n -f pending -o '{{queue}}' | sort | uniq -c
bourn cancel --all -q
"""


def test_each_queue_its_own(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(CONFIG)
    (tmp_path / "script").write_text(SCRIPT.format())
    done = subprocess.run(
        [BOURN, "start", "--config-path", str(tmp_path / "c.toml"), "sh", str(tmp_path / "script")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    lines = done.stdout.splitlines()
    placed = []
    for line in lines[:5]:
        execution = json.loads(line)["execution"]
        placed.append((execution["nodelist"][0], execution["R_lite"][0]["children"]["core"]))
    # Low nodes and cores in one queue, high ones in the other, whole nodes in the third; none is given twice.
    assert placed == [("n0", "0"), ("n3", "1"), ("n1", "0-1"), ("n3", "0"), ("n0", "1")]
    assert lines[5].split() == ["needs", "2", "nodes,", "none", "free"]
    assert lines[6].split() == ["2", "batch"]
