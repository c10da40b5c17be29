"""What the command line imports before it does anything must not pull in heavy packages."""

from __future__ import annotations

import pytest

from tests.imports import imported

HEAVY = ("attr", "attrs", "cattrs", "msgspec", "trio", "pluggy", "yaml", "rich", "importlib.metadata", "json")


@pytest.mark.parametrize("module", ["jobspec_build", "jobid", "duration", "idset", "hostlist", "flags"])
def test_nothing_heavy_comes_with_it(module: str) -> None:
    assert not imported(f"import bourn.model.{module}", HEAVY)


def test_the_package_gives_its_names_lazily() -> None:
    import bourn.model

    for name in bourn.model.__all__:
        assert getattr(bourn.model, name) is not None
    assert dir(bourn.model) == sorted(bourn.model.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Nope'"):
        _ = bourn.model.Nope  # type: ignore[attr-defined]
