from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bourn.broker.modfile import load_file
from bourn.errors import PluginError

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """
from bourn.broker.module import Module, Request, method

class Pymod(Module):
    name = "pymod"
    requires = ("attr",)

    @method()
    def hello(self, request: Request):
        return {}
"""


def write(tmp_path: Path, text: str, name: str = "mymod.py") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def test_a_file_with_one_module(tmp_path: Path) -> None:
    spec = load_file(write(tmp_path, GOOD))
    assert (spec.name, spec.provides, spec.requires) == ("pymod", ("pymod",), ("attr",))


def test_the_name_is_the_files_unless_it_is_given(tmp_path: Path) -> None:
    assert load_file(write(tmp_path, GOOD.replace('name = "pymod"', ""))).name == "mymod"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must define exactly one subclass of .*Module, not none"),
        (GOOD + "class Second(Module): pass", "not Pymod, Second"),
        ("x = 1\n\nraise KeyError('k')", "line 3: KeyError: 'k'"),
        ("def f(:", "SyntaxError"),
        ("import sys\nsys.exit(3)", "line 2: SystemExit: 3"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(PluginError, match=message) as caught:
        load_file(write(tmp_path, text))
    assert str(tmp_path / "mymod.py") in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="no such file"):
        load_file(tmp_path / "absent.py")
