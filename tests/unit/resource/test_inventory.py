import pytest
from hypothesis import given
from hypothesis import strategies as st

from bourn.errors import BournError
from bourn.model.event import Event
from bourn.model.idset import IdSet
from bourn.model.rset import ResourceSet
from bourn_plugins.resource.inventory import Inventory


def inventory(exclude: str = "") -> Inventory:
    rset = ResourceSet.from_nodes([(rank, f"h{rank}", "0-3", "") for rank in range(4)])
    made = Inventory(rset, IdSet(exclude))
    made.apply(Event(1.0, "restart", {"online": "0-2"}))
    return made


def test_up_is_what_is_online_and_neither_drained_nor_excluded() -> None:
    inv = inventory(exclude="0")
    assert inv.up == IdSet("1-2")
    inv.apply(Event(2.0, "drain", {"idset": "2", "reason": "smoke"}))
    assert inv.up == IdSet("1")
    inv.apply(Event(3.0, "online", {"idset": "3"}))
    inv.apply(Event(4.0, "undrain", {"idset": "2"}))
    inv.apply(Event(5.0, "offline", {"idset": "1"}))
    assert inv.up == IdSet("2-3")


def test_the_first_reason_stands_unless_it_is_overwritten() -> None:
    inv = inventory()
    inv.apply(Event(2.0, "drain", {"idset": "1", "reason": "smoke"}))
    inv.apply(Event(3.0, "drain", {"idset": "1", "reason": "fire"}))
    assert (inv.drained[1].since, inv.drained[1].reason) == (2.0, "smoke")
    inv.apply(Event(4.0, "drain", {"idset": "1", "reason": "fire", "overwrite": 1}))
    assert inv.drained[1].reason == "fire"


def test_drain_of_what_is_drained_needs_to_be_asked_for() -> None:
    inv = inventory()
    inv.apply(Event(2.0, "drain", {"idset": "1", "reason": "smoke"}))
    with pytest.raises(BournError, match="rank 1 is drained already"):
        inv.drain_context(IdSet("0-1"), "x", "")
    assert inv.drain_context(IdSet("0-1"), "x", "update")["idset"] == "0"
    assert inv.drain_context(IdSet("0-1"), "x", "overwrite") == {
        "idset": "0-1",
        "nodelist": "h[0-1]",
        "reason": "x",
        "overwrite": 1,
    }
    with pytest.raises(BournError, match="mode 'never' is unknown"):
        inv.drain_context(IdSet("0"), "x", "never")


def test_undrain_of_what_is_not_drained_is_an_error() -> None:
    with pytest.raises(BournError, match="rank 0-1 is not drained"):
        inventory().undrain_context(IdSet("0-1"))


@pytest.mark.parametrize(
    ("text", "ranks"), [("1-2", "1-2"), ("[0,3]", "0,3"), ("h[1-2]", "1-2"), ("h3,h0", "0,3")]
)
def test_targets_are_ranks_or_hosts(text: str, ranks: str) -> None:
    assert inventory().targets(text) == IdSet(ranks)


@pytest.mark.parametrize(
    ("text", "reason"),
    [("7", "rank 7 is not among"), ("g1", "host 'g1' is not among the resources; there are: h")],
)
def test_targets_that_are_not_there(text: str, reason: str) -> None:
    with pytest.raises(BournError, match=reason):
        inventory().targets(text)


events = st.builds(
    lambda name, ranks: Event(
        1.0, name, {"idset": str(IdSet(ranks)), "online": str(IdSet(ranks)), "reason": "r"}
    ),
    st.sampled_from(["drain", "undrain", "online", "offline", "restart", "resource-define", "torpid"]),
    st.sets(st.integers(0, 3)),
)


@given(st.lists(events))
def test_up_never_holds_what_may_not_be_used(log: list[Event]) -> None:
    inv = inventory(exclude="3")
    for event in log:
        inv.apply(event)
    assert inv.up <= inv.ranks
    assert inv.up <= inv.online
    assert not inv.up & IdSet(inv.drained)


def test_what_is_found_of_a_rank_leaves_changes_of_others_as_they_were() -> None:
    inv = inventory()
    smaller = ResourceSet.from_nodes([(1, "h1", "0", "")])
    change = {"changes": [{"op": "remove"}], "ranks": "1", "R": smaller.to_dict(), "down": "2"}
    update = Event(2.0, "graph-update", change)
    inv.apply(update)
    inv.apply(Event(3.0, "drain", {"idset": "0", "reason": "smoke"}))
    inv.define(ResourceSet.from_nodes([(0, "h0", "0-7", ""), (4, "h4", "0", "")]), [update])
    assert inv.rset.summary() == "rank0/core[0-7] rank[1,4]/core0 rank[2-3]/core[0-3]"
    assert inv.base.summary() == "rank0/core[0-7] rank[1-3]/core[0-3] rank4/core0"
    assert (len(inv.updates), inv.closed, set(inv.drained)) == (1, IdSet("2"), {0})
