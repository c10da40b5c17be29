"""Boot methods `ssh` and `ssh-member`: this process is rank 0 and starts a broker on each of some hosts.

What the ssh processes pass on is a channel from each broker to rank 0: certificates are made at the start and
exchanged there, and a broker whose channel ends stops.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.client.ssh import ssh_command
from bourn.config.tables import BootstrapTable
from bourn.errors import BournError, ConfigError
from bourn.hookspecs import hookimpl
from bourn.hookspecs.boot import LAUNCHER, BootMethod
from bourn.model.hostlist import Hostlist
from bourn_plugins.boot_ssh.member import Member
from bourn_plugins.boot_ssh.root import Root

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bourn.config import Config


def _never(environ: Mapping[str, str], config: Config) -> bool:
    return False  # it is named


def _open_root(environ: Mapping[str, str], config: Config) -> Root:
    table = config.table("bootstrap", BootstrapTable)
    try:
        hosts = [host for entry in table.hosts for host in Hostlist(entry.host)]
    except BournError as error:
        raise ConfigError(f"[bootstrap] hosts: {error.message}") from None
    if not hosts:
        raise ConfigError("[bootstrap] hosts is empty: it names the hosts that get a broker each")
    twice = {host for host in hosts if hosts.count(host) > 1}
    if twice:
        raise ConfigError(f"[bootstrap] hosts names '{sorted(twice)[0]}' twice")
    odd = [host for host in hosts if host.startswith("-")]
    if odd:
        raise ConfigError(f"[bootstrap] hosts: '{odd[0]}' is no name of a host")
    return Root(hosts, ssh_command(table.ssh, may_ask=False), config.raw, table.timeout)


def _open_member(environ: Mapping[str, str], config: Config) -> Member:
    try:
        rank, size, instance = environ[LAUNCHER].split(":")
        timeout = config.table("bootstrap", BootstrapTable).timeout
        return Member(int(rank), int(size), instance, timeout)
    except ValueError:
        raise BournError(f"{LAUNCHER}: '{environ[LAUNCHER]}' must be RANK:SIZE:ID; rank 0 sets it") from None


@hookimpl
def bourn_boot_methods() -> Iterable[BootMethod]:
    """Register `ssh`, which has to be named, and `ssh-member`, which is what it starts."""
    yield BootMethod("ssh", _never, _open_root)
    yield BootMethod("ssh-member", _never, _open_member, needs=(LAUNCHER,))
