"""What the workers of an executor are to be like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.errors import BournError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class WorkerOptions:
    """How workers are made; see `Executor`."""

    def __init__(
        self,
        workers: int | None,
        cores: int,
        gpus: int,
        retries: int,
        idle_timeout: float | None,
        initializer: Callable[..., object] | None,
        initargs: tuple[Any, ...],
        extra: Mapping[str, Any],
    ) -> None:
        for name, value, least in (
            ("workers", 1 if workers is None else workers, 1),
            ("cores_per_worker", cores, 1),
            ("gpus_per_worker", gpus, 0),
            ("retries", retries, 0),
        ):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise BournError(f"{name} must be an integer >= {least}, not {value!r}")
        if idle_timeout is not None and (
            isinstance(idle_timeout, bool)
            or not isinstance(idle_timeout, int | float)
            or not idle_timeout >= 0
        ):
            raise BournError(f"idle_timeout must be seconds >= 0, or None, not {idle_timeout!r}")
        self.workers = workers
        self.cores = cores
        self.gpus = gpus
        self.retries = retries
        self.idle_timeout = idle_timeout
        self.setup = (initializer, initargs)
        self.extra = dict(extra)
        if extra:
            from bourn.model.jobspec_build import check_extra

            check_extra(extra)
