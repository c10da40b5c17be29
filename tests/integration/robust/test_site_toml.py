"""The description of a machine that docs/ shows is one that an instance and resource-query take."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.integration.robust.program import BOURN, start
from tests.unit.sched_graph.graphs import jobspec, res, slot

PAGE = Path(__file__).parents[3] / "docs" / "graph-scheduler.md"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the page's example, in it a configuration that names it."""
    found = re.search(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    (tmp_path / "site.toml").write_text(found[1])
    (tmp_path / "bourn.toml").write_text('[resource]\npath = "site.toml"\nassume-up = true\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_an_instance_has_what_the_file_describes(site: Path) -> None:
    script = "; ".join(
        [
            f"{BOURN} resource list -no '{{nnodes}} {{ncores}} {{ngpus}} {{nodelist}}' -s free",
            f"{BOURN} submit -N9 true",
            f"{BOURN} submit -n1 -c25 true",
            f"{BOURN} submit -N7 --requires=gpu true",
            f"{BOURN} submit --requires=bigmem -N2 true",
        ]
    )
    found = start("-c", "bourn.toml", "--", "sh", "-c", script)
    assert found.stdout.splitlines()[0] == "8 384 8 fox[1-6],bear[1-2]"
    assert len(found.stdout.splitlines()) == 2
    assert [line.partition("error: ")[2] for line in found.stderr.splitlines()] == [
        "needs 9 nodes, the instance has 8",
        "needs 25 cores in a socket; the largest has 24",
        "needs 7 nodes that meet the constraints, the instance has 2",
    ]


def query(*commands: str) -> subprocess.CompletedProcess[str]:
    words = [BOURN, "resource-query", "-d", "-L", "site.toml", "-P", "low"]
    return subprocess.run(words, input="\n".join(commands), capture_output=True, text=True, timeout=60)


def test_resource_query_takes_it_by_its_name(site: Path) -> None:
    job = jobspec(
        [
            res("rack", 1, slot(1, res("node", 1, res("gpu", 4))), res("ssd", 1600, exclusive=True)),
            res("licence", 2, exclusive=True),
        ]
    )
    (site / "job.json").write_text(json.dumps(job))
    out = query("match allocate job.json").stdout
    names = [line.strip(" -").partition("[")[0] for line in out.splitlines() if line.endswith("x]")]
    assert names == [*(f"gpu{k}" for k in range(4)), "bear1", "ssd0", "ssd1", "matlab0", "matlab1"]


def test_a_mistake_in_it_is_told_with_its_line(site: Path) -> None:
    text = (site / "site.toml").read_text().replace("fox[1-6]", "fox[1-5]")
    (site / "site.toml").write_text(text)
    wrong = "site.toml: line 9: resource.graph[1].hosts: 5 names can't be shared out among 2 racks\n"
    assert query("quit").stderr == f": Runtime error: {wrong}"
    found = start("-c", "bourn.toml", "--", "true")
    assert (found.returncode, found.stderr) == (1, f"bourn-start: error: module 'resource': {wrong}")
