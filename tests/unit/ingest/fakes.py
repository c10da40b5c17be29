"""Stand-ins for what job-ingest meets in a broker."""

from __future__ import annotations

import copy
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from bourn.broker.request import Request
from bourn.config import Config
from bourn.errors import BournError
from bourn.hookspecs.ingest import Frobnicator, SubmitInfo, Validator
from bourn.hookspecs.signing import SigningMechanism
from bourn.plugins import Owned, PluginRecord
from bourn_plugins.job_ingest.pipeline import Pipeline
from bourn_plugins.signing_none import NoneSigner

if TYPE_CHECKING:
    from collections.abc import Callable

    from bourn.model.interned import IngestedJob

KINDS = {
    "bourn_frobnicators": Frobnicator,
    "bourn_validators": Validator,
    "bourn_signers": SigningMechanism,
}
OWNER_UID = 1000
OWNER, USER = 1, 2

JOBSPEC: dict[str, Any] = {
    "version": 1,
    "resources": [{"type": "slot", "count": 1, "label": "task", "with": [{"type": "core", "count": 1}]}],
    "tasks": [{"command": ["app"], "slot": "task", "count": {"per_slot": 1}}],
    "attributes": {"system": {"duration": 0}},
}


def jobspec(**system: Any) -> dict[str, Any]:
    obj = copy.deepcopy(JOBSPEC)
    obj["attributes"]["system"].update(system)
    return obj


def record(name: str = "site") -> PluginRecord:
    return PluginRecord(name, "bourn.plugins", name, f"{name}-dist", "1.2")


def owned(step: Any, plugin: str = "site") -> Owned[Any]:
    return Owned(record(plugin), step)


class Reports(list[str]):
    """What a pipeline reports of failed plugins."""

    def __call__(self, record: PluginRecord, where: str, error: BaseException) -> str:
        self.append(f"{record}: {where}: {type(error).__name__}: {error}")
        return self[-1]


def pipeline(
    *steps: Frobnicator | Validator,
    config: Config | None = None,
    feasibility: Callable[[dict[str, Any]], str | None] = lambda jobspec: None,
    reports: Reports | None = None,
) -> Pipeline:
    used = config or Config({})
    return Pipeline(
        [owned(step) for step in steps if isinstance(step, Frobnicator)],
        [owned(step) for step in steps if isinstance(step, Validator)],
        lambda *who: SubmitInfo(*who, used, feasibility),
        Reports() if reports is None else reports,
    )


class Plugins:
    """A plugin manager with these steps."""

    def __init__(self, *steps: Any) -> None:
        self.steps = steps
        self.report = Reports()

    def named(self, hook: Any) -> dict[str, Owned[Any]]:
        name = hook if isinstance(hook, str) else hook.__name__
        steps = (*self.steps, SigningMechanism("none", lambda options: NoneSigner()))
        return {step.name: owned(step) for step in steps if isinstance(step, KINDS[name])}


class JobManager:
    """Keeps what is submitted; `land` ends the oldest hand-over."""

    def __init__(self) -> None:
        self.jobs: list[IngestedJob] = []
        self.dones: list[Callable[[BournError | None], None]] = []
        self.refusal: Exception | None = None

    def submit(
        self, jobs: list[IngestedJob], done: Callable[[BournError | None], None], arrays: object = ()
    ) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.jobs += jobs
        self.dones.append(done)

    def land(self, error: BournError | None = None) -> None:
        self.dones.pop(0)(error)


class Store:
    """Facts and idempotency keys."""

    def __init__(self) -> None:
        self.facts: dict[str, Any] = {}
        self.keys: dict[tuple[int, str], int] = {}
        self.last = 0

    def meta(self, key: str) -> Any:
        return self.facts.get(key)

    def max_jobid(self) -> int:
        return self.last

    def job_by_key(self, userid: int, key: str) -> int | None:
        return self.keys.get((userid, key))

    async def commit(self, batch: Any) -> None:
        self.facts.update(batch.meta)


def context(*steps: Any, config: dict[str, Any] | None = None, **providers: Any) -> Any:
    known = {"job-manager": JobManager(), "store": SimpleNamespace(store=Store()), **providers}
    return SimpleNamespace(
        plugins=Plugins(*steps),
        config=Config(config or {}),
        owner=OWNER_UID,
        rank=0,
        provider=known.get,
        subscribe=lambda prefix, callback: None,
        known=known,
    )


class Caller:
    """Where a request came from, and what came back."""

    def __init__(self) -> None:
        self.payload: Any = None
        self.error: tuple[int, str] | None = None
        self.answers = 0

    def reply(self, request: Request, payload: object) -> None:
        self.payload = payload
        self.answers += 1

    def fail(self, request: Request, errnum: int, text: str) -> None:
        self.error = (errnum, text)
        self.answers += 1

    def keep(self, request: Request) -> None: ...

    def release(self, request: Request) -> None: ...

    async def drained(self) -> None: ...


def submit(module: Any, payload: object, userid: int = OWNER_UID, rolemask: int = OWNER) -> Caller:
    """Send a submit request as the broker would."""
    caller = Caller()
    request = Request("job-ingest.submit", payload, caller, userid=userid, rolemask=rolemask)
    try:
        module.submit(request)
    except BournError as err:
        request.error(err.errnum, err.message)
    return caller


def wrap(obj: dict[str, Any], userid: int) -> str:
    """Return the J of a jobspec, with the mechanism `none`."""
    return NoneSigner().sign(json.dumps(obj).encode(), userid, "")
