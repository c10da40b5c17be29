from __future__ import annotations

import errno

import pytest

from bourn.broker.attributes import Attributes
from bourn.errors import BournError


def test_values_are_strings_and_sorted() -> None:
    attrs = Attributes()
    attrs.set("size", 4)
    attrs.set("rank", 0)
    assert attrs["size"] == "4"
    assert attrs.as_dict() == {"rank": "0", "size": "4"}
    assert list(attrs) == ["rank", "size"]


def test_a_fixed_attribute_is_neither_changed_nor_removed() -> None:
    attrs = Attributes()
    attrs.set("rank", 0, fixed=True)
    with pytest.raises(BournError, match="'rank' can't be changed") as caught:
        attrs.set("rank", 1)
    assert caught.value.errnum == errno.EPERM
    with pytest.raises(BournError, match="'rank' can't be removed") as caught:
        attrs.remove("rank")
    assert caught.value.errnum == errno.EPERM


def test_an_unknown_attribute_brings_a_suggestion() -> None:
    attrs = Attributes()
    attrs.set("local-uri", "x")
    with pytest.raises(BournError, match="no attribute 'localuri'; did you mean 'local-uri'") as caught:
        attrs["localuri"]
    assert caught.value.errnum == errno.ENOENT
    assert attrs.get("localuri") is None
