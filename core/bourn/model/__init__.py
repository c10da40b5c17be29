"""The data that Bourn works on, in the formats of the field; no I/O in here.

Names are imported when first used: a client that only builds a jobspec must not pay for the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn._late import late

if TYPE_CHECKING:
    from bourn.model.constraint import Constraint, parse_requires
    from bourn.model.counts import Counts, jobspec_counts
    from bourn.model.dependency import parse_dependency
    from bourn.model.duration import Duration, format_duration, parse_duration
    from bourn.model.event import Event, parse_eventlog
    from bourn.model.fluid import FluidGenerator
    from bourn.model.hostlist import Hostlist
    from bourn.model.idset import IdSet
    from bourn.model.interned import InternedJobspec, InternTable
    from bourn.model.jobid import JobID
    from bourn.model.jobspec import Jobspec
    from bourn.model.overrides import apply_overrides
    from bourn.model.rset import ResourceSet
    from bourn.model.shape import parse_shape
    from bourn.model.states import Result, State
    from bourn.model.taskmap import TaskMap

_WHERE = {
    "Constraint": "constraint",
    "Counts": "counts",
    "Duration": "duration",
    "Event": "event",
    "FluidGenerator": "fluid",
    "Hostlist": "hostlist",
    "IdSet": "idset",
    "InternTable": "interned",
    "InternedJobspec": "interned",
    "JobID": "jobid",
    "Jobspec": "jobspec",
    "ResourceSet": "rset",
    "Result": "states",
    "State": "states",
    "TaskMap": "taskmap",
    "apply_overrides": "overrides",
    "format_duration": "duration",
    "jobspec_counts": "counts",
    "parse_dependency": "dependency",
    "parse_duration": "duration",
    "parse_eventlog": "event",
    "parse_requires": "constraint",
    "parse_shape": "shape",
}

__all__ = [
    "Constraint",
    "Counts",
    "Duration",
    "Event",
    "FluidGenerator",
    "Hostlist",
    "IdSet",
    "InternTable",
    "InternedJobspec",
    "JobID",
    "Jobspec",
    "ResourceSet",
    "Result",
    "State",
    "TaskMap",
    "apply_overrides",
    "format_duration",
    "jobspec_counts",
    "parse_dependency",
    "parse_duration",
    "parse_eventlog",
    "parse_requires",
    "parse_shape",
]


__getattr__ = late(globals(), _WHERE)


def __dir__() -> list[str]:
    return sorted(__all__)
