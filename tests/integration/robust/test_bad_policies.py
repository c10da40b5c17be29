"""Match and queue policies that raise or return nonsense: named, and scheduling goes on, in an instance as in
the simulator.
"""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from bourn.testing.distributions import fake_distribution
from tests.integration.robust.program import BOURN, Instance

if TYPE_CHECKING:
    from pathlib import Path

POLICIES = """
from bourn.hookspecs import hookimpl
from bourn.hookspecs.match_policy import MatchPolicySpec
from bourn.hookspecs.queue_policy import Ask, QueuePolicySpec


class Order:
    def order(self, vertex):
        raise ValueError("oops")


class Mixed:
    def order(self, vertex):
        return vertex.id if vertex.id % 2 else "even"


class Prefer:
    def prefer(self, state):
        raise ValueError("oops")


class Nothing:
    def prefer(self, state):
        return None


class Choose:
    def order(self, vertex):
        return vertex.id

    def choose(self, mask, count, groups):
        return 1 << 60


class Pass:
    def ask(self, job):
        raise ValueError("oops")

    def told(self, job, outcome):
        pass


class Words(Pass):
    def ask(self, job):
        return "allocate"


class Told(Pass):
    def ask(self, job):
        return Ask.RESERVE

    def told(self, job, outcome):
        raise ValueError("oops")


class Queue:
    def __init__(self, turn, key=lambda job: job.id):
        self.turn, self.key = turn, key

    def begin(self):
        return self.turn()

    def order(self, job):
        return self.key(job)


def oops(*_):
    raise ValueError("oops")


@hookimpl
def bourn_match_policies():
    for policy in (Order, Mixed, Prefer, Nothing, Choose):
        yield MatchPolicySpec(policy.__name__.lower(), lambda options, policy=policy: policy())


@hookimpl
def bourn_queue_policies():
    yield QueuePolicySpec("ask", lambda options: Queue(Pass))
    yield QueuePolicySpec("words", lambda options: Queue(Words))
    yield QueuePolicySpec("told", lambda options: Queue(Told))
    yield QueuePolicySpec("begin", lambda options: Queue(oops))
    yield QueuePolicySpec("key", lambda options: Queue(Told, oops))
    yield QueuePolicySpec("keys", lambda options: Queue(Told, lambda job: job.id if job.id % 2 else "even"))
"""
MATCH = {
    "order": "order() raised ValueError: oops",
    "mixed": "order() can't be sorted",
    "prefer": "prefer() raised ValueError: oops",
    "nothing": "prefer() returned None",
    "choose": "choose() must return 2 bits of the mask",
}
QUEUE = {
    "ask": "ask() raised ValueError: oops",
    "words": "ask(): returned 'allocate', no Ask",
    "told": "told() raised ValueError: oops",
    "begin": "begin() raised ValueError: oops",
    "key": "order() raised ValueError: oops",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("policies")
    fake_distribution(path, plugins={"bourn.policies": {"bad": "bad"}}, modules={"bad": POLICIES})
    sizes = [{"ncores": 1}, {"nnodes": 2}, {"nnodes": 3}, {"ncores": 2}, {"nnodes": 1}, {"nnodes": 2}]
    (path / "jobs.jsonl").write_text("".join(json.dumps({**size, "duration": 10}) + "\n" for size in sizes))
    return path


def simulate(folder: Path, *words: str) -> tuple[list[str], str]:
    """The states of the jobs of a trace, and what was said."""
    done = subprocess.run(
        [BOURN, "simulate", "jobs.jsonl", "--resources", "nodes=4,cores=2", "--json", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return [job["state"] for job in json.loads(done.stdout)["jobs"]] if done.stdout else [], done.stderr


@pytest.mark.parametrize("name", MATCH)
def test_the_simulator_goes_on_without_a_match_policy(folder: Path, name: str) -> None:
    states, said = simulate(folder, "--match-policy", name)
    assert states == ["completed"] * 6
    assert f"match policy {name} failed; going on by ids: {MATCH[name]}" in said


@pytest.mark.parametrize("name", [*QUEUE, "keys"])
def test_the_simulator_goes_on_without_a_queue_policy(folder: Path, name: str) -> None:
    states, said = simulate(folder, "--queue-policy", name)
    assert states == ["completed"] * 6
    if name == "keys":
        assert "queue policy keys failed; going on as easy: order(): keys can't be sorted" in said
    else:
        assert f"queue policy {name} failed; going on as easy: {QUEUE[name]}" in said


def test_the_simulator_refuses_if_that_is_wanted(folder: Path) -> None:
    (folder / "refuse.toml").write_text('[scheduler]\npolicy-fault = "refuse"\n')
    for words in (("--match-policy", "prefer"), ("--queue-policy", "ask"), ("--queue-policy", "key")):
        states, said = simulate(folder, "--config", "refuse.toml", *words)
        assert states == ["denied"] * 6
        assert "failed; its job is refused: " in said
    states, said = simulate(folder, "--config", "refuse.toml", "--match-policy", "order")
    assert states == []
    assert said == "bourn-simulate: error: match policy order failed: order() raised ValueError: oops\n"


CONFIG = """
[resource]
assume-up = true
config = [{hosts = "n[0-3]", cores = "0-1"}]

[exec]
method = "mock"

[queues.fine]
match-policy = "high"

[queues.prefer]
match-policy = "prefer"

[queues.ask]
queue-policy = "ask"

[queues.keys]
queue-policy = "keys"
match-policy = "choose"
"""


@pytest.mark.parametrize("mode", ["default", "refuse"])
def test_an_instance_goes_on(folder: Path, tmp_path: Path, mode: str) -> None:
    config = tmp_path / "c.toml"
    config.write_text(f'{CONFIG}\n[scheduler]\npolicy-fault = "{mode}"\n')
    env = {"PYTHONPATH": str(folder)}
    with Instance(tmp_path, "--config-path", str(config), env=env, cores="--conf=exec.linger=1") as instance:
        assert instance.bourn("queue start -a").returncode == 0
        for queue in ("fine", "prefer", "ask", "keys"):
            for size in ("-N2", "-N4"):
                done = instance.bourn(f"submit --wait -q {queue} {size} --exclusive true")
                refused = mode == "refuse" and queue in ("prefer", "ask")
                refused |= (mode, queue, size) == ("refuse", "keys", "-N2")
                assert (done.returncode != 0) == refused, (queue, size, done)
        log = instance.bourn("dmesg").stdout
        for text in (
            "match policy prefer failed",
            "prefer() raised ValueError: oops",
            "queue policy ask failed",
            "match policy choose failed",
        ):
            assert text in log
        assert "policy high" not in log
