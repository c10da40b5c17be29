"""Equal jobspecs are kept once: thousands of jobs share one text, one tree and one set of counts.

So are equal environments, which unlike jobs of one shell have in common, and which are most of their texts.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakValueDictionary

import msgspec

from bourn.model.counts import Counts, jobspec_counts
from bourn.model.environment import environment_of, with_environment, without_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bourn.model.idset import IdSet

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Environment:
    """An `attributes.system.environment` that jobspecs share; treat all of it as immutable.

    `row` is a 16 byte digest of its compact JSON text, and that text; `obj` the decoded table.
    """

    __slots__ = ("__weakref__", "obj", "row")

    def __init__(self, row: tuple[bytes, bytes], obj: dict[str, Any]) -> None:
        self.row = row
        self.obj = obj


class InternedJobspec:
    """A checked jobspec that jobs share; treat all of it as immutable.

    `json` is its compact JSON text, without the environment if `environment` has that; `hash` is a 16 byte
    digest of both; `obj` the whole decoded tree; `counts` its size.
    """

    __slots__ = ("__weakref__", "_counts", "environment", "hash", "json", "obj")

    def __init__(
        self,
        hash: bytes,
        json: bytes,
        obj: dict[str, Any],
        counts: Counts | None = None,
        environment: Environment | None = None,
    ) -> None:
        self.hash = hash
        self.json = json
        self.obj = obj
        self.environment = environment
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
    """Finds the one object of each jobspec and environment; they go when no job holds them any more."""

    __slots__ = ("_by_hash", "_environments", "_latest")

    def __init__(self) -> None:
        self._by_hash: WeakValueDictionary[bytes, InternedJobspec] = WeakValueDictionary()
        self._environments: WeakValueDictionary[bytes, Environment] = WeakValueDictionary()
        self._latest: Environment | None = None

    def intern(
        self, json: bytes, obj: dict[str, Any] | None = None, environment: Environment | None = None
    ) -> InternedJobspec:
        """Return the jobspec whose text is `json`; `obj` is its whole decoded tree if the caller has it."""
        digest = jobspec_hash(json, environment)
        found = self._by_hash.get(digest)
        if found is None:
            if obj is None:
                obj = _decode(json)
                if environment is not None:
                    obj = with_environment(obj, environment.obj)
            found = InternedJobspec(digest, json, obj, None, environment)
            self._by_hash[digest] = found
        return found

    def intern_obj(self, obj: dict[str, Any]) -> InternedJobspec:
        """Return the jobspec of a decoded tree, which must not change afterwards."""
        body, environment = self.part(obj)
        if environment is None:
            return self.intern(_encode(body), obj)
        return self.intern(_encode(body), with_environment(body, environment.obj), environment)

    def intern_row(self, json: bytes, environment: tuple[bytes, bytes] | None) -> InternedJobspec:
        """Return the jobspec that a store has kept as a text and an environment's `row`."""
        if environment is None:
            return self.intern(json)
        found = self._environments.get(environment[0])
        if found is None:
            found = self._environments[environment[0]] = Environment(environment, _decode(environment[1]))
        return self.intern(json, None, found)

    def part(self, obj: Any, like: Environment | None = None) -> tuple[Any, Environment | None]:
        """Return a jobspec's tree without its environment, and that; the tree itself if it has none.

        `like` is the environment that it probably has. The tree needn't have been checked.
        """
        table = environment_of(obj)
        if type(table) is not dict or not table:
            return obj, None
        if like is None or table != like.obj:
            like = self._environment(table)
        return without_environment(obj), like

    def _environment(self, table: dict[str, Any]) -> Environment:
        # Of the jobspecs of a request, all name the same object.
        if self._latest is not None and self._latest.obj is table:
            return self._latest
        text = _encode(table)
        digest = _digest(text)
        found = self._environments.get(digest)
        if found is None:
            found = self._environments[digest] = Environment((digest, text), table)
        self._latest = found
        return found

    def get(self, digest: bytes) -> InternedJobspec | None:
        """Return the jobspec with this digest if some job holds it."""
        return self._by_hash.get(digest)

    def __len__(self) -> int:
        return len(self._by_hash)


def jobspec_hash(json: bytes, environment: Environment | None = None) -> bytes:
    """Return the 16 byte digest that names a jobspec, given by its text and what of it is apart."""
    return _digest(json if environment is None else json + environment.row[0])


def _digest(text: bytes) -> bytes:
    return hashlib.blake2b(text, digest_size=16).digest()


INTERNED = InternTable()
"""The broker's table, shared by ingest and the replay at start."""
