"""A third party's match policy, installed by pip into a fresh environment and named in TOML: an instance, the
simulator and resource-query use it.
"""

from __future__ import annotations

import json

import pytest

from tests.integration.plugins.environment import Environment, needs_pip

GRAPH = """
[[resource.graph]]
type = "node"
name = "warm"
hosts = "n0"
properties = ["inlet=27.5"]

[[resource.graph]]
type = "node"
name = "cool"
hosts = "n1"
properties = ["inlet=21"]

[[resource.graph]]
type = "core"
in = "warm"
name = "c0"
count = 2

[[resource.graph]]
type = "core"
in = "cool"
name = "c1"
count = 2
"""
CONFIG = """
[resource]
assume-up = true
config = [{hosts = "n[0-1]", cores = "0-1"}]

[scheduler]
match-policy = "coolest"
load-file = "graph.toml"

[exec]
method = "mock"
"""

pytestmark = needs_pip


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    folder = tmp_path_factory.mktemp("third-party")
    (folder / "graph.toml").write_text(GRAPH)
    (folder / "config.toml").write_text(CONFIG)
    return Environment(folder, "bourn-example-match-policy")


def test_an_instance_uses_it(environment: Environment) -> None:
    program = "id=$({0} submit -n1 true); {0} job wait-event -q $id alloc; {0} job info $id R"
    command = f'{environment.python} -c "from bourn.cli.main import main; import sys; sys.exit(main())"'
    out = environment.bourn(
        "start", "--config-path", "config.toml", "--", "sh", "-c", program.format(command)
    )
    assert json.loads(out)["execution"]["nodelist"] == ["n1"]


def test_the_simulator_uses_it(environment: Environment) -> None:
    jobs = [{"ncores": 2, "duration": 10}, {"ncores": 2, "duration": 10}]
    (environment.folder / "jobs.jsonl").write_text("".join(json.dumps(job) + "\n" for job in jobs))
    words = ("simulate", "jobs.jsonl", "--resources", "graph.toml", "--json", "--speed-independent")
    found = json.loads(environment.bourn(*words, "--match-policy", "coolest"))
    assert [job["ranks"] for job in found["jobs"]] == ["1", "0"]


def test_resource_query_uses_it(environment: Environment) -> None:
    task = {"command": ["true"], "slot": "s", "count": {"per_slot": 1}}
    slot = {"type": "slot", "count": 1, "label": "s", "with": [{"type": "core", "count": 1}]}
    job = {"version": 1, "resources": [slot], "tasks": [task], "attributes": {}}
    (environment.folder / "job.json").write_text(json.dumps(job))
    out = environment.bourn(
        *("resource-query", "-d", "-L", "graph.toml", "-f", "toml-graph", "-P", "coolest"),
        stdin="match allocate job.json\n",
    )
    assert "n1[1:s]" in out
