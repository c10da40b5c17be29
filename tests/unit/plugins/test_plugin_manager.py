"""What becomes of each plugin, and how hooks are called; distributions are fakes that look installed."""

from __future__ import annotations

import types

import pytest

from bourn.config import Config
from bourn.errors import ConfigError, PluginError
from bourn.hookspecs import hookimpl
from bourn.hookspecs.ingest import Validator, bourn_validators
from bourn.plugins import PluginManager, PluginState

pytest_plugins = ["bourn.testing.plugin"]

GOOD = """
from bourn.hookspecs import hookimpl
from bourn.hookspecs.ingest import Validator

@hookimpl
def bourn_validators():
    yield Validator("{name}", lambda jobspec, info: None)
"""


def load(installed, **plugins):
    manager = PluginManager()
    manager.load(Config({"plugins": plugins}), path=installed.path)
    return manager


def states(manager):
    return {record.name: str(record.state) for record in manager.records}


def only(manager):
    (record,) = manager.records
    return record


def plugin(*validators, **attributes):
    """A plugin as an object; `validators` are what its hook returns."""
    module = types.ModuleType(attributes.pop("name", "local"))

    @hookimpl
    def bourn_validators():
        return validators

    module.bourn_validators = bourn_validators
    vars(module).update(attributes)
    return module


def accept(name):
    return Validator(name, lambda jobspec, info: None)


# The six states


def test_loaded(installed):
    installed(GOOD.format(name="project"), name="site-rules", version="2.1")
    record = only(load(installed))
    assert (record.state, record.reason) == (PluginState.LOADED, "")
    assert record.hooks == ("bourn_validators",)
    assert str(record) == "plugin 'site-rules' (site-rules 2.1)"


def test_blocked_is_not_imported(installed):
    installed("raise RuntimeError('imported')", name="bad")
    record = only(load(installed, disable=["bad"]))
    assert (record.state, record.reason) == (PluginState.BLOCKED, "[plugins] disable names it")


def test_incompatible_is_not_imported(installed):
    installed("raise RuntimeError('imported')", name="future", requires=("bourn>=99",))
    record = only(load(installed))
    assert record.state is PluginState.INCOMPATIBLE
    assert record.reason.startswith("future 1.0 needs bourn>=99, this is bourn ")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_module_anywhere", "ModuleNotFoundError: No module named 'no_such_module_anywhere'"),
        ("1/0", "ZeroDivisionError: division by zero"),
        ("import sys; sys.exit(3)", "it called sys.exit(3)"),
        ("def f(:", "SyntaxError: invalid syntax"),
    ],
)
def test_import_error(installed, source, reason):
    installed(source, name="broken")
    record = only(load(installed))
    assert record.state is PluginState.IMPORT_ERROR
    assert record.reason.startswith(reason)


def test_import_error_of_a_missing_attribute(installed):
    installed("", name="broken", plugins={"bourn.plugins": {"broken": "module_of_broken:Plugin"}})
    record = only(load(installed))
    assert record.state is PluginState.IMPORT_ERROR
    assert "no attribute 'Plugin'" in record.reason


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("", "it implements no hook"),
        (
            "@hookimpl\ndef bourn_validator(): ...",
            "no such hook: bourn_validator; did you mean 'bourn_validators'?",
        ),
        ("@hookimpl\ndef validators(): ...", "no such hook: validators; did you mean 'bourn_validators'?"),
        ("def bourn_validators(): ...", "bourn_validators lacks the decorator @hookimpl"),
        ("@hookimpl\nasync def bourn_validators(): ...", "bourn_validators: a hook is synchronous"),
        (
            "@hookimpl(wrapper=True)\ndef bourn_validators(): yield",
            "bourn_validators: hooks here register objects",
        ),
        (
            "@hookimpl\ndef bourn_validators(config): ...",
            "Plugin 'bourn.plugins:odd' for hook 'bourn_validators'",
        ),
    ],
)
def test_invalid(installed, source, reason):
    installed(f"from bourn.hookspecs import hookimpl\n{source}", name="odd")
    record = only(load(installed))
    assert record.state is PluginState.INVALID
    assert record.reason.startswith(reason)
    assert "\n" not in record.reason


def test_an_invalid_plugin_leaves_nothing_behind(installed):
    installed(
        GOOD.format(name="x") + "\n@hookimpl\ndef bourn_modules(config): ...\n",
        name="half",
    )
    manager = load(installed)
    assert states(manager) == {"half": "invalid"}
    assert manager.collect(bourn_validators) == []


