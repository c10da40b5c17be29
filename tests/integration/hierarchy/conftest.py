from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

import bourn
from bourn.model.jobspec_build import from_command
from tests.integration.instance import Instance, environment, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ENV = environment()


class Tree:
    """A running instance with children, its process, and shorthands for what tests ask of it."""

    def __init__(self, process: subprocess.Popen[str], uri: str, folder: Path) -> None:
        self.process = process
        self.uri = uri
        self.folder = folder
        self.h = bourn.Handle(uri)

    def submit(self, command: str, count: int = 1, **shape: Any) -> list[int]:
        """Submit a shell command so many times; return the ids."""
        system = shape.pop("system", {})
        spec = from_command(
            ["sh", "-c", command], cwd=self.folder, environment={"PATH": "/usr/bin:/bin"}, **shape
        )
        spec["attributes"]["system"].update(system)
        payload = {"jobspecs": [spec], "jobs": [{"jobspec": 0, "flags": 4}] * count}
        ids: list[int] = self.h.rpc("job-ingest.submit", payload).get()["ids"]
        return ids

    def results(self, ids: list[int]) -> list[str]:
        """Wait for the ends of jobs; return their statuses."""
        for id in ids:
            bourn.job.event_wait(self.h, id, "clean")
        return [str(bourn.job.job_list_id(self.h, id).status) for id in ids]

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.h.rpc("hierarchy.status").get()
        return found

    def children(self, state: str = "up") -> list[dict[str, Any]]:
        return [child for child in self.status()["children"] if child["state"] == state]

    def wait_for(self, count: int, state: str = "up") -> list[dict[str, Any]]:
        """Wait until so many children are in a state."""
        self.until(lambda: len(self.children(state)) == count)
        return self.children(state)

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something is true."""
        until(condition, self.status)

    def events(self, id: int) -> list[str]:
        return [event.name for event in bourn.job.event_watch(self.h, id)]

    def pid(self, child: dict[str, Any]) -> int:
        """Return the process of a child's broker."""
        with bourn.Handle(child["uri"]) as below:
            return int(below.attr_get("broker.pid"))

    def run(self, *command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        env = ENV | {"BOURN_URI": self.uri}
        done = subprocess.run(
            command, env=env, cwd=self.folder, input=stdin, text=True, capture_output=True, check=False
        )
        assert "Traceback" not in done.stderr
        return done


@contextmanager
def grown(
    folder: Path, *conf: str, cores: str = "0-3", statedir: Path | None = None, size: int = 1
) -> Iterator[Tree]:
    """Start an instance on made-up nodes; each of `conf` is a key of `[hierarchy]`."""
    hosts = f"n[0-{size - 1}]" if size > 1 else "n0"
    resources = f'resource.config=[{{hosts="{hosts}",cores="{cores}"}}]'
    options = [f"--test-size={size}", f"--conf={resources}", *(f"--conf=hierarchy.{item}" for item in conf)]
    options += [f"-Sstatedir={statedir}"] if statedir else []
    instance = Instance(None, *options)
    tree = Tree(instance.process, instance.uri, folder)
    try:
        yield tree
    finally:
        tree.h.close()
        said = instance.end()
    assert "Traceback" not in said


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tree]:
    """An instance of four cores with two children."""
    with grown(tmp_path_factory.mktemp("two"), 'shape="2"') as tree:
        tree.wait_for(2)
        yield tree
