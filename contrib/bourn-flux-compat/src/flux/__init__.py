"""The Python API of Flux, as far as programs use it most, on Bourn.

    import flux
    from flux.job import JobspecV1

    with flux.Flux() as handle:
        jobid = flux.job.submit(handle, JobspecV1.from_command(["hostname"], num_tasks=2), waitable=True)
        print(flux.job.wait(handle, jobid).success)

Names, arguments and results are Flux's; what is behind them, and what an error says, is Bourn's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn_flux_compat.command import adopt_environment

from bourn import Handle, __version__

if TYPE_CHECKING:
    from flux import constants, hostlist, idset, job, kvs, resource

__all__ = ["Flux", "__version__", "constants", "hostlist", "idset", "job", "kvs", "resource"]


class Flux(Handle):
    """A connection to the instance that BOURN_URI or FLUX_URI name, or to that of `Flux("local:///path")`."""

    def __init__(self, url: str | None = None, flags: int = 0) -> None:
        adopt_environment()
        super().__init__(url)

    def reactor_run(self, reactor: object = None, flags: int = 0) -> int:  # type: ignore[override]
        """Serve callbacks until nothing is waited for, or `reactor_stop`."""
        super().reactor_run()
        return 0

    def get_reactor(self) -> None:
        """Return the reactor: the handle itself has it."""

    def event_create(self, topic: str, payload: object = None) -> tuple[str, object]:
        """Return what `send` publishes."""
        return topic, payload


def __getattr__(name: str) -> Any:
    if name in __all__:
        from importlib import import_module

        return import_module(f"flux.{name}")
    raise AttributeError(f"module 'flux' has no attribute '{name}'")
