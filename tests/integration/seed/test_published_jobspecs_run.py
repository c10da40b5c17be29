"""The published example jobspecs run in real instances, on what the matcher alone gives them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
import yaml

import bourn
from bourn_plugins.sched_graph.questions import graph_document
from tests.cases.test_published_jobspecs import CASES, FOLDER, needs_examples

from .conftest import Site, running

if TYPE_CHECKING:
    from pathlib import Path

    from bourn_plugins.sched_graph.resources.graph import ResourceGraph

Instance = Callable[["Callable[[], ResourceGraph]"], Site]


REFUSED = {"spec_14/use_case_2.8": "dependency scheme 'fluid' is unknown; there are: after,"}
"""What no instance can run, and what it says."""


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """An instance for each machine, with a broker a node; the last one that was asked for runs on."""
    found: dict[str, Site] = {}
    with ExitStack() as stack:

        def of(make: Callable[[], ResourceGraph]) -> Site:
            name = make.__name__
            if name not in found:
                stack.close()
                found.clear()
                folder = tmp_path_factory.mktemp(name)
                graph = make()
                (folder / "graph.json").write_text(graph_document(graph))
                last = len(graph.nodes()) - 1
                options = [f"--test-size={last + 1}"]
                for setting in (
                    f'resource.config=[{{hosts="n[0-{last}]",cores="0"}}]',
                    f"scheduler.load-file={folder / 'graph.json'}",
                    "scheduler.load-format=jgf",
                    "scheduler.match-policy=low",
                ):
                    options += ["--conf", setting]
                found[name] = stack.enter_context(running(folder, *options))
            return found[name]

        yield of


@needs_examples
@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(CASES, key=lambda name: CASES[name][0].__name__))
def test_published_jobspec_runs(name: str, instance: Instance, tmp_path: Path) -> None:
    make, cores, _ = CASES[name]
    site = instance(make)
    spec: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    for number, task in enumerate(spec["tasks"]):
        task["command"] = ["sh", "-c", f"echo {number} $FOO $BAR"]
    del spec["attributes"]["system"]["cwd"]
    (tmp_path / "job.json").write_text(json.dumps(spec))
    if name in REFUSED:
        refused = site("bourn", "job", "submit", tmp_path / "job.json")
        assert (refused.returncode, REFUSED[name] in refused.stderr) == (1, True)
        return
    id = site.ok("bourn", "job", "submit", tmp_path / "job.json")
    lines = site.lines("bourn", "job", "attach", id)
    assert {line.split()[0] for line in lines} == {str(number) for number in range(len(spec["tasks"]))}
    with bourn.Handle(site.uri) as h:
        R = bourn.job.lookup(h, bourn.JobID.parse(id), "R")
    assert {entry["rank"]: entry["children"].get("core", "") for entry in R["execution"]["R_lite"]} == cores
