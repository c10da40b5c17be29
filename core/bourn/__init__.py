"""Bourn: a fully hierarchical workload manager.

    import bourn

    with bourn.Handle() as h:
        id = bourn.job.submit(h, bourn.Jobspec.from_command(["hostname"], num_tasks=2))
        print(bourn.job.result(h, id).returncode)

Names are imported when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    "BournError": "errors:BournError",
    "Executor": "client.executor:Executor",
    "Handle": "client.handle:Handle",
    "Hostlist": "model:Hostlist",
    "IdSet": "model:IdSet",
    "JobArray": "client.array:JobArray",
    "JobException": "client.executor:JobException",
    "JobID": "model:JobID",
    "JobInfo": "client.jobfields:JobInfo",
    "JobList": "client.joblist:JobList",
    "Jobspec": "model:Jobspec",
    "JournalConsumer": "client.journal:JournalConsumer",
    "RPCError": "errors:RPCError",
    "ResourceSet": "model:ResourceSet",
    "WorkerLost": "client.futures:WorkerLost",
    "job": "client.job",
    "kvs": "client.kvs",
    "resource": "client.resource",
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


def __getattr__(name: str) -> object:
    where = _WHERE.get(name)
    if where is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module_name, _, attribute = where.partition(":")
    module = import_module(f"{__name__}.{module_name}")
    value = getattr(module, attribute) if attribute else module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
