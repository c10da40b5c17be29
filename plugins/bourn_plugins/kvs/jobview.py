"""`job.<dothex>. ...`: what the store knows of jobs, as read-only keys (RFC 16).

Under `guest` stand the job's logs, and whatever the job itself put into its namespace `job-<id>`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from bourn.hookspecs.store import RESOURCE_SET
from bourn.model.jobid import encode_dothex

from .tree import DIR, VAL, Node, join

if TYPE_CHECKING:
    from collections.abc import Callable

    from bourn.hookspecs.store import KvsEntry, Store

PRIMARY = "primary"
TOP = "job"
_GROUP = re.compile(r"[0-9a-f]{4}\Z")
_GROUPS = 4


class Place(NamedTuple):
    """A key in the view: as many groups of the id as it has, the job if all four are there, and the rest."""

    groups: list[str]
    jobid: int | None
    rest: str


def namespace_of(jobid: int) -> str:
    """Return the name of a job's private namespace."""
    return f"job-{jobid}"


def job_of(namespace: str) -> int | None:
    """Return the job that a namespace is private to."""
    head, _, number = namespace.partition("-")
    return int(number) if head == "job" and number.isdecimal() else None


def is_job_key(key: str) -> bool:
    """Whether a normalized key lies in the view."""
    return key == TOP or key.startswith("job.")


def parse(key: str) -> Place | None:
    """Take a normalized key apart; None if it can't be in the view."""
    parts = key.split(".")[1:]
    groups = parts[:_GROUPS]
    if not all(_GROUP.match(g) for g in groups):
        return None
    jobid = int("".join(groups), 16) if len(groups) == _GROUPS else None
    return Place(groups, jobid, ".".join(parts[_GROUPS:]))


class JobView:
    """Looks keys of the view up. `owns(userid)` says whose jobs the reader may see."""

    def __init__(self, store: Store, owns: Callable[[int], bool]) -> None:
        self._store = store
        self._owns = owns

    def get(self, key: str) -> Node | None:
        """Return the entry under a key, or None."""
        place = parse(key)
        if place is None:
            return None
        if place.jobid is None:
            return Node(DIR) if self._groups_below(place.groups) else None
        if not self._visible(place.jobid):
            return None
        return self._of_job(place.jobid, place.rest)

    def dir(self, key: str) -> list[tuple[str, Node]]:
        """Return the entries directly inside a directory, by name."""
        place = parse(key)
        if place is None:
            return []
        if place.jobid is None:
            return [(group, Node(DIR)) for group in self._groups_below(place.groups)]
        names: set[str] = set()
        if not place.rest:
            names.add("jobspec")
            names.add("guest")
        inside = f"{place.rest}." if place.rest else ""
        for log in self._store.log_names(place.jobid):
            if log.startswith(inside):
                names.add(log[len(inside) :].partition(".")[0])
        if place.rest.partition(".")[0] == "guest":
            below = place.rest[len("guest.") :] or "."
            names.update(entry.name for entry in self._private_dir(place.jobid, below))
        found = ((name, self._of_job(place.jobid, join(place.rest, name))) for name in sorted(names))
        return [(name, node) for name, node in found if node is not None]

    def _visible(self, jobid: int) -> bool:
        job = self._store.job(jobid)
        return job is not None and self._owns(job.userid)

    def _of_job(self, jobid: int, rest: str) -> Node | None:
        if rest in ("", "guest"):
            return Node(DIR)
        if rest == "jobspec":
            import msgspec

            return Node(VAL, msgspec.json.encode(self._store.jobspec(jobid)).decode())
        read = self._store.log_last if rest == RESOURCE_SET else self._store.log_text
        text = read(jobid, rest)
        if text is not None:
            return Node(VAL, text)
        if any(log.startswith(f"{rest}.") for log in self._store.log_names(jobid)):
            return Node(DIR)
        if rest.startswith("guest.") and self._store.kvs_namespace(namespace_of(jobid)) is not None:
            entry = self._store.kvs_get(namespace_of(jobid), rest[len("guest.") :])
            return node_of(entry) if entry is not None else None
        return None

    def _private_dir(self, jobid: int, key: str) -> list[KvsEntry]:
        namespace = namespace_of(jobid)
        if self._store.kvs_namespace(namespace) is None:
            return []
        return self._store.kvs_dir(namespace, key)

    def _groups_below(self, groups: list[str]) -> list[str]:
        """Return the next group of the ids that begin with `groups`: one look-up each, not one a job."""
        shift = 16 * (_GROUPS - len(groups))
        start = int("".join(groups) or "0", 16) << shift
        end = start + (1 << shift)
        step = 1 << (shift - 16)
        found = []
        at: int | None = start
        while at is not None and at < min(end, 1 << 63):
            at = self._store.next_jobid(at)
            if at is None or at >= end:
                break
            found.append(encode_dothex(at).split(".")[len(groups)])
            at = (at // step + 1) * step
        return found


def node_of(entry: KvsEntry) -> Node:
    """Return a stored entry as a node of the tree."""
    from .tree import SYMLINK

    return Node({"val": VAL, "dir": DIR, "symlink": SYMLINK}[entry.kind], entry.value)
