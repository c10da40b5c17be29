"""Bourn: a fully hierarchical workload manager.

    import bourn

    with bourn.Handle() as h:
        id = bourn.job.submit(h, bourn.Jobspec.from_command(["hostname"], num_tasks=2))
        print(bourn.job.result(h, id).returncode)

Names are imported when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn._late import late
from bourn._version import __version__

if TYPE_CHECKING:
    from bourn.client import job, kvs, resource
    from bourn.client.array import JobArray
    from bourn.client.executor import Executor, JobException, WorkerLost
    from bourn.client.handle import Handle
    from bourn.client.jobfields import JobInfo
    from bourn.client.joblist import JobList
    from bourn.client.journal import JournalConsumer
    from bourn.errors import BournError, RPCError
    from bourn.model import Hostlist, IdSet, JobID, Jobspec, ResourceSet

_WHERE = {
    "BournError": "errors",
    "Executor": "client.executor",
    "Handle": "client.handle",
    "Hostlist": "model",
    "IdSet": "model",
    "JobArray": "client.array",
    "JobException": "client.executor",
    "JobID": "model",
    "JobInfo": "client.jobfields",
    "JobList": "client.joblist",
    "Jobspec": "model",
    "JournalConsumer": "client.journal",
    "RPCError": "errors",
    "ResourceSet": "model",
    "WorkerLost": "client.futures",
    "job": "client",
    "kvs": "client",
    "resource": "client",
}

__all__ = [
    "BournError",
    "Executor",
    "Handle",
    "Hostlist",
    "IdSet",
    "JobArray",
    "JobException",
    "JobID",
    "JobInfo",
    "JobList",
    "Jobspec",
    "JournalConsumer",
    "RPCError",
    "ResourceSet",
    "WorkerLost",
    "__version__",
    "job",
    "kvs",
    "resource",
]


__getattr__ = late(globals(), _WHERE)


def __dir__() -> list[str]:
    return sorted(__all__)
