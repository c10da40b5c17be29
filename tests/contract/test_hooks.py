"""The contract: each hook is specified, documented with a running example, and has a check that stock plugins
pass."""

from __future__ import annotations

import ast
import inspect
import shutil
import types
from importlib import import_module

import pytest

import bourn.testing
from bourn.config import Config
from bourn.hookspecs import CLI_GROUP, GROUPS, HOOKS, POINTS, SHELL_GROUP
from bourn.plugins import PluginManager, PluginState
from bourn.testing import CHECKS
from docs import make_pages

HOSTS = b"n0\nn1\n"

# What a check needs besides the object itself, for the examples.
EXAMPLE_ARGUMENTS: dict[str, dict[str, object]] = {
    "bourn_boot_methods": {"environ": {"ALONE": "1"}},
    "bourn_resource_readers": {"document": HOSTS},
    "bourn_shell_plugins": {"options": {"greeting": "hello"}},
    "bourn_uri_resolvers": {"refuses": ["/no/such/file"]},
    "bourn_cli_options": {"value": "ansys"},
    "bourn_cli_commands": {"arguments": ["world"]},
}

# Stock objects that need a program, which may not be installed.
PROGRAMS = {"svg": "dot"}

# Examples that show how to reach something that a test hasn't got.
ONLY_REGISTERED = {"bourn_stores"}


def manager_with(hook, source):
    """Register an example as a plugin and return the manager."""
    module = types.ModuleType(f"example_of_{hook}")
    exec(compile(source, f"<example of {hook}>", "exec"), vars(module))
    manager = PluginManager()
    record = manager.register(module)
    assert record.state is PluginState.LOADED, record.reason
    assert record.hooks == (hook,)
    return manager


def stock():
    manager = PluginManager()
    manager.load(groups=[*GROUPS, SHELL_GROUP, CLI_GROUP])
    return manager


def test_points_are_modules_and_hooks_are_specified_there():
    for hook, (point, type_name) in HOOKS.items():
        module = import_module(f"bourn.hookspecs.{point}")
        specification = getattr(module, hook)
        assert specification.bourn_spec, hook
        assert hasattr(module, type_name)
        assert f"Iterable[{type_name}]" in str(inspect.signature(specification)), hook
    assert set(POINTS) == {point for point, _ in HOOKS.values()} | {"sched"}


def test_no_specification_is_missing_from_the_table():
    for point in POINTS:
        module = import_module(f"bourn.hookspecs.{point}")
        for name, value in vars(module).items():
            if hasattr(value, "bourn_spec"):
                assert HOOKS[name][0] == point


@pytest.mark.parametrize("hook", HOOKS)
def test_a_docstring_says_when_where_in_what_order_and_what_an_error_does(hook):
    said = make_pages.fields(hook)
    assert list(said) == list(make_pages.FIELDS)
    assert all(said.values())


@pytest.mark.parametrize("hook", HOOKS)
def test_the_example_runs_and_passes_its_check(hook, capsys):
    manager = manager_with(hook, make_pages.example(hook))
    found = manager.collect(hook)
    assert found
    assert manager.records[0].errors == []
    if hook in ONLY_REGISTERED:
        return
    check = getattr(bourn.testing, CHECKS[hook])
    for _, value in found:
        check(value, **EXAMPLE_ARGUMENTS.get(hook, {}))


PAGES = make_pages.pages()


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_pages_are_up_to_date(page):
    assert page.exists(), f"{page.name} is missing; run `python -m docs.make_pages`"
    found, wanted = page.read_text(encoding="utf-8"), PAGES[page]
    if page.name == "commands.md":  # columns of help are not alike on all Pythons
        found, wanted = found.split(), wanted.split()
    assert found == wanted, f"{page.name} is old; run `python -m docs.make_pages`"


def test_pages_have_the_exact_signature():
    for hook in HOOKS:
        page = make_pages.HERE / "hooks" / f"{hook}.md"
        assert make_pages.signature(hook) in page.read_text(encoding="utf-8")


def test_every_hook_has_a_check_and_every_check_a_hook():
    assert set(CHECKS) == set(HOOKS)
    for name in CHECKS.values():
        assert inspect.getdoc(getattr(bourn.testing, name))


def test_the_facade_of_the_testing_package_is_complete():
    assert set(bourn.testing.__all__) == {*bourn.testing._WHERE, "CHECKS"}
    for name in bourn.testing.__all__:
        assert getattr(bourn.testing, name) is not None
    imported = set()
    for node in ast.walk(ast.parse(inspect.getsource(bourn.testing))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("bourn.testing."):
            imported |= {alias.name for alias in node.names}
    assert imported == set(bourn.testing._WHERE)


# Stock plugins


def test_all_stock_plugins_load():
    wrong = [
        f"{record}: {record.reason}" for record in stock().records if record.state is not PluginState.LOADED
    ]
    assert wrong == []


# Stock commands have their options built in; an option by plugin is in contrib/bourn-example-validator.
@pytest.mark.parametrize("hook", [hook for hook in HOOKS if hook != "bourn_cli_options"])
def test_each_hook_has_a_stock_plugin(hook):
    manager = stock()
    assert [value for record, value in manager.collect(hook) if record.distribution == "bourn"]
    assert [record.errors for record in manager.records if record.errors] == []


@pytest.mark.parametrize(
    "hook",
    [
        "bourn_accountings",
        "bourn_distribution_policies",
        "bourn_match_policies",
        "bourn_priority_policies",
        "bourn_queue_policies",
        "bourn_resource_writers",
        "bourn_signers",
        "bourn_stores",
        "bourn_uri_resolvers",
        "bourn_frobnicators",
        "bourn_validators",
        "bourn_job_plugins",
        "bourn_shell_plugins",
    ],
)
def test_stock_plugins_pass_their_checks(hook):
    check = getattr(bourn.testing, CHECKS[hook])
    for _, value in stock().collect(hook):
        if shutil.which(PROGRAMS.get(value.name, "sh")):
            check(value)


def test_the_stock_exec_method_that_runs_nothing_passes_its_check():
    methods = stock().named("bourn_exec_methods")
    bourn.testing.check_exec_method(methods["mock"].value)


def test_stock_schedulers_pass_their_check():
    specs = [spec for _, spec in stock().collect("bourn_modules") if "sched" in spec.provides]
    assert specs
    for spec in specs:
        bourn.testing.check_scheduler(spec)


def test_modules_config_tables_are_no_tables_of_core():
    from bourn.config.tables import TABLES

    for _, spec in stock().collect("bourn_modules"):
        if spec.config is not None:
            assert Config({}).table(spec.config_table, spec.config) is not None
            assert TABLES.get(spec.config_table, spec.config) is spec.config, spec.config_table
