"""Equal jobspecs are kept once: thousands of jobs share one text, one tree and one set of counts."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakValueDictionary

import msgspec

from bourn.model.counts import Counts, jobspec_counts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bourn.model.idset import IdSet

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class InternedJobspec:
    """A checked jobspec that jobs share; treat all of it as immutable.

    `hash` is a 16 byte digest of `json`, its compact JSON text; `obj` the decoded tree; `counts` its size.
    """

    __slots__ = ("__weakref__", "_counts", "hash", "json", "obj")

    def __init__(self, hash: bytes, json: bytes, obj: dict[str, Any], counts: Counts | None = None) -> None:
        self.hash = hash
        self.json = json
        self.obj = obj
        self._counts = counts

    @property
    def counts(self) -> Counts:
        """Nodes, slots, cores, GPUs, tasks and duration; worked out when first asked for."""
        if self._counts is None:
            self._counts = jobspec_counts(self.obj)
        return self._counts

    @property
    def system(self) -> Mapping[str, Any]:
        """`attributes.system`, empty when the jobspec has none."""
        system: Mapping[str, Any] = (self.obj["attributes"] or {}).get("system") or {}
        return system

    def __repr__(self) -> str:
        return f"InternedJobspec({self.hash.hex()[:8]}, {len(self.json)} bytes)"


class IngestedJob(NamedTuple):
    """A job that ingest has accepted and gives to the job manager."""

    id: int
    userid: int
    urgency: int
    """0-31 (RFC 30)."""
    flags: int
    t_submit: float
    """Seconds since the epoch."""
    jobspec: InternedJobspec
    overrides: dict[str, Any] | None = None
    """Dotted keys that lie over the jobspec for this job."""
    key: str | None = None
    """The idempotency key, unique per user."""
    signed: str | None = None
    """J: the jobspec as the user signed it (RFC 15), if he did."""


class IngestedArray(NamedTuple):
    """A job array that ingest has accepted: members that differ in their number only."""

    id: int
    userid: int
    urgency: int
    flags: int
    t_submit: float
    jobspec: InternedJobspec
    members: IdSet
    key: str | None = None
    signed: str | None = None


class InternTable:
    """Finds the one object of each jobspec text; entries go when no job holds them any more."""

    __slots__ = ("_by_hash",)

    def __init__(self) -> None:
        self._by_hash: WeakValueDictionary[bytes, InternedJobspec] = WeakValueDictionary()

    def intern(self, json: bytes, obj: dict[str, Any] | None = None) -> InternedJobspec:
        """Return the jobspec whose text is `json`; `obj` is its decoded tree if the caller has it."""
        digest = jobspec_hash(json)
        found = self._by_hash.get(digest)
        if found is None:
            found = InternedJobspec(digest, json, _decode(json) if obj is None else obj)
            self._by_hash[digest] = found
        return found

    def intern_obj(self, obj: dict[str, Any]) -> InternedJobspec:
        """Return the jobspec of a decoded tree, which must not change afterwards."""
        return self.intern(_encode(obj), obj)

    def get(self, digest: bytes) -> InternedJobspec | None:
        """Return the jobspec with this digest if some job holds it."""
        return self._by_hash.get(digest)

    def __len__(self) -> int:
        return len(self._by_hash)


def jobspec_hash(json: bytes) -> bytes:
    """Return the 16 byte digest that names a jobspec's text."""
    return hashlib.blake2b(json, digest_size=16).digest()


INTERNED = InternTable()
"""The broker's table, shared by ingest and the replay at start."""
