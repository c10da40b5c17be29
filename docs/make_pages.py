"""Makes docs/hooks/, docs/configuration.md and docs/commands.md from the code that they describe:
``python -m docs.make_pages``.

A test says when they are out of date.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap
from importlib import import_module
from pathlib import Path
from typing import Any

import bourn.hookspecs
from bourn.hookspecs import HOOKS
from bourn.testing import CHECKS
from docs import make_commands

HERE = Path(__file__).parent
FIELDS = ("Called", "Process", "Order", "Errors", "Since")


def pages() -> dict[Path, str]:
    """Return all pages, by their paths."""
    made = {HERE / "hooks" / f"{hook}.md": hook_page(hook) for hook in HOOKS}
    made[HERE / "hooks" / "README.md"] = index_page()
    made[HERE / "configuration.md"] = configuration_page()
    made[HERE / "commands.md"] = make_commands.page()
    return made


def example(hook: str) -> str:
    """Return the runnable example of a hook's docstring."""
    text = _specification(hook).__doc__ or ""
    _, found, rest = inspect.cleandoc(text).partition("Example::\n")
    if not found:
        return ""
    lines = []
    for line in rest.splitlines():
        if line and not line.startswith("    "):
            break
        lines.append(line)
    return textwrap.dedent("\n".join(lines)).strip().replace("'''", '"""') + "\n"


def fields(hook: str) -> dict[str, str]:
    """Return what a hook's docstring says under Called, Process, Order, Errors and Since."""
    text = inspect.cleandoc(_specification(hook).__doc__ or "").partition("Example::")[0]
    names = "|".join(FIELDS)
    parts = re.split(rf"^({names}): ", text, flags=re.MULTILINE)
    return {name: _prose(body) for name, body in zip(parts[1::2], parts[2::2], strict=True)}


def signature(hook: str) -> str:
    """Return a hook's signature, as it stands in the code."""
    return f"def {hook}{inspect.signature(_specification(hook))}".replace("'", "")


def hook_page(hook: str) -> str:
    """Return the page of a hook."""
    point, type_name = HOOKS[hook]
    module = import_module(f"bourn.hookspecs.{point}")
    check = CHECKS[hook]
    checker = getattr(import_module("bourn.testing"), check)
    lines = [
        f"# {hook}",
        "",
        _summary(hook),
        "",
        "```python",
        f"from bourn.hookspecs.{point} import {type_name}",
        "",
        signature(hook),
        "```",
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {text} |" for name, text in fields(hook).items()),
        "",
        _markdown(inspect.cleandoc(module.__doc__ or "")),
        "",
        "## Example",
        "",
        "```python",
        example(hook).rstrip(),
        "```",
        "",
        "## Types",
        "",
        *_types(module),
        "## Check",
        "",
        f"`bourn.testing.{check}{_plain_signature(checker)}`",
        "",
        _markdown(inspect.cleandoc(checker.__doc__ or "")),
    ]
    return "\n".join(lines).rstrip() + "\n"


def index_page() -> str:
    """Return the page that lists the hooks."""
    rows = [f"| [{hook}]({hook}.md) | {_summary(hook)} |" for hook in HOOKS]
    text = _markdown(inspect.cleandoc(bourn.hookspecs.__doc__ or ""))
    return "\n".join(["# Hooks", "", text, "", "| hook | |", "|---|---|", *rows]) + "\n"


def configuration_page() -> str:
    """Return the reference of the configuration: every table that Bourn or a stock module has."""
    from bourn.plugins import PluginManager

    manager = PluginManager()
    manager.load()
    tables = import_module("bourn.config.tables")
    known: dict[str, Any] = {
        **tables.TABLES,
        "connector": import_module("bourn.broker.settings").ConnectorTable,
        "tbon": import_module("bourn.broker.settings").TbonTable,
    }
    for record, spec in manager.collect("bourn_modules"):
        if spec.config_table and record.distribution == "bourn":
            known[spec.config_table] = spec.config
    lines = [
        "# Configuration",
        "",
        "An instance reads TOML: `bourn start -c PATH` takes files, and directories whose `*.toml` are read"
        " in the order of their names. `--conf table.key=VALUE` sets a single key. Later ones win; tables are"
        " joined key by key, anything else is replaced.",
        "",
        "A key or table that nobody knows is an error, which names file, line and the nearest right one."
        ' Durations are numbers of seconds or texts such as `"1.5h"`.',
        "",
    ]
    for name in sorted(known):
        lines += _table(name, known[name])
    return "\n".join(lines).rstrip() + "\n"


def _table(name: str, cls: Any) -> list[str]:
    if name == "modules":
        text = 'Which module provides a service, as `sched = "sched-simple"`.'
        return ["## [modules]", "", text, ""]
    if name == "plugin":
        text = "`[plugin.NAME]` is for the plugin of that name, which says what may stand there."
        return ["## [plugin.NAME]", "", text, ""]
    if name == "queues":
        name, cls = "queues.NAME", import_module("bourn.config.tables").QueueTable
    rows: list[str] = []
    later: list[str] = []
    tree = _class_tree(cls)
    for field, kind, default, doc in _class_fields(tree):
        key = field.replace("_", "-")
        inner = getattr(sys.modules[cls.__module__], kind, None)
        if inspect.isclass(inner) and hasattr(inner, "__attrs_attrs__"):
            later += _table(f"{name}.{key}", inner)
            continue
        if default.isidentifier() and default.isupper():
            default = str(getattr(sys.modules[cls.__module__], default))
        rows.append(f"| `{key}` | {_kind(kind)} | {_default(default)} | {doc} |")
    lines = [f"## [{name}]", "", _markdown(inspect.cleandoc(cls.__doc__ or "")), ""]
    if rows:
        lines += ["| key | type | default | |", "|---|---|---|---|", *rows, ""]
    return lines + later


