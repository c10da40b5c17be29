"""A signal to the job some time before its limit."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from bourn.errors import BournError
from bourn.hookspecs import hookimpl
from bourn.hookspecs.shell import ShellPlugin

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bourn.shell.job import ShellJob
    from bourn.shell.spec import ShellSpec


class SignalBeforeLimit(ShellPlugin):
    """``signal.signum`` (default SIGUSR1) is sent ``signal.timeleft`` seconds (default 60) before the time
    limit."""

    name = "signal"
    options = ("signal.signum", "signal.timeleft")

    def validate(self, spec: ShellSpec) -> None:
        signum = spec.option("signal.signum", int(signal.SIGUSR1))
        left = spec.option("signal.timeleft", 60.0)
        if isinstance(signum, str):
            name = signum.upper()
            signum = getattr(signal, name if name.startswith("SIG") else f"SIG{name}", None)
        if isinstance(signum, bool) or signum not in range(1, signal.NSIG):
            raise BournError(f"-o signal.signum={spec.option('signal.signum')}: there is no such signal")
        if not isinstance(left, str | int | float):
            raise BournError(f"-o signal.timeleft={left}: right is a duration such as 60s")
        if isinstance(left, str):
            from bourn.model.duration import parse_duration

            try:
                left = parse_duration(left)
            except BournError as error:
                raise BournError(f"-o signal.timeleft: {error.message}") from error
        spec.data[self.name] = (int(signum), float(left))

    def start(self, job: ShellJob) -> None:
        signum, left = job.spec.data[self.name]
        if job.place.expiration:
            delay = max(0.0, job.place.expiration - left - time.time())
            job.data[self.name] = job.later(delay, lambda: job.kill(signum))

    def resource_update(self, job: ShellJob) -> None:
        if timer := job.data.pop(self.name, None):
            timer.cancel()
        self.start(job)


@hookimpl
def bourn_shell_plugins() -> Iterable[ShellPlugin]:
    """Register the plugin."""
    yield SignalBeforeLimit()
