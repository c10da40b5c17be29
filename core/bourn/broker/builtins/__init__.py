"""The services that every broker has: they are part of it, and can't be removed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from bourn.broker.builtins.attr import AttrModule
from bourn.broker.builtins.config import ConfigModule
from bourn.broker.builtins.control import ControlModule
from bourn.broker.builtins.event import EventModule
from bourn.broker.builtins.groups import GroupsModule
from bourn.broker.builtins.log import LogModule
from bourn.broker.builtins.modules import ModulesModule
from bourn.broker.builtins.overlay import OverlayModule
from bourn.broker.builtins.service import ServiceModule
from bourn.hookspecs.modules import ModuleSpec

if TYPE_CHECKING:
    from bourn.broker.broker import Broker
    from bourn.broker.builtins.base import Builtin
    from bourn.hookspecs.modules import ModuleFactory

_BUILTINS: dict[str, type[Builtin]] = {
    "attr": AttrModule,
    "event": EventModule,
    "log": LogModule,
    "broker": ControlModule,
    "config": ConfigModule,
    "module": ModulesModule,
    "service": ServiceModule,
    "groups": GroupsModule,
    "overlay": OverlayModule,
}


def builtin_specs(broker: Broker) -> list[ModuleSpec]:
    """Return the built-in modules of a broker, in the order of their start."""
    return [
        ModuleSpec(name, cast("ModuleFactory", partial(cls, broker=broker)))
        for name, cls in _BUILTINS.items()
    ]


__all__ = ["builtin_specs"]
