"""What a `job-ingest.submit` request is made of: many jobs, each distinct jobspec and environment sent
once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

from bourn.client.transport import Encoded, to_json
from bourn.errors import JobspecError
from bourn.model.environment import environment_of, with_environment
from bourn.model.jobid import JobID, member_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bourn.client.handle import Handle
    from bourn.model.jobspec import Jobspec

    JobspecLike: TypeAlias = "Jobspec | Mapping[str, Any] | str"

DEBUG = 2
WAITABLE = 4
NOVALIDATE = 8

MAX_BYTES = 24 << 20
"""A request of distinct jobspecs is sent before it grows over this, well below the greatest frame."""


class Submission:
    """Collects jobs, then submits them as few requests: each request is accepted as a whole or not at all."""

    def __init__(self) -> None:
        self.jobspecs: list[str] = []
        """As JSON: encoded once, for their size and for the request; environments by index."""
        self.environments: list[str] = []
        self.jobs: list[dict[str, Any]] = []
        self.arrays: list[dict[str, Any]] = []
        self._index: dict[Any, int] = {}
        self._environments: dict[object, int] = {}
        self._latest: tuple[Any, int] = (None, 0)
        self._keep: list[object] = []
        self._size = 0

    def add(
        self,
        jobspec: JobspecLike,
        *,
        urgency: int = 16,
        flags: int = 0,
        key: str | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """Add a job. `settings` are dotted keys laid over the jobspec; `key` makes a retry return the same
        id.
        """
        job: dict[str, Any] = {"jobspec": self._intern(jobspec)}
        if urgency != 16:
            job["urgency"] = urgency
        if flags:
            job["flags"] = flags
        if key is not None:
            job["key"] = key
        if settings:
            job["set"] = settings
        self.jobs.append(job)

    def add_array(
        self,
        jobspec: JobspecLike,
        members: str,
        *,
        urgency: int = 16,
        flags: int = 0,
        key: str | None = None,
    ) -> None:
        """Add an array of jobs; `members` is the idset of their numbers."""
        array: dict[str, Any] = {"jobspec": self._intern(jobspec), "members": members, "urgency": urgency}
        if flags:
            array["flags"] = flags
        if key is not None:
            array["key"] = key
        self.arrays.append(array)

    @property
    def full(self) -> bool:
        """Whether it is time to send: another jobspec might not fit into a frame."""
        return self._size >= MAX_BYTES

    def payload(self) -> Encoded:
        """Return the request's payload."""
        arrays = f',"arrays":{to_json(self.arrays)}' if self.arrays else ""
        shared = f',"environments":[{",".join(self.environments)}]' if self.environments else ""
        return Encoded(
            f'{{"jobspecs":[{",".join(self.jobspecs)}],"jobs":{to_json(self.jobs)}{arrays}{shared}}}'
        )

    def send(self, h: Handle) -> list[JobID]:
        """Submit, wait until all is durable, and return the ids in order, those of arrays last."""
        return [JobID(id) for id in h.rpc("job-ingest.submit", self.payload()).get()["ids"]]

    def _intern(self, jobspec: JobspecLike) -> int:
        """Return the jobspec's index: the same object, or the same text, is sent once."""
        mark: Any = jobspec if isinstance(jobspec, str) else id(jobspec)
        index = self._index.get(mark)
        if index is None:
            text = self._text(jobspec)
            index = self._index[mark] = len(self.jobspecs)
            # An id is only good as long as its object lives.
            self._keep.append(jobspec)
            self.jobspecs.append(text)
            self._add_size(text)
        return index

    def _text(self, jobspec: JobspecLike) -> str:
        """Return what travels as a jobspec: JSON, its environment apart."""
        obj = as_object(jobspec)
        environment = environment_of(obj)
        try:
            if environment is not None:
                if type(environment) is not dict:
                    raise JobspecError("attributes.system.environment", "must be a dictionary")
                obj = with_environment(obj, self._share(environment))
            return to_json(obj)
        except (TypeError, ValueError, RecursionError) as error:
            raise JobspecError("", f"jobspec can't be expressed in JSON: {error}") from None

    def _share(self, environment: dict[str, Any]) -> int:
        """Return an environment's index: equal ones are sent once."""
        if self._latest[0] is environment:
            return self._latest[1]
        try:
            key: object = frozenset(environment.items())
        except TypeError:
            key = to_json(environment)  # a value is none; the broker says which
        index = self._environments.get(key)
        if index is None:
            text = to_json(environment)
            index = self._environments[key] = len(self.environments)
            self.environments.append(text)
            self._add_size(text)
        self._latest = environment, index
        return index

    def _add_size(self, text: str) -> None:
        self._size += len(text) if text.isascii() else len(text.encode(errors="replace"))


def member_ids(array: int, members: Iterable[int]) -> list[JobID]:
    """Return the ids of an array's members."""
    return [JobID(member_id(array, number)) for number in members]


def as_object(jobspec: JobspecLike) -> Any:
    """Return the jobspec as what JSON is made of; JobspecError where it can't be that."""
    if isinstance(jobspec, str):
        try:
            return json.loads(jobspec)
        except ValueError as error:
            raise JobspecError("", f"jobspec is not JSON: {error}") from None
    if isinstance(jobspec, dict):
        return jobspec
    to_dict = getattr(jobspec, "to_dict", None)
    try:
        return to_dict() if to_dict else dict(jobspec)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise JobspecError("", f"jobspec can't be expressed in JSON: {error}") from None
