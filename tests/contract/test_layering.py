"""Who may import whom, read from the syntax trees; and what a typed distribution must carry."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import pytest

from tests.imports import imported

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "bourn": ROOT / "core/bourn",
    "bourn_plugins": ROOT / "plugins/bourn_plugins",
    "bourn_policies": ROOT / "policies/bourn_policies",
    "bourn_shell_plugins": ROOT / "shell_plugins/bourn_shell_plugins",
}

# What a stock plugin may take from another's package, because the two are parts of one thing.
FAMILIES = {
    "ingest_constraints": {"job_ingest"},
    "ingest_defaults": {"job_ingest"},
    "ingest_feasibility": {"job_ingest"},
    "ingest_require_instance": {"job_ingest"},
    "ingest_schema": {"job_ingest"},
    "hierarchy": {"job_manager"},
    "job_exec": {"shell_manager"},
    "job_info": {"job_manager"},
    "job_list": {"job_manager"},
    "sched_graph": {"graph_readers"},
    "simulate": {"hierarchy", "sched_graph"},
    "store": {"kvs"},
}


def files(package):
    return sorted(PACKAGES[package].rglob("*.py"))


def imports(path):
    """Return the modules that a file imports, wherever that stands; imports for type checking don't count."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if node in typing_only:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module)
    return found


def part(module):
    """Return the plugin that a module of a root belongs to: the second word of its name."""
    words = module.split(".")
    return words[1] if len(words) > 1 else ""


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_are_typed(package):
    assert (PACKAGES[package] / "py.typed").exists()


def test_core_imports_no_plugin():
    others = tuple(name for name in PACKAGES if name != "bourn")
    wrong = {
        f"{path.relative_to(ROOT)}: {module}"
        for path in files("bourn")
        for module in imports(path)
        if module.split(".")[0] in others
    }
    # `bourn resource-query` is a face of the graph scheduler's plugin, imported when the command is given.
    assert {line for line in wrong if "cli/resource_query" not in line} == set()


@pytest.mark.parametrize("package", [name for name in PACKAGES if name != "bourn"])
def test_plugins_import_no_other_plugin(package):
    wrong = []
    for path in files(package):
        own = path.relative_to(PACKAGES[package]).parts[0].removesuffix(".py")
        for module in imports(path):
            if module.split(".")[0] not in PACKAGES or module.split(".")[0] == "bourn":
                continue
            if module.split(".")[0] == package and part(module) in {own, "", *FAMILIES.get(own, ())}:
                continue
            wrong.append(f"{path.relative_to(ROOT)}: {module}")
    assert wrong == []


def test_hookspecs_import_no_trio():
    program = (
        "import importlib; from bourn.hookspecs import POINTS;"
        "[importlib.import_module('bourn.hookspecs.' + p) for p in POINTS]"
    )
    assert not imported(program, ("trio", "cattrs", "rustworkx", "msgspec", "cryptography"))


def test_the_client_and_the_command_line_start_light():
    heavy = ("trio", "attr", "cattrs", "pluggy", "rich", "importlib.metadata")
    assert not imported("import bourn; bourn.Handle; import bourn.cli.main", heavy)


@pytest.mark.parametrize("facade", ["bourn", "bourn.model", "bourn.plugins"])
def test_lazy_facades_are_complete(facade):
    module = import_module(facade)
    for name in module.__all__:
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        module.no_such_name  # noqa: B018
