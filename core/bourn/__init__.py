"""Bourn: a fully hierarchical workload manager.

What programs use most is here, and imported when it is first used: `import bourn` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from bourn._version import __version__

if TYPE_CHECKING:
    from bourn.client import job, kvs, resource
    from bourn.client.executor import Executor
    from bourn.client.handle import Handle
    from bourn.client.job import JournalConsumer
    from bourn.errors import BournError
    from bourn.model import Hostlist, IdSet, JobID, Jobspec

_WHERE = {
    "BournError": "bourn.errors:BournError",
    "Executor": "bourn.client.executor:Executor",
    "Handle": "bourn.client.handle:Handle",
    "Hostlist": "bourn.model:Hostlist",
    "IdSet": "bourn.model:IdSet",
    "JobID": "bourn.model:JobID",
    "Jobspec": "bourn.model:Jobspec",
    "JournalConsumer": "bourn.client.job:JournalConsumer",
    "job": "bourn.client.job",
    "kvs": "bourn.client.kvs",
    "resource": "bourn.client.resource",
}

__all__ = [
    "BournError",
    "Executor",
    "Handle",
    "Hostlist",
    "IdSet",
    "JobID",
    "Jobspec",
    "JournalConsumer",
    "__version__",
    "job",
    "kvs",
    "resource",
]


def __getattr__(name: str) -> Any:
    where = _WHERE.get(name)
    if where is None:
        raise AttributeError(f"module 'bourn' has no attribute {name!r}")
    module_name, _, attribute = where.partition(":")
    module = import_module(module_name)
    value = getattr(module, attribute) if attribute else module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
