"""Which modules run, and in what order: decisions only."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from bourn.errors import BournError, ConfigError, suggest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bourn.hookspecs.modules import ModuleSpec

_RUN_JOBS = ("sched", "job-exec", "shell-manager")


def choose(specs: Sequence[ModuleSpec], choices: Mapping[str, object], rank: int) -> list[ModuleSpec]:
    """Return the modules to run on `rank`: one for each service.

    Modules compete for the first service that they provide: `choices` (the table `[modules]`) decides, then
    the higher priority, then who was registered first. Raises ConfigError for a choice that can't be met.
    """
    here = [spec for spec in specs if spec.ranks == "all" or rank == 0]
    services: dict[str, list[ModuleSpec]] = {}
    for spec in here:
        services.setdefault(_principal(spec), []).append(spec)
    everywhere = {_principal(spec) for spec in specs}
    for service, name in choices.items():
        if service not in everywhere:
            raise ConfigError(
                f"[modules] {service}: no module provides this service{suggest(service, everywhere)}"
            )
        names = [spec.name for spec in specs if _principal(spec) == service]
        if name not in names:
            raise ConfigError(f"[modules] {service} = {name!r}: no such module{suggest(str(name), names)}")
    chosen = []
    for service, candidates in services.items():
        wanted = choices.get(service)
        if wanted is None:
            chosen.append(max(candidates, key=lambda spec: spec.priority))
        else:
            chosen.extend(spec for spec in candidates if spec.name == wanted)
    return chosen


def only_records(chosen: Iterable[ModuleSpec]) -> list[ModuleSpec]:
    """Leave out the modules that schedule and run jobs: those of a broker that recovers a state directory."""
    return [spec for spec in chosen if _principal(spec) not in _RUN_JOBS]


def start_order(chosen: Iterable[ModuleSpec], running: Iterable[str] = ()) -> list[ModuleSpec]:
    """Sort modules so that each comes after those whose services it requires, or follows if they are there.

    Args:
        chosen: the modules to start, at most one for each service.
        running: services that are there already.
    Raises BournError for a service that nobody provides and for modules that wait for each other.
    """
    waiting = list(chosen)
    provided = {service for spec in waiting for service in spec.provides}
    ready = set(running)
    for spec in waiting:
        for service in spec.requires:
            if service not in provided and service not in ready:
                hint = suggest(service, provided | ready)
                raise BournError(
                    f"module '{spec.name}' requires the service '{service}', which no module provides{hint}",
                    errno.ENOENT,
                )
    ordered: list[ModuleSpec] = []
    while waiting:
        startable = next(
            (spec for spec in waiting if _needs(spec, provided) <= ready | set(spec.provides)), None
        )
        if startable is None:
            names = " and ".join(f"'{spec.name}'" for spec in waiting)
            raise BournError(f"modules wait for each other: {names}", errno.EDEADLK)
        waiting.remove(startable)
        ordered.append(startable)
        ready.update(startable.provides)
    return ordered


def _needs(spec: ModuleSpec, provided: set[str]) -> set[str]:
    return {*spec.requires, *provided.intersection(spec.after)}


def _principal(spec: ModuleSpec) -> str:
    return spec.provides[0] if spec.provides else spec.name