def test_duplicate_name_says_whose(installed):
    installed(GOOD.format(name="a"), name="site-a", plugin="rules")
    installed(GOOD.format(name="b"), name="site-b", plugin="rules")
    manager = load(installed)
    first, second = manager.records
    assert (first.state, second.state) == (PluginState.LOADED, PluginState.DUPLICATE)
    assert second.reason == "its name is that of plugin 'rules' (site-a 1.0)"
    assert list(manager.named(bourn_validators)) == ["a"]


def test_duplicate_object(installed):
    installed(
        GOOD.format(name="a"),
        name="site",
        plugins={"bourn.plugins": {"a": "module_of_site", "b": "module_of_site"}},
    )
    record = load(installed).records[1]
    assert record.state is PluginState.DUPLICATE
    assert record.reason == "it is the same object as plugin 'a' (site 1.0)"


def test_one_name_in_two_groups_is_no_clash(installed):
    installed(GOOD.format(name="a"), name="site-a", plugin="pack")
    installed(GOOD.format(name="b"), name="site-b", plugin="pack", group="bourn.policies")
    assert [str(r.state) for r in load(installed).records] == ["loaded", "loaded"]


def test_a_plugin_may_target_a_hook_of_a_newer_bourn(installed):
    installed(GOOD.format(name="x") + "\n@hookimpl(optionalhook=True)\ndef bourn_telepathy(): ...\n")
    assert only(load(installed)).hooks == ("bourn_validators",)


def test_a_plugin_for_newer_hooks_only_is_loaded(installed):
    installed(
        "from bourn.hookspecs import hookimpl\n@hookimpl(optionalhook=True)\ndef bourn_telepathy(): ...\n"
    )
    record = only(load(installed))
    assert (record.state, record.hooks) == (PluginState.LOADED, ())


def test_broken_plugins_do_not_stop_the_others(installed, caplog):
    installed("1/0", name="broken")
    installed("", name="empty")
    installed(GOOD.format(name="fine"), name="fine")
    manager = load(installed)
    assert states(manager) == {"broken": "import-error", "empty": "invalid", "fine": "loaded"}
    assert list(manager.named(bourn_validators)) == ["fine"]
    assert "plugin 'broken' (broken 1.0) is import-error: ZeroDivisionError: division by zero" in caplog.text


# [plugins]


def test_order(installed):
    for name in ("a", "b", "c"):
        installed(GOOD.format(name=name), name=name)
    assert list(load(installed).named(bourn_validators)) == ["a", "b", "c"]
    for_c = load(installed, order=["c", "b"])
    assert list(for_c.named(bourn_validators)) == ["c", "b", "a"]


def test_shell_plugins_are_for_the_shell_host(installed):
    installed(GOOD.format(name="a"), name="a", group="bourn.shell_plugins")
    manager = load(installed)
    assert manager.records == []
    manager.load(groups=["bourn.shell_plugins"], path=installed.path)
    assert states(manager) == {"a": "loaded"}


@pytest.mark.parametrize("key", ["disable", "require", "order"])
def test_unknown_names_are_errors(installed, key):
    installed(GOOD.format(name="a"), name="fairness")
    with pytest.raises(
        ConfigError, match=rf"\[plugins\] {key}: plugin 'fairnes' isn't installed; did you mean 'fairness'"
    ):
        load(installed, **{key: ["fairnes"]})


def test_require_refuses_the_start_with_the_reason(installed):
    installed("1/0", name="billing", version="1.4")
    with pytest.raises(PluginError) as caught:
        load(installed, require=["billing"])
    assert caught.value.message == (
        "[plugins] require: plugin 'billing' (billing 1.4) is import-error:"
        " ZeroDivisionError: division by zero"
    )


# Calling


def test_collect_gives_owners_in_load_order(plugin_manager):
    a = plugin_manager.register(plugin(accept("one"), accept("two"), name="a"))
    b = plugin_manager.register(plugin(accept("three"), name="b"))
    assert [(r, v.name) for r, v in plugin_manager.collect(bourn_validators)] == [
        (a, "one"),
        (a, "two"),
        (b, "three"),
    ]
    assert a.provides == {"bourn_validators": ["one", "two"]}


def test_tryfirst_and_trylast(plugin_manager):
    for name, options in (("a", {"trylast": True}), ("b", {}), ("c", {"tryfirst": True}), ("d", {})):
        module = plugin(accept(name), name=name)
        module.bourn_validators = hookimpl(**options)(module.bourn_validators)
        plugin_manager.register(module)
    assert [v.name for _, v in plugin_manager.collect(bourn_validators)] == ["c", "b", "d", "a"]


