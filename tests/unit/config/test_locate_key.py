"""Finding the line of a key in TOML text."""

from __future__ import annotations

import pytest

from bourn.config.locate import locate

TEXT = """\
top = 1
[exec] # how
method = "x"
mock.run-duration = 3
[queues."night shift"]
requires = ["a"]
[[resource.config]]
hosts = "a"
[[resource.config]]
hosts = "b"
[resource.config.extra]
x = 1
[inline]
table = { deep = { key = 1 } }
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("top",), 1),
        (("exec",), 2),
        (("exec", "method"), 3),
        (("exec", "mock", "run-duration"), 4),
        (("queues", "night shift", "requires"), 6),
        (("queues", "night shift", "requires", 0), 6),
        (("resource", "config", 0, "hosts"), 8),
        (("resource", "config", 1, "hosts"), 10),
        (("resource", "config", 1), 9),
        (("resource", "config", 1, "extra", "x"), 12),
        (("inline", "table", "deep", "key"), 14),
        (("exec", "missing"), 2),
        (("missing",), None),
    ],
)
def test_locate(path, line):
    assert locate(TEXT, path) == line
