"""URI resolver `jobid`: the instance that a job is; `ID/ID/...` goes down level by level."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from bourn.errors import BournError
from bourn.hookspecs import hookimpl
from bourn.hookspecs.uri import UriResolver

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bourn.client.handle import Handle


def from_jobid(target: str) -> str:
    """Return the address of a job's instance; the first id is of the instance that BOURN_URI names."""
    from bourn.client.handle import Handle

    uri: str | None = None
    ids = target.strip("/").split("/")
    for id in ids:
        with Handle(uri) as h:
            uri = _address(h, id)
    assert uri is not None
    return uri


def _address(h: Handle, text: str) -> str:
    from bourn.client.job import job_list_id
    from bourn.model.jobid import JobID

    try:
        info = job_list_id(h, JobID.parse(text))
    except ValueError:
        raise BournError(f"'{text}' is not a job id") from None
    uri = str(info.user.uri)
    state = str(info.state)
    if not uri:
        reason = (
            "it isn't an instance" if state in ("RUN", "CLEANUP", "INACTIVE") else f"it is in state {state}"
        )
        raise BournError(f"job {text} has no address: {reason}", errno.ENOENT)
    if state != "RUN":
        raise BournError(f"job {text} has ended, and its instance with it", errno.ENOENT)
    return uri


@hookimpl
def bourn_uri_resolvers() -> Iterable[UriResolver]:
    """Register `jobid`."""
    yield UriResolver("jobid", from_jobid, "the instance that a job is, as jobid:ID or jobid:ID/ID")
