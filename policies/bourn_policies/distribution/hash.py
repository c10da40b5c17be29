"""Hash: jobs that are alike by some key go to the same child, as long as it's there and has room."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from bourn.errors import ConfigError
from bourn.hookspecs import hookimpl
from bourn.hookspecs.distribution import DistributionPolicySpec
from bourn_policies.distribution.options import check_options

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bourn.hookspecs.distribution import Child
    from bourn.hookspecs.sched import AllocRequest


class Hash:
    """Rendezvous hashing: a child that comes or goes changes the place of its own share of jobs only.

    Args:
        key: a dotted attribute of the jobspec, as ``system.job.name``; "" for the job's id.
    """

    def __init__(self, key: str = "") -> None:
        self._path = key.split(".") if key else []

    def choose(self, job: AllocRequest, children: Sequence[Child]) -> int:
        """Return the position of the child of the greatest weight for the job's key."""
        text = self._key(job)

        def weight(position: int) -> bytes:
            return blake2b(f"{children[position].index}:{text}".encode(), digest_size=8).digest()

        return max(range(len(children)), key=weight)

    def _key(self, job: AllocRequest) -> str:
        if not self._path:
            return str(job.id)
        dotted = ".".join(("attributes", *self._path))
        if job.overrides and dotted in job.overrides:
            return repr(job.overrides[dotted])
        value: Any = job.jobspec.obj["attributes"] or {}
        for part in self._path:
            value = value.get(part) if isinstance(value, dict) else None
        return repr(value)


def _make(options: Mapping[str, Any]) -> Hash:
    check_options("hash", options, ("key",))
    key = options.get("key", "")
    if not isinstance(key, str):
        raise ConfigError(f"distribution policy 'hash': key must be a dotted attribute, not {key!r}")
    return Hash(key)


@hookimpl
def bourn_distribution_policies() -> Iterable[DistributionPolicySpec]:
    """Register `hash`."""
    yield DistributionPolicySpec("hash", _make, "equal keys (option `key`, else the id) to the same child")