def test_a_hook_is_called_once(plugin_manager):
    calls = []

    class Counting:
        @hookimpl
        def bourn_validators(self):
            calls.append(1)
            yield accept("x")

    record = plugin_manager.register(Counting())
    first = plugin_manager.collect(bourn_validators)
    assert plugin_manager.collect("bourn_validators") == first
    plugin_manager.register(plugin(accept("x"), accept("y"), name="later"))
    assert [value.name for _, value in plugin_manager.collect(bourn_validators)] == ["x", "y"]
    assert plugin_manager.collect(bourn_validators)[0] == first[0]
    assert calls == [1]
    assert len(record.errors) == 1


def test_a_plugin_registered_later_is_seen(plugin_manager):
    assert plugin_manager.collect(bourn_validators) == []
    plugin_manager.register(plugin(accept("x")))
    assert list(plugin_manager.named(bourn_validators)) == ["x"]


def test_a_raising_plugin_is_named_and_the_others_go_on(plugin_manager, caplog):
    class Raising:
        @hookimpl
        def bourn_validators(self):
            yield accept("never")
            raise OSError("licence server is down")

    record = plugin_manager.register(Raising(), "licence", owner="site-licence", version="0.9")
    plugin_manager.register(plugin(accept("fine")))
    assert list(plugin_manager.named(bourn_validators)) == ["fine"]
    assert record.errors == ["bourn_validators: OSError: licence server is down"]
    assert (
        "plugin 'licence' (site-licence 0.9): bourn_validators: OSError: licence server is down"
        in caplog.text
    )


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("text", "it must return Validator objects, not str: 'text'"),
        (Validator("", lambda jobspec, info: None), "the Validator that it returns needs a name"),
    ],
)
def test_wrong_objects_are_left_out(plugin_manager, value, reason):
    record = plugin_manager.register(plugin(value))
    assert plugin_manager.collect(bourn_validators) == []
    assert record.errors[0].startswith(f"bourn_validators: TypeError: {reason}")


def test_none_is_nothing(plugin_manager):
    class Nothing:
        @hookimpl
        def bourn_validators(self):
            return None

    assert plugin_manager.register(Nothing()).state is PluginState.LOADED
    assert plugin_manager.collect(bourn_validators) == []


def test_a_clash_of_objects_names_both_owners(plugin_manager):
    first = plugin_manager.register(plugin(accept("x"), name="a"), owner="dist-a", version="1")
    second = plugin_manager.register(plugin(accept("x"), accept("y"), name="b"), owner="dist-b", version="2")
    assert {n: o.record for n, o in plugin_manager.named(bourn_validators).items()} == {
        "x": first,
        "y": second,
    }
    assert (
        first.errors
        == second.errors
        == [
            "bourn_validators: 'x' of plugin 'b' (dist-b 2) is left out,"
            " plugin 'a' (dist-a 1) registered that name first"
        ]
    )


def test_pick(plugin_manager):
    plugin_manager.register(plugin(accept("schema")))
    assert plugin_manager.pick(bourn_validators, "schema", "[ingest] validators").value.name == "schema"
    with pytest.raises(ConfigError) as caught:
        plugin_manager.pick(bourn_validators, "shema", "[ingest] validators")
    assert (
        caught.value.message == "[ingest] validators: no validator is named 'shema'; did you mean 'schema'?"
    )


def test_pick_tells_of_plugins_that_are_not_in_use(installed):
    installed("1/0", name="site-rules")
    with pytest.raises(
        ConfigError, match=r"there are none \(plugin 'site-rules' \(site-rules 1.0\) is import-error\)"
    ):
        load(installed).pick(bourn_validators, "project", "[ingest] validators")


def test_report_logs_a_repeated_failure_once(plugin_manager, caplog):
    record = plugin_manager.register(plugin(accept("x")), "p", owner="dist", version="1")
    for _ in range(3):
        text = plugin_manager.report(record, "validator x", KeyError("project"))
    assert text == "plugin 'p' (dist 1): validator x: KeyError: 'project'"
    assert caplog.text.count("KeyError") == 1


def test_an_unknown_hook(plugin_manager):
    with pytest.raises(PluginError, match="no such hook: bourn_validator; did you mean 'bourn_validators'"):
        plugin_manager.collect("bourn_validator")
