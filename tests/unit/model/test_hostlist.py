from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bourn.errors import BournError
from bourn.model.hostlist import Hostlist

# Test vectors of RFC 29: text and the hosts in it.
VECTORS = [
    ("", []),
    ("foox,fooy,fooz", ["foox", "fooy", "fooz"]),
    ("[1-3,5-6]", ["1", "2", "3", "5", "6"]),
    ("foo[1-5]", ["foo1", "foo2", "foo3", "foo4", "foo5"]),
    ("foo[0-4]-eth2", [f"foo{i}-eth2" for i in range(5)]),
    ("foo1,foo1,foo1", ["foo1"] * 3),
    ("[00-02]", ["00", "01", "02"]),
    ("[00-2]", ["00", "01", "02"]),
    ("foo[1,1,2,1]", ["foo1", "foo1", "foo2", "foo1"]),
    ("[005,4,11-13]", ["005", "004", "011", "012", "013"]),
]


@pytest.mark.parametrize(("text", "hosts"), VECTORS)
def test_rfc_vectors(text: str, hosts: list[str]) -> None:
    assert list(Hostlist(text)) == hosts
    assert list(Hostlist(str(Hostlist(text)))) == hosts


@pytest.mark.parametrize(
    ("hosts", "text"),
    [
        (["n0", "n1", "n2", "n7"], "n[0-2,7]"),
        (["n08", "n09", "n10"], "n[08-10]"),
        (["n9", "n10"], "n[9-10]"),
        (["n1", "n01"], "n1,n01"),
        (["n10", "n011"], "n10,n011"),
        (["a", "b1", "c"], "a,b1,c"),
        (["n2", "n1"], "n[2,1]"),
        (["x18446744073709551616"], "x18446744073709551616"),
    ],
)
def test_compact_text(hosts: list[str], text: str) -> None:
    assert str(Hostlist(hosts)) == text
    assert list(Hostlist(text)) == hosts


host = st.from_regex(r"[a-c]{0,2}-?[0-9]{0,4}(-ib)?", fullmatch=True).filter(bool)


@given(st.lists(host, max_size=30))
def test_text_round_trips(hosts: list[str]) -> None:
    assert list(Hostlist(str(Hostlist(hosts)))) == hosts
    assert Hostlist(str(Hostlist(hosts))) == Hostlist(hosts)


def test_list_operations() -> None:
    hosts = Hostlist("n[0-3],n1,login")
    assert len(hosts) == 6
    assert hosts.count("n1") == 2
    assert hosts.index("n2") == 2
    assert "login" in hosts
    assert hosts[1] == "n1"
    assert str(hosts[1:3]) == "n[1-2]"
    assert str(hosts[[0, 5]]) == "n0,login"
    assert str(hosts.uniq()) == "n[0-3],login"
    assert str(Hostlist("n10,n9,a").sorted()) == "a,n[9-10]"
    assert str(hosts - Hostlist("n[1-2]")) == "n[0,3],login"
    assert str(hosts & Hostlist("n1")) == "n[1,1]"
    assert str(Hostlist("a1") + Hostlist("a2")) == "a[1-2]"
    hosts.append("n[8-9]")
    assert list(hosts)[-2:] == ["n8", "n9"]
    assert hash(Hostlist("a,b")) == hash(Hostlist(["a", "b"]))
    assert repr(Hostlist("a1,a2")) == "Hostlist('a[1-2]')"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("n[1", "one pair of brackets"),
        ("n1]", "has no '['"),
        ("n[1][2]", "one pair of brackets"),
        ("n[a]", "not a number"),
        ("n[2-1]", "descends"),
        ("n[]", "not a number"),
        ("a b", "white space"),
        ("n[0-9999999]", "more than"),
    ],
)
def test_what_is_wrong_is_said(text: str, reason: str) -> None:
    with pytest.raises(BournError, match=r"^hostlist ") as caught:
        Hostlist(text)
    assert reason in caught.value.message
