"""What the workers of an executor are to be like."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from bourn.errors import BournError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

BEING_IMPORTED = "__bourn_worker_imports__"
"""What a worker's `__main__` has, the script's name, while the program's script is run for its functions."""


def refuse_in_import() -> None:
    """Raise RuntimeError where a worker runs the program's script: it would start all of it once more."""
    script = getattr(sys.modules["__main__"], BEING_IMPORTED, None)
    if script is not None:
        raise RuntimeError(
            f"{script} makes an Executor when a worker imports it; what only the program itself is to do "
            "belongs under: if __name__ == '__main__':"
        )


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
