"""Runs `async def` tests in trio, on a clock that jumps ahead whenever every task sleeps."""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: Any) -> bool | None:
    """Run one async test function."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    trio.run(partial(pyfuncitem.obj, **arguments), clock=trio.testing.MockClock(autojump_threshold=0))
    return True
