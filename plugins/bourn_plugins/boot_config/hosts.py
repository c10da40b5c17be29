"""The hosts of an instance as a list that each broker has, and a broker's place in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bourn.config.tables import BootstrapTable
from bourn.errors import BournError, ConfigError, suggest
from bourn.model.hostlist import Hostlist

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from bourn.config import Config


class Hosts:
    """The brokers of an instance: ranks are the hosts' places in the list."""

    def __init__(self, table: BootstrapTable) -> None:
        self.names: list[str] = []
        self.bind: list[tuple[str, int]] = []
        self.connect: list[tuple[str, int]] = []
        parents: dict[str, str] = {}
        for place, entry in enumerate(table.hosts):
            where = f"bootstrap.hosts[{place}]"
            for host in _names(entry.host, where):
                if host in self.names:
                    raise ConfigError(f"{where}: host '{host}' is in the list already")
                self.names.append(host)
                bind = entry.bind or table.default_bind
                self.bind.append(_address(bind, host, table.default_port, f"{where}.bind"))
                connect = entry.connect or table.default_connect
                self.connect.append(_address(connect, host, table.default_port, f"{where}.connect"))
                if entry.parent:
                    parents[host] = entry.parent
        self.parents = self._parents(parents)

    def _parents(self, parents: Mapping[str, str]) -> list[int] | None:
        """Return the parents of rank 1, 2, ...; None where no host names any."""
        if not parents:
            return None
        first = self.names[0]
        if first in parents:
            raise ConfigError(f"[bootstrap] host '{first}' is rank 0 and can't have a parent")
        return [self.rank(parents.get(host, first), "parent") for host in self.names[1:]]

    def entries(self) -> list[tuple[str, tuple[str, int]]]:
        """Return (name, address) of each host."""
        return list(zip(self.names, self.connect, strict=True))

    def rank(self, host: str, what: str = "host") -> int:
        """Return a host's rank; BournError where it isn't in the list."""
        for name in (host, host.partition(".")[0]):
            if name in self.names:
                return self.names.index(name)
        raise BournError(f"{what} '{host}' isn't among [bootstrap] hosts{suggest(host, self.names)}")


class Listed:
    """A broker's part: everything stands in the list."""

    def __init__(self, table: BootstrapTable, hostname: str, *, quorum: int) -> None:
        import hashlib  # it loads OpenSSL, which an instance of one broker does without

        hosts = self._hosts = Hosts(table)
        self.rank = hosts.rank(hostname)
        self.size = len(hosts.names)
        self._hostname, self._quorum = hostname, quorum
        if self.size > 1 and not table.authority:
            raise ConfigError('[bootstrap] authority is missing: the file that "bourn keygen FILE" makes')
        path = Path(table.authority)
        if self.size > 1 and not path.is_absolute():
            raise ConfigError(f"[bootstrap] authority = '{path}': must be an absolute path")
        bind = hosts.bind[self.rank]
        attributes = {
            # Lists of more and fewer hosts are those of one instance, which its rank 0 makes what it is.
            "instance-id": hashlib.sha256(_text(hosts.entries()[0]).encode()).hexdigest(),
            "tbon.bind": f"{bind[0]}:{bind[1]}",
            "tbon.authority": str(path),
            "hostlist": str(Hostlist(hosts.names)),
            "hostname": hosts.names[self.rank],
            "broker.quorum": str(quorum),
            "boot.hosts-stay": "1",
        }
        if hosts.parents is not None:
            attributes["tbon.topo"] = "custom:" + ",".join(map(str, hosts.parents))
        self.attributes: Mapping[str, str] = attributes

    async def exchange(
        self, card: Mapping[str, Any], wanted: Collection[int]
    ) -> Mapping[int, Mapping[str, Any]]:
        """Return what the list says."""
        return {rank: self._card(rank) for rank in wanted}

    def grown(self, config: Config) -> Listed | None:
        """Take a list with more hosts at its end. A shorter one changes nothing: brokers leave by ending."""
        table = config.table("bootstrap", BootstrapTable)
        if not table.hosts:
            return None
        now, then = self._hosts, Hosts(table)
        for rank, (before, after) in enumerate(zip(now.entries(), then.entries(), strict=False)):
            if before != after:
                raise ConfigError(
                    f"[bootstrap] hosts: while the instance runs, rank {rank} is {_text(before)} and can't "
                    f"become {_text(after)}; new hosts come last"
                )
        if len(then.names) <= self.size:
            return None
        return Listed(table, self._hostname, quorum=self._quorum)

    async def close(self, error: BournError | None = None) -> None:
        """Nobody waits to be told."""

    def _card(self, rank: int) -> Mapping[str, Any]:
        host, port = self._hosts.connect[rank]
        return {"rank": rank, "hostname": self._hosts.names[rank], "host": host, "port": port, "cert": ""}


def _text(entry: tuple[str, tuple[str, int]]) -> str:
    name, (host, port) = entry
    return f"'{name}' at {host}:{port}"


def _names(text: str, where: str) -> Hostlist:
    try:
        return Hostlist(text)
    except BournError as error:
        raise ConfigError(f"{where}.host: {error.message}") from None


def _address(text: str, host: str, port: int, where: str) -> tuple[str, int]:
    """Return (host, port) of ``tcp://HOST:PORT``, in which %h is the host's name and %p the default port."""
    full = text.removeprefix("tcp://").replace("%h", host).replace("%p", str(port))
    name, colon, number = full.rpartition(":")
    if not colon or not name or "/" in name or not number.isdigit() or not 0 < int(number) < 65536:
        raise ConfigError(
            f"{where}: '{text}' must be tcp://HOST:PORT (%h: the host's name, %p: default-port)"
        )
    return name.strip("[]"), int(number)
