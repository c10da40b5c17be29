"""An instance as a job of another: what it learns from its parent, and what it tells it.

A program that a shell host starts finds BOURN_URI and BOURN_JOB_ID in its environment. A broker that does is
the child of that instance: its resources are the job's, its end is the job's end, and the job carries its
address.
"""

from __future__ import annotations

import json
import logging
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import trio
from attrs import frozen

from bourn.errors import BournError
from bourn.model.idset import IdSet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from bourn.broker.broker import Broker
    from bourn.broker.initial import InitialProgram
    from bourn.model.rset import ResourceSet

log = logging.getLogger("bourn.broker")

ALLOTMENT = "R"
"""The file of the run directory that holds what the parent gave: an R (RFC 20), ranks from 0."""
TERM_SECONDS = 2.0
"""How long the program has to end: a job has 5 s by default, which must do for the clean-up as well."""
NODE = "node"
"""What a broker's card says of where it runs: the rank of the parent's broker on its node."""
ANSWER_SECONDS = 30.0
"""How long the parent may take to answer a starting child."""


@frozen
class Parent:
    """The enclosing instance and the job in it that this instance is."""

    uri: str
    jobid: int
    level: int
    """The parent's `instance-level`."""
    node: int
    """The rank of the parent's broker on this node."""
    R: ResourceSet | None
    """The job's resources by the parent's ranks, its expiration the job's; None on ranks other than 0."""

    def share(self, cards: Mapping[int, Mapping[str, Any]]) -> ResourceSet:
        """Return the job's resources by the ranks of this instance; `cards` say where its brokers run."""
        assert self.R is not None
        if len(cards) < 2:
            return self.R.remap_ranks()
        from bourn.broker.share import divide

        strangers = IdSet(rank for rank in cards if NODE not in cards[rank])
        if strangers:
            raise BournError(
                f"rank {strangers} of the instance runs outside of the job whose resources it has"
            )
        nodes = [int(cards[rank][NODE]) for rank in range(len(cards))]
        without = self.R.ranks - IdSet(nodes)
        if without:
            log.warning("nothing is used of the job's rank %s of the parent: no broker runs there", without)
        return divide(self.R, nodes)

    def keep(self, broker: Broker) -> None:
        """Write the resources where the module `resource` looks for them."""
        text = json.dumps(self.share(broker.cards).to_dict())
        (broker.rundir / ALLOTMENT).write_text(text, encoding="utf-8")

    async def announce(self, uri: str, size: int) -> None:
        """Note this instance's address in the job; without it the instance works, but isn't found.

        One of several brokers can lose any but this one, rank 0: those below another link themselves anew.
        """
        from bourn.client.aio import Handle

        request = {"id": self.jobid, "memo": {"uri": uri}}
        try:
            with trio.fail_after(ANSWER_SECONDS):
                async with Handle(self.uri) as parent:
                    await parent.rpc("job-manager.memo", request)
                    if size > 1:
                        critical = {"id": self.jobid, "ranks": str(self.node)}
                        await parent.rpc("job-exec.critical-ranks", critical)
        except (BournError, OSError, trio.TooSlowError) as error:
            log.warning(
                "the parent instance doesn't know our address, or what we can lose: %s", error or "no answer"
            )


@asynccontextmanager
async def as_job(parent: Parent | None, broker: Broker, program: InitialProgram) -> AsyncIterator[None]:
    """Be a job of the parent, if there is one, while the initial program runs."""
    if parent is None:
        yield
        return
    program.term_seconds = TERM_SECONDS
    async with trio.open_nursery() as beside:
        beside.start_soon(parent.announce, remote_uri(broker.attrs.get("local-uri") or ""), broker.size)
        yield
        beside.cancel_scope.cancel()


def find_parent(environ: Mapping[str, str], rank: int = 0) -> Parent | None:
    """Ask the enclosing instance what this one, which is a job of it, was given; None outside of any job.

    `rank` is that of this broker; only rank 0 asks for the resources. Raises BournError in one line where the
    parent has gone or doesn't know the job.
    """
    uri, job = environ.get("BOURN_URI"), environ.get("BOURN_JOB_ID")
    if not uri or not job:
        return None
    from bourn.client.handle import Handle
    from bourn.model.jobid import JobID
    from bourn.model.rset import ResourceSet

    try:
        id = int(JobID.parse(job))
        with Handle(uri) as parent:
            asked = [parent.rpc("attr.get", {"name": name}) for name in ("instance-level", "rank")]
            found = None
            if rank == 0:
                lookup = parent.rpc("job-info.lookup", {"id": id, "keys": ["R"]})
                found = lookup.get(ANSWER_SECONDS)["R"]
            level, node = (int(future.get(ANSWER_SECONDS)["value"]) for future in asked)
    except (BournError, ValueError, OSError) as error:
        raise BournError(f"job {job}: can't ask the parent instance for its resources: {error}") from None
    if rank == 0 and not found:
        raise BournError(f"job {job}: the parent instance at {uri} has given it no resources")
    return Parent(uri, id, level, node, ResourceSet.from_dict(found) if found else None)


def refuse_several(environ: Mapping[str, str], *, on_purpose: bool = False) -> None:
    """Refuse to be one of many that don't know of one another: each would take all of the job's resources.

    `on_purpose`: outside of Bourn, each is to be an instance.
    """
    tasks = environ.get("BOURN_JOB_SIZE", "1")
    if tasks != "1" and "BOURN_URI" in environ:
        raise BournError(
            f"job {environ.get('BOURN_JOB_ID', '?')} starts {tasks} brokers that can't find one another: "
            "they need PMI, which its shell option pmi (-o pmi=...) switches off"
        )
    tasks = environ.get("OMPI_COMM_WORLD_SIZE", "1")
    if tasks != "1" and "BOURN_URI" not in environ and not on_purpose:
        raise BournError(
            f"mpirun starts {tasks} brokers that can't find one another: Open MPI's has PMIx only; "
            "mpiexec.hydra and `srun --mpi=pmi2` have PMI, and `bourn start --hosts` needs none "
            "(-S broker.boot-method=single: each is to be an instance)"
        )


def remote_uri(local: str) -> str:
    """Return the address of a `local://` one that tells the host as well."""
    return f"ssh://{os.uname().nodename.partition('.')[0]}{local.removeprefix('local://')}"
