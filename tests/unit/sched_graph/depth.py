"""How many random cases a property is held to: a few in each run, thousands where slow tests are run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import SearchStrategy


def depth(quick: int, slow: int) -> pytest.MarkDecorator:
    """Parametrize a test by its number of `examples`."""
    marks = pytest.mark.slow
    values = [pytest.param(quick, id="quick"), pytest.param(slow, marks=marks, id="deep")]
    return pytest.mark.parametrize("examples", values)


def hold(check: Callable[..., None], examples: int, **strategies: SearchStrategy[Any]) -> None:
    """Call `check` with so many draws of what its arguments may be."""
    settings(max_examples=examples, deadline=None)(given(**strategies)(check))()
