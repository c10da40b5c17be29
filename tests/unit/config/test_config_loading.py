"""Configuration from files, directories and overrides, and the errors that a wrong one gives."""

from __future__ import annotations

from math import inf
from typing import Any, Literal

import pytest
from attrs import Factory, frozen

from bourn.config import Config, load_config
from bourn.config.tables import ExecTable, QueueTable, ResourceTable
from bourn.config.types import Seconds  # noqa: TC001  (resolved at run time)
from bourn.errors import ConfigError
from tests.imports import imported


@frozen
class Inner:
    deep_key: int = 0


@frozen
class Everything:
    number: float = 0.5
    wait: Seconds = 1.0
    mode: Literal["fast", "slow"] = "fast"
    either: int | str = 0
    maybe: int | None = None
    inner: Inner = Factory(Inner)
    many: list[Inner] = Factory(list)
    named: dict[str, Inner] = Factory(dict)
    free: dict[str, Any] = Factory(dict)


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def refusal(*overrides, known=None):
    with pytest.raises(ConfigError) as caught:
        load_config([], overrides, known=known or {})
    return caught.value.message


def test_nothing_gives_defaults():
    config = load_config()
    assert config.raw == {}
    assert config.table("exec", ExecTable) == ExecTable()
    assert config.table("queues", dict[str, QueueTable]) == {}


def test_an_empty_configuration_needs_no_cattrs():
    program = (
        "from bourn.config import load_config; from bourn.config.tables import TABLES, ExecTable;"
        "load_config(known={}).table('exec', ExecTable)"
    )
    assert not imported(program, ("cattrs", "tomllib"))


def test_later_sources_win_key_by_key(tmp_path):
    write(tmp_path / "10-site.toml", '[exec]\nmethod = "mock"\nkill-timeout = "5s"\n')
    write(tmp_path / "20-local.toml", "[exec]\nkill-timeout = 9\n")
    write(tmp_path / "ignored.txt", "nonsense")
    config = load_config([tmp_path], ["exec.kill-timeout=1m"])
    table = config.table("exec", ExecTable)
    assert (table.method, table.kill_timeout) == ("mock", 60.0)
    assert config.get("exec.method") == "mock"
    assert config.get("exec.no-such", 7) == 7


def test_arrays_are_replaced_and_sources_stay_as_they_were(tmp_path):
    first = write(tmp_path / "a.toml", '[plugins]\ndisable = ["x"]\n[plugin.y]\na = 1\n')
    second = write(tmp_path / "b.toml", '[plugins]\ndisable = ["z"]\n[plugin.y]\nb = 2\n')
    config = load_config([first, second])
    assert config.raw == {"plugins": {"disable": ["z"]}, "plugin": {"y": {"a": 1, "b": 2}}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a.b=5", 5),
        ("a.b=true", True),
        ("a.b=[1, 2]", [1, 2]),
        ('a.b="x y"', "x y"),
        ("a.b=word", "word"),
        ("a.b=1h", "1h"),
        ("a.b=/some/path", "/some/path"),
        ("a.b={c = 1}", {"c": 1}),
        ('a."b"=1', 1),
    ],
)
def test_overrides(text, value):
    assert load_config([], [text]).get("a.b") == value


def test_an_override_may_be_a_file(tmp_path):
    assert load_config([], [str(write(tmp_path / "x.toml", "[a]\nb = 1\n"))]).get("a.b") == 1


@pytest.mark.parametrize("text", ["=1", "a..b=1", ".a=1", "a.=1", "a.b=", "a.b=[1", "a.b=x y"])
def test_wrong_overrides_are_named(text):
    message = refusal(text)
    assert message.startswith(f"--conf {text}: ")


def test_dotted_tables_and_free_tables_for_plugins(tmp_path):
    @frozen
    class Rules:
        projects: tuple[str, ...] = ()

    config = load_config([], ["plugin.has-project.projects=['a']", "modules.sched=sched-simple"], known={})
    assert config.table("plugin.has-project", Rules) == Rules(("a",))
    assert config.table("modules", dict[str, str]) == {"sched": "sched-simple"}


# Errors


