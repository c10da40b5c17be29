from __future__ import annotations

from bourn.errors import suggest


def test_the_nearest_name_is_suggested() -> None:
    assert suggest("quueue", ["queue", "quota"]) == "; did you mean 'queue'?"


def test_where_none_is_near_a_few_are_listed() -> None:
    names = "abcdefghijkl"
    assert suggest("?", names) == f"; there are: {', '.join(names)}"
    assert suggest("?", [*names, "m"]) == f"; there are: {', '.join('abcdefghijk')}, and 2 more"
    assert suggest("?", []) == "; there are none"
