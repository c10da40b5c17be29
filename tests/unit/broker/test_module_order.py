from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bourn.broker.module import Module, ModuleSpec
from bourn.broker.order import choose, start_order
from bourn.errors import BournError, ConfigError


def spec(name: str, **more: object) -> ModuleSpec:
    return ModuleSpec(name, Module, **more)  # type: ignore[arg-type]


def names(specs: list[ModuleSpec]) -> list[str]:
    return [s.name for s in specs]


simple = spec("sched-simple", provides=("sched", "feasibility"))
graph = spec("sched-graph", provides=("sched", "feasibility"), priority=10)
other = spec("other")


def test_the_higher_priority_provides() -> None:
    assert names(choose([simple, graph, other], {}, 0)) == ["sched-graph", "other"]


def test_the_configuration_chooses_another() -> None:
    assert names(choose([simple, graph, other], {"sched": "sched-simple"}, 0)) == ["sched-simple", "other"]


def test_of_equals_the_first_registered_provides() -> None:
    assert names(choose([simple, spec("third", provides=("sched",))], {}, 0)) == ["sched-simple"]


def test_a_choice_of_a_module_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(ConfigError, match=r"\[modules\] sched = 'sched-grph'.*did you mean 'sched-graph'"):
        choose([simple, graph], {"sched": "sched-grph"}, 0)


def test_a_choice_for_a_service_that_nobody_provides_is_an_error() -> None:
    with pytest.raises(
        ConfigError, match=r"\[modules\] schd: no module provides this service; did you mean 'sched'"
    ):
        choose([simple], {"schd": "sched-simple"}, 0)


def test_rank_0_modules_stay_on_rank_0() -> None:
    assert names(choose([spec("a", ranks="0"), other], {"a": "a"}, 1)) == ["other"]


def test_requirements_start_first() -> None:
    specs = [spec("c", requires=("b",)), spec("b", requires=("a",)), spec("a")]
    assert names(start_order(specs)) == ["a", "b", "c"]


def test_after_holds_only_for_what_is_there() -> None:
    assert names(start_order([spec("b", after=("a", "absent")), spec("a")])) == ["a", "b"]


def test_what_runs_already_satisfies() -> None:
    assert names(start_order([spec("b", requires=("a",))], ["a"])) == ["b"]


def test_a_requirement_that_nobody_meets_is_named() -> None:
    with pytest.raises(
        BournError, match="'b' requires the service 'kvss', which no module provides; did you mean 'kvs'"
    ):
        start_order([spec("b", requires=("kvss",)), spec("kvs")])


def test_modules_that_wait_for_each_other_are_named() -> None:
    with pytest.raises(BournError, match="wait for each other: 'a' and 'b'"):
        start_order([spec("a", requires=("b",)), spec("b", after=("a",)), spec("c")])


@given(st.integers(1, 8), st.randoms(use_true_random=False), st.data())
def test_an_order_is_found_whenever_there_is_one(count: int, random: object, data: st.DataObject) -> None:
    # Requirements only on modules of a lower number: there is always an order.
    specs = [
        spec(f"m{i}", requires=tuple(f"m{j}" for j in range(i) if data.draw(st.booleans())))
        for i in range(count)
    ]
    shuffled = data.draw(st.permutations(specs))
    started: set[str] = set()
    for each in start_order(shuffled):
        assert started >= set(each.requires)
        started.add(each.name)
    assert len(started) == count