def test_broken_toml_names_line_and_column(tmp_path):
    path = write(tmp_path / "bad.toml", "[exec]\nmethod = \n")
    with pytest.raises(ConfigError) as caught:
        load_config([path])
    assert caught.value.message == f"{path}:2:10: Invalid value"


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.toml: No such file or directory"):
        load_config([tmp_path / "none.toml"])
    path = tmp_path / "latin.toml"
    path.write_bytes(b"[exec]\nmethod = '\xe9'\n")
    with pytest.raises(ConfigError, match=r"latin\.toml: not UTF-8 at byte 17"):
        load_config([path])


def test_an_unknown_key_names_file_line_table_and_the_nearest(tmp_path):
    path = write(tmp_path / "a.toml", '# a note\n[exec]\nmethod = "mock"\n\nkill-timout = "5s"\n')
    with pytest.raises(ConfigError) as caught:
        load_config([path], known={})
    assert caught.value.message == f"{path}:5: exec.kill-timout: unknown key; did you mean 'kill-timeout'?"


def test_the_place_is_that_of_the_last_file_that_says_it(tmp_path):
    write(tmp_path / "1.toml", "[exec]\nmax-kill-count = 3\n")
    path = write(tmp_path / "2.toml", "\n\n[exec]\nmax-kill-count = '3'\n")
    with pytest.raises(ConfigError) as caught:
        load_config([tmp_path], known={})
    assert caught.value.message == f"{path}:4: exec.max-kill-count: must be a whole number, not '3'"


def test_an_element_of_an_array_of_tables(tmp_path):
    text = '[[resource.config]]\nhosts = "a"\n\n[[resource.config]]\nhosts = "b"\ncores = 16\n'
    path = write(tmp_path / "r.toml", text)
    with pytest.raises(ConfigError) as caught:
        load_config([path], known={})
    assert caught.value.message == f"{path}:6: resource.config[1].cores: must be a text, not 16"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("resorce.path=x", "resorce: unknown table; did you mean 'resource'?"),
        ("exec=5", "exec: must be a table, not 5"),
        ("plugins.disable=store", "plugins.disable: must be an array, not 'store'"),
        ("plugins.disable=[1]", "plugins.disable[0]: must be a text, not 1"),
        ("resource.verify=1", "resource.verify: must be true or false, not 1"),
        ("exec.max-kill-count=true", "exec.max-kill-count: must be a whole number, not true"),
        ("exec.kill-timeout=soon", "exec.kill-timeout: 'soon' is not a duration"),
        ("exec.kill-timeout=[]", 'exec.kill-timeout: must be seconds or a text such as "5m", not []'),
        ("queues.debug.polcy.x=1", "queues.debug.polcy: unknown key; did you mean 'policy'?"),
        ("queues.debug=1", "queues.debug: must be a table, not 1"),
        ("resource.config=[{cores='0'}]", "resource.config[0].hosts: is missing"),
        ("modules.sched=1", "modules.sched: must be a text, not 1"),
    ],
)
def test_wrong_values_say_what_would_be_right(override, message):
    assert refusal(override).startswith(f"--conf {override}: {message}")


def test_every_kind_of_field():
    raw = {
        "number": 2,
        "wait": "inf",
        "mode": "slow",
        "either": "x",
        "maybe": 3,
        "inner": {"deep-key": 1},
        "many": [{"deep-key": 2}],
        "named": {"a_b": {"deep-key": 3}},
        "free": {"x": [1, {"y": 2}]},
    }
    found = Config({"t": raw}).table("t", Everything)
    assert found == Everything(
        2.0, inf, "slow", "x", 3, Inner(1), [Inner(2)], {"a_b": Inner(3)}, {"x": [1, {"y": 2}]}
    )
    for key, value, text in (
        ("mode", "medium", "t.mode: must be 'fast' or 'slow', not 'medium'"),
        ("either", [], "t.either: must be a text, not []"),
        ("maybe", "x", "t.maybe: must be a whole number, not 'x'"),
        ("named", {"q": {"deep_key": 1}}, "t.named.q.deep_key: unknown key; did you mean 'deep-key'?"),
        ("many", [{}, {"deep-key": None}], "t.many[1].deep-key: must be a whole number, not None"),
    ):
        with pytest.raises(ConfigError) as caught:
            Config({"t": {**raw, key: value}}).table("t", Everything)
        assert caught.value.message == text


def test_a_table_is_read_once():
    config = Config({"resource": {"verify": True}})
    assert config.table("resource", ResourceTable) is config.table("resource", ResourceTable)
