"""docs/shell-options.md names every option and tag there is, and no others; its example works."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bourn.errors import BournError
from bourn.shell.plugins import load_plugins
from bourn.shell.spec import CORE_OPTIONS, ShellSpec
from bourn.shell.templates import TAGS
from bourn.testing.samples import jobspec

PAGE = (Path(__file__).parents[2] / "docs" / "shell-options.md").read_text(encoding="utf-8")
NAMED = re.findall(r"^\| `([a-z][a-z.-]*)` \|", PAGE, re.MULTILINE)
PLUGINS = load_plugins()[0]
KNOWN = {option for plugin in PLUGINS for option in plugin.options} | CORE_OPTIONS


@pytest.mark.parametrize("option", sorted({option.partition("=")[0] for option in KNOWN}))
def test_every_option_is_on_the_page(option):
    assert any(name == option or name.startswith(option + ".") for name in NAMED)


@pytest.mark.parametrize("word", sorted({o.partition("=")[2] for o in KNOWN if o.startswith("pmi=")}))
def test_every_word_of_an_option_is_on_the_page(word):
    (row,) = (line for line in PAGE.splitlines() if line.startswith("| `pmi` |"))
    assert f"`{word}`" in row


@pytest.mark.parametrize("name", NAMED)
def test_every_option_on_the_page_is_known_to_the_plugin_that_takes_it(name):
    value = {"nested": True}
    for part in reversed(name.split(".")):
        value = {part: value}
    spec = ShellSpec(jobspec(system={"shell.options": value}))
    if name != "pmi":
        spec.check_options(KNOWN)
    messages = [refusal(plugin, spec) for plugin in PLUGINS if plugin.wants(spec)]
    # The value is nonsense, which may be said; the name isn't.
    unknown = [text for text in messages if "there is no such shell option" in text]
    assert all(f"{name}." in text for text in unknown)


def refusal(plugin, spec):
    try:
        plugin.validate(spec)
    except BournError as error:
        return error.message
    return ""


def test_every_tag_is_on_the_page():
    assert set(re.findall(r"\{\{([^}]+)\}\}", PAGE.partition("## Tags")[2])) == set(TAGS)


def test_the_example(tmp_path, monkeypatch):
    for name, content in re.findall(r"^```python (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        (tmp_path / name).write_text(content)
    monkeypatch.syspath_prepend(str(tmp_path))
    spec = importlib.util.spec_from_file_location("test_plugin", tmp_path / "test_plugin.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.test_nice()
    bourn = str(Path(sys.executable).with_name("bourn"))
    (line,) = re.findall(r"^    bourn (run .*)$", PAGE, re.MULTILINE)
    done = subprocess.run(
        [bourn, "start", "--", bourn, *line.split()], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout == "7\n", done.stderr
