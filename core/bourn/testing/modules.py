"""Conformance check for broker modules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

from bourn.broker.module import Module
from bourn.errors import RPCError
from bourn.testing.broker import memory_broker
from bourn.testing.ensure import ensure, ensure_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bourn.hookspecs.modules import ModuleSpec

__all__ = ["check_module"]


def check_module(
    spec: ModuleSpec, *, config: Mapping[str, Any] | None = None, company: tuple[ModuleSpec, ...] = ()
) -> None:
    """Start a module in a broker in memory, use it, and stop it.

    It must start within ten seconds, answer ``ping`` and ``stats``, survive a request that no method has and
    a client that goes away, and leave no task behind when it is stopped. `company` are modules that provide
    what it requires.
    """
    what = ensure_name(spec, "module")
    ensure(spec.provides, f"{what}: provides nothing")
    ensure(spec.ranks in ("all", "0"), f"{what}: ranks is 'all' or '0', not {spec.ranks!r}")
    missing = set(spec.requires) - {service for other in company for service in other.provides}
    ensure(not missing, f"{what}: give the check modules for what it requires: {', '.join(sorted(missing))}")
    trio.run(_use, spec, what, config, company)


async def _use(
    spec: ModuleSpec, what: str, config: Mapping[str, Any] | None, company: tuple[ModuleSpec, ...]
) -> None:
    with trio.fail_after(10):
        async with memory_broker(*company, spec, config=config) as broker:
            for service in spec.provides:
                module = broker.provider(service)
                ensure(isinstance(module, Module), f"{what}: its factory must make a Module, not {module!r}")
                for name in ("ping", "stats"):
                    try:
                        answer = await broker.rpc(f"{service}.{name}", {})
                    except RPCError as error:
                        raise AssertionError(f"{what}: {service}.{name} failed: {error.message}") from error
                    ensure(isinstance(answer, dict), f"{what}: {service}.{name} answered {answer!r}")
                try:
                    await broker.rpc(f"{service}.no-such-method-here", {})
                except RPCError:
                    pass
                else:
                    raise AssertionError(f"{what}: answers a method that it doesn't have")
                module.disconnect("a-client-it-never-met")
