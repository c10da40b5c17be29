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

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from bourn.broker.broker import Broker
    from bourn.broker.initial import InitialProgram
    from bourn.broker.signals import Signals

log = logging.getLogger("bourn.broker")

ALLOTMENT = "R"
"""The file of the run directory that holds what the parent gave: an R (RFC 20), ranks from 0."""
TERM_SECONDS = 2.0
"""How long the program has to end: a job has 5 s by default, which must do for the clean-up as well."""
ANSWER_SECONDS = 30.0
"""How long the parent may take to answer a starting child."""


@frozen
class Parent:
    """The enclosing instance and the job in it that this instance is."""

    uri: str
    jobid: int
    level: int
    """The parent's `instance-level`."""
    R: dict[str, Any]
    """The job's resources, ranks numbered from 0; its expiration is the job's."""

    def keep(self, rundir: Path) -> None:
        """Write the resources where the module `resource` looks for them."""
        (rundir / ALLOTMENT).write_text(json.dumps(self.R), encoding="utf-8")

    async def announce(self, uri: str) -> None:
        """Note this instance's address in the job; without it the instance works, but isn't found."""
        from bourn.client.aio import Handle

        request = {"id": self.jobid, "memo": {"uri": uri}}
        try:
            with trio.fail_after(ANSWER_SECONDS):
                async with Handle(self.uri) as parent:
                    await parent.rpc("job-manager.memo", request)
        except (BournError, OSError, trio.TooSlowError) as error:
            log.warning("the parent instance doesn't know our address: %s", error or "no answer")


@asynccontextmanager
async def as_job(
    parent: Parent | None, broker: Broker, program: InitialProgram, signals: Signals
) -> AsyncIterator[None]:
    """Be a job of the parent, if there is one, while the initial program runs."""
    if parent is None:
        yield
        return
    program.term_seconds = TERM_SECONDS
    signals.forward(program.signal)
    async with trio.open_nursery() as beside:
        beside.start_soon(parent.announce, remote_uri(broker.attrs.get("local-uri") or ""))
        yield
        beside.cancel_scope.cancel()


def find_parent(environ: Mapping[str, str]) -> Parent | None:
    """Ask the enclosing instance what this one, which is a job of it, was given; None outside of any job.

    Raises BournError in one line where the parent has gone, doesn't know the job, or started several brokers.
    """
    uri, job = environ.get("BOURN_URI"), environ.get("BOURN_JOB_ID")
    if not uri or not job:
        return None
    from bourn.client.handle import Handle
    from bourn.model.jobid import JobID
    from bourn.model.rset import ResourceSet

    _refuse_several(environ, job)
    try:
        id = int(JobID.parse(job))
        with Handle(uri) as parent:
            level = parent.rpc("attr.get", {"name": "instance-level"})
            found = parent.rpc("job-info.lookup", {"id": id, "keys": ["R"]}).get(ANSWER_SECONDS)["R"]
            depth = int(level.get(ANSWER_SECONDS)["value"])
    except (BournError, ValueError, OSError) as error:
        raise BournError(f"job {job}: can't ask the parent instance for its resources: {error}") from None
    if not found:
        raise BournError(f"job {job}: the parent instance at {uri} has given it no resources")
    return Parent(uri, id, depth, ResourceSet.from_dict(found).remap_ranks().to_dict())


def _refuse_several(environ: Mapping[str, str], job: str) -> None:
    """Refuse to be one of many: each task would be an instance that takes all of the job's resources."""
    tasks = environ.get("BOURN_JOB_SIZE", "1")
    if tasks != "1":
        nodes = environ.get("BOURN_JOB_NNODES", "1")
        raise BournError(
            f"job {job} starts {tasks} brokers on {nodes} node{'s' if nodes != '1' else ''}: an instance of "
            "several brokers inside a job needs the boot method 'pmi', which isn't there; ask for one node "
            "(-N1), or for one task (bourn run -n1 -c CORES bourn start)"
        )


def remote_uri(local: str) -> str:
    """Return the address of a `local://` one that tells the host as well."""
    return f"ssh://{os.uname().nodename.partition('.')[0]}{local.removeprefix('local://')}"
