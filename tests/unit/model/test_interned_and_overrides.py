from __future__ import annotations

import copy
import gc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bourn.errors import JobspecError
from bourn.model.interned import InternTable, jobspec_hash
from bourn.model.jobspec_build import set_path
from bourn.model.overrides import apply_overrides, check_overrides
from tests.unit.model.jobspecs import jobspec


def test_equal_texts_are_one_object() -> None:
    table = InternTable()
    a = table.intern_obj(jobspec())
    b = table.intern(a.json)
    assert a is b is table.get(a.hash)
    assert a.hash == jobspec_hash(a.json)
    assert len(a.hash) == 16
    assert a.obj == jobspec()
    assert a.counts.ncores == 1
    assert a.counts is a.counts
    assert a.system == {"duration": 0}
    assert table.intern_obj(jobspec(system={"queue": "q"})) is not a
    assert "bytes" in repr(a)


def test_what_no_job_holds_is_forgotten() -> None:
    table = InternTable()
    kept = table.intern_obj(jobspec())
    table.intern_obj(jobspec(system={"queue": "q"}))
    gc.collect()
    assert len(table) == 1
    del kept
    gc.collect()
    assert len(table) == 0


def test_overrides_lie_over_and_leave_the_shared_tree_alone() -> None:
    obj = jobspec(system={"environment": {"A": "1"}, "queue": "q"})
    before = copy.deepcopy(obj)
    new = apply_overrides(
        obj,
        {
            "attributes.system.environment.B.c": "2",
            "attributes.system.environment.A": None,
            "attributes.system.duration": 5,
            "attributes.user.x.y": [1],
        },
    )
    assert obj == before
    assert new["attributes"]["system"] == {
        "duration": 5,
        "environment": {"A": None, "B.c": "2"},
        "queue": "q",
    }
    assert new["attributes"]["user"] == {"x": {"y": [1]}}
    assert new["resources"] is obj["resources"]
    assert apply_overrides(obj, None) == obj


keys = st.sampled_from(["a", "b", "c"])
paths = st.lists(keys, min_size=1, max_size=4).map(".".join)


@given(st.dictionaries(paths, st.integers(), max_size=5))
def test_overrides_agree_with_setting_one_by_one(overrides: dict[str, int]) -> None:
    obj: dict[str, Any] = {"a": {"b": {"c": 1}, "c": 2}, "b": {}}
    expected = copy.deepcopy(obj)
    try:
        for path, value in overrides.items():
            set_path(expected, path, value)
    except Exception:
        with pytest.raises(JobspecError, match="is a value, not a table"):
            apply_overrides(obj, overrides)
        return
    assert apply_overrides(obj, overrides) == expected


def test_a_path_through_a_value_or_an_empty_part_is_refused() -> None:
    with pytest.raises(JobspecError, match=r"attributes.system.duration.x: 'duration' is a value"):
        apply_overrides(jobspec(), {"attributes.system.duration.x": 1})
    for path in ("", "a..b", "a."):
        with pytest.raises(JobspecError, match="empty part"):
            apply_overrides({}, {path: 1})


@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"attributes.system.environment.BOURN_JOB_CC": "3"},
        {"attributes.system.environment.X": None},
        {"attributes.system.job.name": "n"},
        {"attributes.system.duration": 1},
        {"attributes.system.shell.options.verbose": 1},
        {"attributes.user.x": object()},
    ],
)
def test_what_may_be_set_for_one_job(overrides: dict[str, Any]) -> None:
    check_overrides(overrides)


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        ([], "set: must be a dictionary"),
        ({"resources": []}, "resources: only keys under attributes.system."),
        ({"attributes.system": {}}, "attributes.system: only keys under"),
        (
            {"attributes.system.environment.X": 1},
            "attributes.system.environment.X: must be a string, or null",
        ),
        ({"attributes.system.environment.X=": "1"}, "has no '='"),
        ({"attributes.system.job.a.b": "x"}, "is not a key right under"),
        ({"attributes.system.job.": "x"}, "is not a key right under"),
        ({"attributes.system.job.name": 1}, "attributes.system.job.name: must be a string"),
        ({"attributes.system.duration": "1h"}, "attributes.system.duration: must be a number of seconds"),
        ({"attributes.system.environment": {"A": 1}}, "attributes.system.environment.A: must be a string"),
    ],
)
def test_what_may_not(overrides: Any, reason: str) -> None:
    with pytest.raises(JobspecError) as caught:
        check_overrides(overrides)
    assert reason in caught.value.message
