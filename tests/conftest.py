"""Runs `async def` tests in trio, on a clock that jumps ahead whenever every task sleeps; sets hypothesis up.

`pytest --hypothesis-profile=search` tries other examples in every run, and more of them.
"""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any

import hypothesis
import pytest
import trio
import trio.testing

# A test that takes long on a busy machine hasn't failed, and one that fails does so in every run.
hypothesis.settings.register_profile("bourn", deadline=None, derandomize=True)
hypothesis.settings.register_profile("search", deadline=None, max_examples=1000)
hypothesis.settings.load_profile("bourn")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: Any) -> bool | None:
    """Run one async test function."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    trio.run(partial(pyfuncitem.obj, **arguments), clock=trio.testing.MockClock(autojump_threshold=0))
    return True
