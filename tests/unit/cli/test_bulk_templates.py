import pytest
from hypothesis import given
from hypothesis import strategies as st

from bourn.cli.bulk import Filler, combine, define, split_inputs
from bourn.errors import BournError


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{}", "/data/run.one.txt"),
        ("{0}-{1}", "/data/run.one.txt-b"),
        ("{.%}", "/data/run.one"),
        ("{./}", "run.one.txt"),
        ("{.//}", "/data"),
        ("{./%}", "run.one"),
        ("{0.stem}{0.suffix}", "run.one.txt"),
        ("{.name}", "run.one.txt"),
        ("{.parent}", "/data"),
        ("{seq:03d}/{seq1}", "007/8"),
        ("{1:>3}", "  b"),
        ("{{id}}.{seq}", "{{id}}.7"),
        ("{ print $1 }", "{ print $1 }"),
        ("${HOME}", "${HOME}"),
        ("{}{", "/data/run.one.txt{"),
    ],
)
def test_fields(template, expected):
    filler = Filler(("/data/run.one.txt", "b"), {"seq": 7, "seq1": 8})
    assert filler.fill(template) == expected


def test_unknown_part_and_index_are_named():
    with pytest.raises(BournError, match="no such part 'stme'; did you mean 'stem'"):
        Filler(("a",)).fill("{.stme}")
    with pytest.raises(BournError, match="only 1 inputs"):
        Filler(("a",)).fill("{2}")


def test_without_inputs_only_names_are_filled():
    assert Filler(names={"cc": "3"}).fill("{} {0} {cc}") == "{} {0} 3"


def test_define():
    name, method = define("half=int(x)//2")
    assert Filler(("9",), methods={name: method}).fill("{.half}") == "4"
    with pytest.raises(BournError, match="ValueError"):
        Filler(("z",), methods={name: method}).fill("{.half}")
    for bad in ("x", "1a=2", "a=("):
        with pytest.raises(BournError, match="--define"):
            define(bad)


def test_lists_are_combined_each_with_each():
    command, groups = split_inputs(["echo", "{0}", "{1}", ":::", "a", "b", ":::", "1", "2"], "\n")
    assert command == ["echo", "{0}", "{1}"]
    assert combine(groups) == [("a", "1"), ("a", "2"), ("b", "1"), ("b", "2")]


def test_linked_lists_go_side_by_side():
    _, groups = split_inputs(["echo", ":::", "a", "b", ":::+", "1", "2", ":::", "x"], "\n")
    assert combine(groups) == [("a", "1", "x"), ("b", "2", "x")]
    _, groups = split_inputs(["echo", ":::", "a", "b", ":::+", "1"], "\n")
    with pytest.raises(BournError, match="same length, not 2 and 1"):
        combine(groups)


def test_inputs_from_files(tmp_path):
    file = tmp_path / "in"
    file.write_text("one two\nthree\n\n")
    _, groups = split_inputs(["echo", "::::", str(file)], "\n")
    assert combine(groups) == [("one two",), ("three",)]
    _, groups = split_inputs(["echo", "::::", str(file)], None)
    assert combine(groups) == [("one",), ("two",), ("three",)]


@given(st.text())
def test_text_without_fields_is_untouched(text):
    filler = Filler()
    assert filler.fill(text) == text
