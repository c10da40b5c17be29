"""`FluxExecutor`: jobs as futures of `concurrent.futures`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn_flux_compat.command import adopt_environment

from bourn import Executor
from bourn.client.futures import ExecutorFuture as FluxExecutorFuture

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["FluxExecutor", "FluxExecutorFuture"]


class FluxExecutor(Executor):
    """`with FluxExecutor() as executor: executor.submit(jobspec).result()`.

    One thread serves any number of jobs; `threads` and `poll_interval` are accepted for the programs that
    give them. `handle_args` and `handle_kwargs` are those of `flux.Flux`.
    """

    def __init__(
        self,
        threads: int = 1,
        thread_name_prefix: str = "flux-executor",
        poll_interval: float = 0.1,
        handle_args: Sequence[Any] = (),
        handle_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        adopt_environment()
        url = handle_args[0] if handle_args else (handle_kwargs or {}).get("url")
        super().__init__(url, thread_name_prefix or "flux-executor")
