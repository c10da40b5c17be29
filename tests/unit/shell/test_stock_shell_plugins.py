"""The stock shell plugins keep the contract."""

import pytest

from bourn.shell.plugins import load_plugins
from bourn.testing import check_shell_plugin

PLUGINS, NOTES = load_plugins()
OPTIONS = {
    "affinity": {"cpu-affinity": "per-task"},
    "doom": {"exit-timeout": "1s", "exit-on-error": 1},
    "env-expand": {"env-expand": {"X": "{{id}}-{{taskid}}"}},
    "input": {"input": {"stdin": {"type": "service"}}},
    "output": {"output": {"limit": "1M"}},
    "rlimit": {"rlimit": {"nofile": 100}},
    "gpu-affinity": {"gpu-affinity": "map:0;1"},
    "pmi": {"pmi": "simple"},
    "pty": {"pty": {"interactive": 1, "rows": 50}},
    "taskmap": {"taskmap": {"scheme": "manual", "value": "[[0,1,2,1]]"}},
    "signal": {"signal": {"signum": 10}},
    "oom": {"oom": {"adjust": 100}},
    "stage-in": {"stage-in": {"names": "one,two", "destination": "global:/tmp/x"}},
    "pmix": {"pmi": "pmix"},
}


def test_they_are_all_there_and_say_nothing():
    assert {plugin.name for plugin in PLUGINS} >= {"environment", *OPTIONS}
    assert NOTES == []


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)
def test_conformance(plugin):
    check_shell_plugin(plugin, OPTIONS.get(plugin.name))


def test_one_can_be_switched_off():
    names = [plugin.name for plugin in load_plugins(disable=["doom"])[0]]
    assert "doom" not in names
    assert "output" in names
