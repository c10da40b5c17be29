"""Boot method `pmi`: whoever started the brokers as its tasks lets them find one another, by PMI-1 or PMI-2.

That is another instance (`bourn batch -N4`), Slurm (`srun --mpi=pmi2`), MPICH's hydra, or any other process
manager that leaves a PMI_FD. Certificates are made at the start, travel through its key-value space, and
each link is made with exactly those.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import trio

from bourn.config.tables import BootstrapTable
from bourn.errors import BournError
from bourn.hookspecs import hookimpl
from bourn.hookspecs.boot import BootMethod
from bourn.model.idset import IdSet
from bourn_plugins.boot_pmi.cards import get_card, put_card
from bourn_plugins.boot_pmi.client import PmiClient
from bourn_plugins.boot_pmi.missing import missing_ranks
from bourn_plugins.boot_pmi.pmi1 import OtherVersion, Pmi1
from bourn_plugins.boot_pmi.pmi2 import Pmi2

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from bourn.config import Config
    from bourn_plugins.boot_pmi.wire import Wire

NEEDS = ("PMI_FD", "PMI_RANK", "PMI_SIZE")
AFTER_ROOT_SECONDS = 2.0
"""How much longer others wait than rank 0, so that one says for all who is missing."""


class Launched:
    """A broker's part."""

    def __init__(self, rank: int, size: int, fd: int, jobid: str, timeout: float) -> None:
        self.rank = rank
        self.size = size
        self.attributes: Mapping[str, str] = {"boot.together": "1", "instance-id": ""}
        self._fd = fd
        self._jobid = jobid
        self._timeout = timeout
        self._client: PmiClient | None = None

    async def exchange(
        self, card: Mapping[str, Any], wanted: Collection[int]
    ) -> Mapping[int, Mapping[str, Any]]:
        """Offer this rank's card and, when all ranks have, get those that are wanted."""
        with trio.move_on_after(self._timeout + (AFTER_ROOT_SECONDS if self.rank else 0)):
            client = await self._meet()
            await client.hold(put_card(client.wire, self.rank, card))
            await client.hold(client.wire.fence())
            return {rank: await client.hold(get_card(client.wire, rank)) for rank in wanted}
        missing = IdSet() if self._client is None else await missing_ranks(self._client, self.size)
        who = f"not all of {f'rank {missing}' if missing else f'the {self.size} brokers'} have"
        if len(missing) == 1:
            who = f"rank {missing} hasn't"
        raise BournError(f"{who} come within {self._timeout:g} s (PMI; [bootstrap] timeout)", errno.ETIMEDOUT)

    async def close(self, error: BournError | None = None) -> None:
        """Take leave, or where this broker can't start have the others ended as well."""
        client, self._client = self._client, None
        if error is not None:
            client = client or await self._meet()
            await client.abort(error.message)
        elif client is not None:
            await client.hold(client.wire.finalize())
        if client is not None:
            await client.close()

    async def _meet(self) -> PmiClient:
        """Agree with the process manager on a version; those of PMI-2 tell a job's id beforehand."""
        wires: list[Wire] = [Pmi1(), Pmi2(self.rank, self._jobid)]
        if self._jobid:
            wires.reverse()
        client = self._client = PmiClient(self._fd, wires[0])
        try:
            await client.hold(client.wire.init())
        except OtherVersion:
            client.wire = wires[1]
            await client.hold(client.wire.init())
        self.attributes = {**self.attributes, "instance-id": client.wire.jobid}
        return client


def _detect(environ: Mapping[str, str], config: Config) -> bool:
    return all(name in environ for name in NEEDS)


def _open(environ: Mapping[str, str], config: Config) -> Launched:
    numbers = {}
    for name in NEEDS:
        text = environ[name]
        if not text.isdecimal():
            raise BournError(f"{name}={text}: must be a number, set by the process manager")
        numbers[name] = int(text)
    rank, size = numbers["PMI_RANK"], numbers["PMI_SIZE"]
    if rank >= size:
        raise BournError(f"PMI_RANK={rank}: must be below PMI_SIZE={size}")
    timeout = config.table("bootstrap", BootstrapTable).timeout
    return Launched(rank, size, numbers["PMI_FD"], environ.get("PMI_JOBID", ""), timeout)


@hookimpl
def bourn_boot_methods() -> Iterable[BootMethod]:
    """Register `pmi`."""
    yield BootMethod("pmi", _detect, _open, priority=10, needs=NEEDS)
