"""Jobspecs bent in every way: each is taken or refused with the path of what is wrong."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bourn.errors import BournError
from bourn.model.jobspec_build import from_command
from tests.integration.robust.whole_broker import whole_broker

WEIRD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, -1, 2**63, 10**30, 1e308, float("inf"), "", "\0", "0-3", "node", "slot", "[0-9]"]),
    st.floats(allow_nan=False),
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=8),
    st.recursive(
        st.none() | st.integers(-2, 5) | st.text("abé\0.", max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text("ab.", max_size=3), inner, max_size=3)
        ),
        max_leaves=6,
    ),
)


def base() -> dict[str, Any]:
    spec: dict[str, Any] = from_command(
        ["sh", "-c", "x"], num_tasks=2, cores_per_task=2, environment={"A": "b"}, cwd="/", duration=10.0
    )
    system = spec["attributes"]["system"]
    system["dependencies"] = []
    system["constraints"] = {"and": [{"hostlist": ["node0"]}, {"not": [{"properties": ["a"]}]}]}
    system["rlimit"] = {"nofile": 100}
    system["environment"] = {"A": "b"}
    system["shell"] = {"options": {"output": {"stdout": {"type": "file", "path": "x"}}}}
    return spec


def places(tree: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [at] if at else []
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        found += places(value, (*at, key))
    return found


PLACES = places(base())
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(PLACES), st.sampled_from(["set", "del", "add"]), st.text("abé", max_size=3), WEIRD
    ),
    min_size=1,
    max_size=3,
)


def bend(spec: dict[str, Any], changes: list[tuple[tuple[Any, ...], str, str, Any]]) -> dict[str, Any]:
    spec = copy.deepcopy(spec)
    for (*way, last), action, name, value in changes:
        at: Any = spec
        try:
            for key in way:
                at = at[key]
            if action == "del":
                del at[last]
            elif action == "set":
                at[last] = value
            else:
                at[last][name] = value
        except (KeyError, IndexError, TypeError):
            continue
    return spec


def test_bent_jobspecs_are_taken_or_refused_in_words() -> None:
    async def main() -> None:
        async with whole_broker() as broker:
            ingest = broker.provider("job-ingest")

            async def submit(body: dict[str, Any]) -> str:
                try:
                    await broker.rpc("job-ingest.submit", body)
                except BournError as error:
                    assert "failed in" not in error.message, (body, error.message)
                    return error.message
                return ""

            token = trio.lowlevel.current_trio_token()

            @settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck), database=None)
            @given(CHANGES, st.booleans())
            def fuzz(changes: list[Any], as_override: bool) -> None:
                spec = bend(base(), changes)
                body: dict[str, Any] = {"jobspecs": [spec], "jobs": [{"jobspec": 0}]}
                if as_override:
                    body = {"jobspecs": [base()], "jobs": [{"jobspec": 0, "set": dotted(changes)}]}
                trio.from_thread.run(submit, body, trio_token=token)

            await trio.to_thread.run_sync(fuzz)
            assert ingest is broker.provider("job-ingest")
            states = {live.name: live.state for live in broker.broker.host.live.values()}
            assert set(states.values()) == {"running"}, states

    trio.run(main)


def dotted(changes: list[Any]) -> dict[str, Any]:
    return {".".join(str(part) for part in place): value for place, _, _, value in changes}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"resources": []}, r"resources"),
        ({"tasks": [{"command": [], "slot": "task", "count": {"per_slot": 1}}]}, r"tasks\[0\]\.command"),
        ({"version": 0}, "version"),
        ({"resources": [{"type": "slot", "count": 1, "label": "task", "with": [{"type": "core", "count": -1}]}]},
         r"resources\[0\]\.with\[0\]\.count"),
        ({"resources": [{"type": "slot", "count": 1, "label": "task", "with": [{"type": "core", "count": 10**30}]}]},
         r"core|count"),
        ({"resources": [{"type": "slot", "count": 5, "label": "task", "with": [{"type": "core", "count": 1}]}]},
         "5 cores"),
    ],
)  # fmt: skip
def test_what_can_never_run_is_refused_with_its_path(change: dict[str, Any], words: str) -> None:
    async def main() -> None:
        async with whole_broker() as broker:
            body = {"jobspecs": [{**from_command(["true"]), **change}], "jobs": [{"jobspec": 0}]}
            with pytest.raises(BournError) as caught:
                await broker.rpc("job-ingest.submit", body)
            assert re.search(words, caught.value.message), caught.value.message

    trio.run(main)