def _kind(kind: str) -> str:
    kind = (
        kind.replace(" | None", "")
        .replace("tuple[", "list of ")
        .replace(", ...]", "")
        .replace("list[", "list of ")
    )
    words = {
        "str": "text",
        "bool": "true or false",
        "int": "whole number",
        "float": "number",
        "Seconds": "duration",
    }
    words |= {"Path": "path", "dict[str, Any]": "table"}
    if kind.startswith("Literal["):
        return " or ".join(f"`{choice.strip()}`" for choice in kind[8:-1].split(","))
    return re.sub(r"\w+", lambda word: words.get(word[0], word[0]), words.get(kind, kind)).rstrip("]")


def _default(text: str) -> str:
    if text in ("", "None", "Factory(dict)", "()", '""', "''", "Factory(list)"):
        return ""
    text = text.replace("True", "true").replace("False", "false").replace("inf", '"inf"').replace("'", '"')
    return f"`{text}`"


def _types(module: Any) -> list[str]:
    """Return a section for each class that the module offers."""
    lines: list[str] = []
    for name, value in vars(module).items():
        if not inspect.isclass(value) or value.__module__ != module.__name__ or name.startswith("_"):
            continue
        tree = _class_tree(value)
        lines += [f"### {name}", "", _markdown(inspect.cleandoc(value.__doc__ or "")), ""]
        rows = [
            f"* `{field}: {kind}`" + (f" = `{default}`" if default else "") + (f": {doc}" if doc else "")
            for field, kind, default, doc in _class_fields(tree)
        ]
        rows += [f"* `{text}`" + (f": {doc}" if doc else "") for text, doc in _class_methods(tree)]
        lines += [*rows, ""] if rows else []
    return lines


def _class_tree(cls: type[Any]) -> ast.ClassDef:
    tree = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(tree, ast.ClassDef)
    return tree


def _class_fields(tree: ast.ClassDef) -> list[tuple[str, str, str, str]]:
    """Return (name, type, default, description) of each field of a class."""
    found = []
    for node, after in zip(tree.body, [*tree.body[1:], None], strict=True):
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and _text(after):
                found.append((node.targets[0].id, "", ast.unparse(node.value), _prose(_text(after))))
            continue
        default = ast.unparse(node.value) if node.value is not None else ""
        if default.startswith("field("):
            default = _keyword(node.value, "default")
        found.append((node.target.id, ast.unparse(node.annotation), default, _prose(_text(after))))
    return [entry for entry in found if not entry[0].startswith("_")]


def _class_methods(tree: ast.ClassDef) -> list[tuple[str, str]]:
    """Return (signature, description) of each public method of a class."""
    found = []
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_"):
            continue
        doc = _prose(ast.get_docstring(node) or "")
        returns = f" -> {ast.unparse(node.returns)}" if node.returns is not None else ""
        if any(isinstance(mark, ast.Name) and mark.id == "property" for mark in node.decorator_list):
            found.append((f"{node.name}: {returns.removeprefix(' -> ')}", doc))
            continue
        keyword = "async " if isinstance(node, ast.AsyncFunctionDef) else ""
        arguments = ast.unparse(node.args).removeprefix("self").removeprefix(", ")
        found.append((f"{keyword}{node.name}({arguments}){returns}", doc))
    return found


def _keyword(call: ast.expr | None, name: str) -> str:
    assert isinstance(call, ast.Call)
    return next((ast.unparse(keyword.value) for keyword in call.keywords if keyword.arg == name), "")


def _text(node: ast.stmt | None) -> str:
    if (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ):
        return node.value.value
    return ""


def _summary(hook: str) -> str:
    return _prose(inspect.cleandoc(_specification(hook).__doc__ or "").split("\n\n")[0])


def _specification(hook: str) -> Any:
    return getattr(import_module(f"bourn.hookspecs.{HOOKS[hook][0]}"), hook)


def _plain_signature(function: Any) -> str:
    return str(inspect.signature(function)).replace("'", "")


def _prose(text: str) -> str:
    """Return a docstring's paragraph as one line of Markdown."""
    return _code(" ".join(text.split())).replace("|", "\\|")


def _code(text: str) -> str:
    return text.replace("``", "`")


def _markdown(text: str) -> str:
    """Turn a docstring into Markdown: literals, tables, code blocks and paragraphs."""
    blocks = []
    for block in _code(text).split("\n\n"):
        lines = block.splitlines()
        if re.fullmatch(r"[= ]+", lines[0]) if lines else False:
            blocks.append(_rst_table(lines))
        elif all(line.startswith("    ") for line in lines) and lines:
            blocks.append("```python\n" + textwrap.dedent(block) + "\n```")
        elif lines and (lines[0].startswith("* ") or "Args:" in lines[0]):
            blocks.append(block)
        else:
            blocks.append(" ".join(lines))
    return "\n\n".join(blocks).replace("```\n\n```python\n", "\n")


def _rst_table(lines: list[str]) -> str:
    """Turn a table whose columns are marked by runs of = into a Markdown one."""
    spans = [found.span() for found in re.finditer("=+", lines[0])]
    spans[-1] = (spans[-1][0], 1000)
    rows = [[line[a:b].strip() for a, b in spans] for line in lines if not re.fullmatch(r"[= ]+", line)]
    made = [f"| {' | '.join(row)} |" for row in rows]
    made.insert(1, "|" + "---|" * len(spans))
    return "\n".join(made)


def main() -> None:
    """Write the pages."""
    (HERE / "hooks").mkdir(exist_ok=True)
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
