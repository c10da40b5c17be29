"""The job scripts of docs/examples, on one node and across several."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Site


def output(site: Site, id: str) -> list[str]:
    """Wait for all jobs; return what the script of one printed."""
    site.ok("bourn", "queue", "drain")
    return (site.cwd / f"bourn-{id}.out").read_text().splitlines()


@pytest.mark.parametrize("nodes", [1, 4])
def test_the_conventional_script(site: Site, nodes: int) -> None:
    id = site.ok("conventional.sh", NODES=str(nodes), CORES="4", APP="sh -c 'echo task'")
    assert output(site, id) == ["task"] * (4 * nodes)


@pytest.mark.parametrize("nodes", [1, 4])
def test_the_emerging_script(site: Site, nodes: int) -> None:
    """The outer script waits for all that it submitted; each part has the nodes and cores it asked for."""
    id = site.ok("emerging.sh", NODES=str(nodes), CORES="4", GPUS="1")
    parts = output(site, id)
    assert len(parts) == 3
    assert site.ok("bourn", "jobs", "-a", "-n", "-o", "{result}", id) == "COMPLETED"
    last = [(site.cwd / f"bourn-{part}.out").read_text().splitlines()[-1] for part in parts]
    wanted = {1: (1, 1, 1), 4: (4, 3, 1)}[nodes]
    assert last == [
        f"{name}: {2 * n} members on {n} nodes"
        for name, n in zip(("docking", "simulating", "learning"), wanted, strict=True)
    ]


def test_a_job_of_one_instance_submits_into_another(site: Site) -> None:
    id = site.ok("bourn", "alloc", "--bg", "-n2")
    retraining = site.ok("retrain.sh", id)
    assert (site.cwd / f"bourn-{retraining}.out").read_text() == "retraining in a new instance\n"
    assert site.ok("bourn", "proxy", id, "bourn", "jobs", "-a", "-n", "-o", "{id}") == retraining
    site.ok("bourn", "cancel", id)
    site.ok("bourn", "queue", "drain")
