"""Boot methods `config` and `kubernetes`: each broker is started on its own host and knows all names."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from attrs import evolve

from bourn.config.tables import BootHost, BootstrapTable
from bourn.errors import BournError
from bourn.hookspecs import hookimpl
from bourn.hookspecs.boot import BootMethod
from bourn_plugins.boot_config.hosts import Hosts, Listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bourn.config import Config

__all__ = ["Hosts", "Listed"]

HOSTNAME = "BOURN_HOSTNAME"
"""Environment variable: the name by which this host stands in the list, in place of its own."""
INDEX = "JOB_COMPLETION_INDEX"
"""Set by Kubernetes in the pods of an indexed job."""
SIZE, SERVICE = "BOURN_BOOT_SIZE", "BOURN_BOOT_SERVICE"
"""To be set in the pod's template: the job's completions, and the headless service that gives pods names."""


def _listed(environ: Mapping[str, str], config: Config) -> bool:
    table = config.raw.get("bootstrap")
    return isinstance(table, dict) and bool(table.get("hosts"))


def _open_listed(environ: Mapping[str, str], config: Config) -> Listed:
    hostname = environ.get(HOSTNAME) or socket.gethostname()
    # A system comes up with the hosts that there are.
    return Listed(config.table("bootstrap", BootstrapTable), hostname, quorum=1)


def _in_pod(environ: Mapping[str, str], config: Config) -> bool:
    return INDEX in environ and SIZE in environ


def _open_in_pod(environ: Mapping[str, str], config: Config) -> Listed:
    """Pod INDEX of a job has the host name JOB-INDEX, and where a service is named, JOB-INDEX.SERVICE."""
    index, size = (_number(environ, name) for name in (INDEX, SIZE))
    if index >= size:
        raise BournError(f"{INDEX}={index}: must be below {SIZE}={size}, the job's completions")
    hostname = (environ.get("HOSTNAME") or socket.gethostname()).partition(".")[0]
    job, dash, number = hostname.rpartition("-")
    if not dash or number != str(index):
        raise BournError(
            f"the pod's host name '{hostname}' doesn't end in -{index}, as those of indexed jobs do"
        )
    service = environ.get(SERVICE, "")
    suffix = f".{service}" if service else ""
    table = config.table("bootstrap", BootstrapTable)
    hosts = (BootHost(f"{job}-[0-{size - 1}]{suffix}"),)
    return Listed(evolve(table, hosts=hosts), f"{hostname}{suffix}", quorum=size)


def _number(environ: Mapping[str, str], name: str) -> int:
    text = environ.get(name, "")
    if not text.isdecimal():
        raise BournError(f"{name}={text}: must be a number")
    return int(text)


@hookimpl
def bourn_boot_methods() -> Iterable[BootMethod]:
    """Register `config` and `kubernetes`."""
    yield BootMethod("config", _listed, _open_listed)
    yield BootMethod("kubernetes", _in_pod, _open_in_pod, priority=5, needs=(INDEX, SIZE))
