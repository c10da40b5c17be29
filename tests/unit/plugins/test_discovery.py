"""Finding entry points without importlib.metadata, and judging distributions before their import."""

from __future__ import annotations

import importlib.metadata

import pytest

from bourn.plugins import scan, third_party
from bourn.plugins.compat import incompatibility
from bourn.plugins.discovery import EntryPoint
from bourn.testing.distributions import fake_distribution
from tests.imports import imported


def test_finds_what_importlib_metadata_finds():
    ours = {(e.group, e.name, e.value) for e in scan()}
    installed = importlib.metadata.entry_points()
    groups = [group for group in installed.groups if group.startswith("bourn.")]
    theirs = {(e.group, e.name, e.value) for group in groups for e in installed.select(group=group)}
    assert ours == theirs
    assert ours


def test_stock_plugins_come_first_then_names(tmp_path):
    fake_distribution(tmp_path / "a", "zebra", plugins={"bourn.plugins": {"aardvark": "x", "zulu": "y"}})
    fake_distribution(
        tmp_path / "b", "bourn", "0.1.0", plugins={"bourn.plugins": {"store": "s", "ingest": "i"}}
    )
    found = scan([str(tmp_path / "a"), str(tmp_path / "b")])
    assert [(e.name, e.stock) for e in found] == [
        ("ingest", True),
        ("store", True),
        ("aardvark", False),
        ("zulu", False),
    ]
    assert [e.name for e in third_party("bourn.plugins", [str(tmp_path / "a"), str(tmp_path / "b")])] == [
        "aardvark",
        "zulu",
    ]


def test_the_first_installation_on_the_path_counts(tmp_path):
    fake_distribution(tmp_path / "new", "My.Site", "2.0", plugins={"bourn.plugins": {"x": "m"}})
    fake_distribution(tmp_path / "old", "my-site", "1.0", plugins={"bourn.plugins": {"x": "m"}})
    (found,) = scan([str(tmp_path / "new"), str(tmp_path / "old")])
    assert found.owner == "My.Site 2.0"


def test_lines_that_are_not_entry_points_are_passed_over(tmp_path):
    info = fake_distribution(tmp_path, plugins={})
    (info / "entry_points.txt").write_text(
        "[console_scripts]\nb = x:main\n\n[bourn.plugins]\n# a note\n\nx=m:attribute [extra]\nno sense\n"
    )
    (found,) = scan([str(tmp_path)])
    assert (found.name, found.value) == ("x", "m:attribute")


def test_folders_that_are_not_there_are_passed_over(tmp_path):
    assert scan([str(tmp_path / "none"), __file__]) == []


def test_an_egg_info_names_itself_by_its_metadata(tmp_path):
    info = tmp_path / "site_policy.egg-info"
    info.mkdir()
    (info / "PKG-INFO").write_text("Name: site-policy\nVersion: 3.1\n")
    (info / "entry_points.txt").write_text("[bourn.policies]\nours = site_policy\n")
    (found,) = scan([str(tmp_path)])
    assert found.owner == "site-policy 3.1"


def test_the_command_line_scans_without_heavy_imports():
    heavy = ("importlib.metadata", "pluggy", "attr", "cattrs", "packaging")
    assert not imported("from bourn.plugins import cli_scan; cli_scan()", heavy)


@pytest.mark.parametrize(
    ("requires", "reason"),
    [
        ((), ""),
        (("numpy", "bournemouth>=7"), ""),
        (("bourn",), ""),
        (("bourn>=0.1,<2",), ""),
        (("Bourn>=2",), "example 1.0 needs bourn>=2, this is bourn 1.0"),
        (("bourn<1",), "example 1.0 needs bourn<1, this is bourn 1.0"),
        (("bourn[test]>=9",), "example 1.0 needs bourn>=9, this is bourn 1.0"),
        (('bourn>=9; python_version < "3"',), ""),
        (('bourn>=9; extra == "later"',), ""),
        (('bourn>=9; python_version >= "3"',), "example 1.0 needs bourn>=9, this is bourn 1.0"),
    ],
)
def test_requirements_on_bourn(tmp_path, requires, reason):
    info = fake_distribution(tmp_path, plugins={"bourn.plugins": {"x": "m"}}, requires=requires)
    entry = EntryPoint("bourn.plugins", "x", "m", "example", "1.0", str(info))
    assert incompatibility(entry, "1.0") == reason


def test_a_pre_release_of_bourn_satisfies_what_it_precedes(tmp_path):
    info = fake_distribution(tmp_path, plugins={"bourn.plugins": {"x": "m"}}, requires=["bourn>=1.0"])
    entry = EntryPoint("bourn.plugins", "x", "m", "example", "1.0", str(info))
    assert incompatibility(entry, "1.1.dev3") == ""


def test_a_requirement_that_cannot_be_read_is_a_reason(tmp_path):
    info = fake_distribution(tmp_path, plugins={"bourn.plugins": {"x": "m"}}, requires=["bourn=>>1"])
    entry = EntryPoint("bourn.plugins", "x", "m", "example", "1.0", str(info))
    assert incompatibility(entry).startswith("example 1.0 has a requirement that can't be read: 'bourn=>>1'")
