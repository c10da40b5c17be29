"""The payload of `job-ingest.submit`, taken apart and checked; see docs/protocol.md. No I/O."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, NamedTuple

from bourn.errors import BournError, JobspecError, suggest
from bourn.model.environment import environment_of, with_environment
from bourn.model.flags import OWNER_ONLY, SUBMIT_FLAGS, WAITABLE
from bourn.model.idset import IdSet
from bourn.model.jobid import MAX_MEMBERS
from bourn.model.overrides import check_overrides

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULT_URGENCY = 16
MAX_URGENCY = 31
GUEST_MAX_URGENCY = 16
MAX_KEY = 256

_KEYS = frozenset(("jobspec", "urgency", "flags", "key", "set"))
_ARRAY_KEYS = frozenset(("jobspec", "members", "urgency", "flags", "key"))
_KNOWN_FLAGS = sum(SUBMIT_FLAGS.values())


class Item(NamedTuple):
    """One job of a request."""

    jobspec: int
    """Index into the request's jobspecs."""
    urgency: int = DEFAULT_URGENCY
    flags: int = 0
    key: str | None = None
    overrides: dict[str, Any] | None = None
    members: IdSet | None = None
    """Of an array."""


def items(jobs: list[Any], n_jobspecs: int, is_owner: bool) -> Iterator[Item]:
    """Yield the jobs of a request, in order; BournError says what is wrong with the one at hand."""
    for job in jobs:
        if type(job) is not dict:
            raise BournError(
                f"must be an object with jobspec and, optionally, urgency, flags, key, set, not {job!r}"
            )
        index = _index(job, n_jobspecs)
        if len(job) == 1:
            yield Item(index)
            continue
        if not job.keys() <= _KEYS:
            unknown = next(key for key in job if key not in _KEYS)
            raise BournError(f"unknown key '{unknown}'{suggest(str(unknown), _KEYS)}")
        key = _key(job)
        overrides = job.get("set")
        if overrides is not None:
            check_overrides(overrides)
        yield Item(
            index,
            check_urgency(job["urgency"], is_owner) if "urgency" in job else DEFAULT_URGENCY,
            check_flags(job["flags"], is_owner) if "flags" in job else 0,
            key,
            overrides or None,
        )


def arrays(items: list[Any], n_jobspecs: int, is_owner: bool) -> Iterator[Item]:
    """Yield the arrays of a request, in order, as `items` does jobs."""
    for array in items:
        if type(array) is not dict or not array.keys() <= _ARRAY_KEYS:
            raise BournError(f"must be an object with {', '.join(sorted(_ARRAY_KEYS))}, not {array!r:.80}")
        text = array.get("members")
        if type(text) is not str:
            raise BournError(f"members must be an idset, as '1-100', not {text!r:.80}")
        members = IdSet(text)
        if not members:
            raise BournError("members: the set is empty")
        if members.last() >= MAX_MEMBERS:
            raise BournError(f"members must have numbers below {MAX_MEMBERS}, not {members.last()}")
        flags = check_flags(array.get("flags", 0), is_owner)
        if flags & WAITABLE:
            raise BournError("an array needs no flag waitable: wait for it by its id")
        urgency = check_urgency(array.get("urgency", DEFAULT_URGENCY), is_owner)
        yield Item(_index(array, n_jobspecs), urgency, flags, _key(array), None, members)


def place_environment(obj: Any, environments: list[Any]) -> Any:
    """Return a jobspec with the environment that it names by an index; one that names none, as it is."""
    index = environment_of(obj)
    if type(index) is not int:
        return obj
    if not 0 <= index < len(environments):
        reason = f"{index} is no index into environments, of which there are {len(environments)}"
        raise JobspecError("attributes.system.environment", reason)
    return with_environment(obj, environments[index])


def _index(job: dict[str, Any], n_jobspecs: int) -> int:
    index = job.get("jobspec")
    if type(index) is not int or not 0 <= index < n_jobspecs:
        raise BournError(
            f"'jobspec' must be an index into jobspecs, of which there are {n_jobspecs}, not {index!r}"
        )
    return index


def _key(job: dict[str, Any]) -> str | None:
    key = job.get("key")
    if key is not None and (type(key) is not str or not key or len(key) > MAX_KEY):
        raise BournError(f"key must be a string of 1 to {MAX_KEY} characters, not {key!r:.80}")
    return key


def check_urgency(urgency: object, is_owner: bool) -> int:
    """Return a valid urgency (RFC 30); a guest may not go over the default."""
    if type(urgency) is not int or not 0 <= urgency <= MAX_URGENCY:
        raise BournError(f"urgency must be an integer from 0 to {MAX_URGENCY}, not {urgency!r}")
    if urgency > GUEST_MAX_URGENCY and not is_owner:
        raise BournError(
            f"only the instance's owner may submit with an urgency over {GUEST_MAX_URGENCY}, not {urgency}",
            errno.EPERM,
        )
    return urgency


def check_flags(flags: object, is_owner: bool) -> int:
    """Return a valid mask of submission flags."""
    if type(flags) is not int or flags & ~_KNOWN_FLAGS:
        names = ", ".join(f"{name} {bit}" for name, bit in SUBMIT_FLAGS.items())
        raise BournError(f"flags must be a sum of {names}, not {flags!r}")
    if flags & OWNER_ONLY and not is_owner:
        names = ", ".join(name for name, bit in SUBMIT_FLAGS.items() if flags & bit & OWNER_ONLY)
        raise BournError(f"only the instance's owner may submit with the flag {names}", errno.EPERM)
    return flags
