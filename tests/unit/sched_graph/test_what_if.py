"""A what-if that moves on is the same as one that was made for where it has got to."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bourn_plugins.sched_graph.engine.engine import Engine, Parts
from bourn_plugins.sched_graph.engine.policy import Chooser
from bourn_plugins.sched_graph.request import compile_request
from bourn_plugins.sched_graph.resources import stock
from tests.unit.sched_graph.graphs import cluster, jobspec, res, slot

REQUESTS = [
    [slot(1, res("core", 1))],
    [slot(3, res("core", 2))],
    [res("node", 1, slot(1, res("core", 1)), exclusive=True)],
    [slot(1, res("socket", 1, res("core", 1)))],
]


def engine(sockets: int) -> Engine:
    return Engine(cluster(nodes=3, sockets=sockets), Chooser(stock.match_policy("low").factory({})))


def matched(made: Engine, kinds: list[int], first: int) -> list[Parts]:
    """Return what jobs get that come one after the other; they keep it."""
    found = []
    for job, kind in enumerate(kinds, first):
        parts = made.match(compile_request(jobspec(REQUESTS[kind])))
        if parts is not None:
            made.allocate(job, parts)
            found.append(parts)
    return found


def looks(made: Engine) -> tuple[Any, ...]:
    """Return all that a match looks at."""
    states = [id(state) for cell in made.cells for state in (cell.state, *(kid.state for kid in cell.kids))]
    fits = [made.match(compile_request(jobspec(request))) is not None for request in REQUESTS]
    return states, [cell.users for cell in made.cells], made.busy, fits, made.count_units("core")


kinds = st.lists(st.integers(0, len(REQUESTS) - 1), max_size=6)
moves = st.lists(
    st.tuples(*[st.sets(st.integers(0, 5))] * 2),
    max_size=5,
)


@given(st.integers(0, 2), kinds, kinds, moves)
def test_moving_on(sockets: int, run: list[int], later: list[int], moves: Any) -> None:
    made = engine(sockets)
    # What is held overlaps with what runs, and with what else is held: all of it was matched when idle.
    held_later = matched(made, later, 100) + matched(engine(sockets), later[::-1], 100)
    for job in list(made.jobs):
        made.free(job)
    running = matched(made, run, 0)
    really = looks(made)

    gone: set[int] = set()
    held: set[int] = set()
    with made.what_if((), ()) as world:
        for leave, swap in moves:
            leave = {i for i in leave - gone if i < len(running)}
            swap = {i for i in swap if i < len(held_later)}
            world.move(
                [running[i] for i in leave],
                [held_later[i] for i in swap & held],
                [held_later[i] for i in swap - held],
            )
            gone |= leave
            held ^= swap
            here = looks(made)
            with engine_like(made, running, gone, held_later, held) as other:
                assert looks(other.engine) == here
    assert looks(made) == really


def engine_like(made: Engine, running: Any, gone: Any, later: Any, held: Any) -> Any:
    """Return a what-if of an engine like one that is in the middle of another what-if."""
    other = Engine(made.graph, made.chooser, interner=made.interner)
    for job, parts in enumerate(running):
        other.allocate(job, parts)
    return other.what_if([running[i] for i in gone], [later[i] for i in held])
