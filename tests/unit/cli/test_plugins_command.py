"""`bourn plugins`: the table, one plugin, JSON, and what goes wrong."""

from __future__ import annotations

import json

import pytest

from bourn.cli import plugins
from bourn.errors import BournError, ConfigError, PluginError

pytest_plugins = ["bourn.testing.plugin"]


@pytest.fixture(autouse=True)
def nowhere(monkeypatch):
    monkeypatch.delenv("BOURN_URI", raising=False)


def test_the_table_has_a_line_a_plugin(capsys):
    assert plugins.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["NAME", "GROUP", "STATE", "DISTRIBUTION", "VERSION", "REASON"]
    assert ["resource", "bourn.plugins", "loaded", "bourn"] in [line.split()[:4] for line in lines]


def test_a_broken_plugin_has_its_reason_in_the_table(installed, capsys):
    installed("1/0", name="site-broken", version="2.0")
    plugins.main([])
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("site-broken")]
    assert line.split(maxsplit=5)[2:] == [
        "import-error",
        "site-broken",
        "2.0",
        "ZeroDivisionError: division by zero",
    ]


def test_a_plugin_that_raises_when_called_is_told(installed, capsys):
    source = (
        "from bourn.hookspecs import hookimpl\n@hookimpl\ndef bourn_validators(): raise OSError('gone')\n"
    )
    installed(source, name="site-raises")
    plugins.main(["site-raises"])
    assert capsys.readouterr().out.splitlines()[-1] == "  error        bourn_validators: OSError: gone"


def test_json(capsys):
    plugins.main(["resource", "--json"])
    (record,) = json.loads(capsys.readouterr().out)
    assert (record["name"], record["state"]) == ("resource", "loaded")
    assert "resource" in record["provides"]["bourn_modules"]


def test_an_unknown_name():
    with pytest.raises(BournError, match=r"no plugin is named 'resorce'; did you mean 'resource'\?"):
        plugins.main(["resorce"])


def test_a_configuration_that_cannot_be_is_told_after_the_table(capsys):
    with pytest.raises(PluginError, match=r"plugin 'store' .* is blocked"):
        plugins.main(["store", "--conf", 'plugins.disable=["store"]', "--conf", 'plugins.require=["store"]'])
    assert capsys.readouterr().out.startswith("store: blocked: [plugins] disable names it")
    with pytest.raises(ConfigError, match="plugin 'stor' isn't installed; did you mean 'store'"):
        plugins.main(["--conf", 'plugins.disable=["stor"]'])
