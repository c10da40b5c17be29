"""What is wrong with `[hierarchy]` is said in one line, with the file, the line and the key."""

from pathlib import Path

import pytest

from bourn.config import load_config
from bourn.errors import ConfigError
from bourn.plugins import PluginManager
from bourn_plugins.hierarchy.settings import check_child, read_parts, read_policy, read_table
from bourn_plugins.hierarchy.table import HierarchyTable

FOUR = [(4, 0)]


def read(tmp_path: Path, text: str):
    file = tmp_path / "tree.toml"
    file.write_text("[hierarchy]\n" + text)
    config = load_config([file])
    plugins = PluginManager()
    plugins.load(config)
    table = read_table(config)
    read_policy(config, plugins)
    check_child(config, {"hierarchy": HierarchyTable})
    return table, read_parts(config, FOUR)


def test_what_is_right_is_taken(tmp_path: Path) -> None:
    text = 'shape = "2x2"\nmin = 0\nmax = 1\npolicy = "hash"\npolicy-options = {key = "system.queue"}\n'
    table, parts = read(
        tmp_path, text + 'child.hierarchy.policy = "least-loaded"\nchild.exec.kill-timeout = 1'
    )
    assert (table.min, table.max, [part.cores for part in parts]) == (0, 1, [2, 2])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('shape = "2y"', ":2: hierarchy.shape: \"2y\": '2y' is no level"),
        ('shape = "5"', ":2: hierarchy.shape: 4 cores can't be divided among 5 children"),
        ('shape = "2x3"', ":2: hierarchy.shape: 2 cores can't be divided among 3 children"),
        ('shape = "2"\nmin = -1', ":3: hierarchy.min: must be from 0, not -1"),
        ('shape = "2"\nmax = 0', ":3: hierarchy.max: must be from 1, not 0"),
        ('shape = "2"\nmin = 2\nmax = 1', ":3: hierarchy.min: 2 is more than max = 1"),
        ('shape = "2"\nretries = -2', ":3: hierarchy.retries: must be from 0, not -2"),
        ('shape = "2"\nbacklog = -2', ":3: hierarchy.backlog: must be from 0, not -2"),
        (
            'shape = "2"\npolicy = "leastloaded"',
            ":3: hierarchy.policy: no distribution policy is named 'leastloaded'; did you mean 'least",
        ),
        (
            'shape = "2"\npolicy-options = {x = 1}',
            ":3: hierarchy.policy-options: distribution policy 'round-robin': no option 'x'; it has none",
        ),
        (
            'shape = "2"\npolicy = "hash"\npolicy-options = {kye = "system.queue"}',
            ":4: hierarchy.policy-options: distribution policy 'hash': no option 'kye'; did you mean 'key'?",
        ),
        (
            'shape = "2"\nchild.exec.metod = "mock"',
            ":3: hierarchy.child.exec.metod: unknown key; did you mean 'method'?",
        ),
        ('shape = "2"\nchild.nonsense = 3', ":3: hierarchy.child.nonsense: unknown table"),
        (
            'shape = "2x2"\n[hierarchy.child.hierarchy]\nshape = "3"',
            ":4: hierarchy.child.hierarchy.shape: what lies below a child is said by hierarchy.shape, as 2x4",
        ),
    ],
)
def test_what_is_wrong_is_named(text: str, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    assert f"{tmp_path}/tree.toml{complaint}" in caught.value.message
