"""When the allocation ends in which another resource manager runs this instance."""

from __future__ import annotations

import logging
import subprocess
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger("bourn.resource")

ANSWER_SECONDS = 20.0
"""How long the manager may take to answer."""
SOONEST, LATEST = 10.0, 600.0
"""Seconds between two looks at least, and at most where it doesn't answer."""


class ForeignEnd:
    """The end of the Slurm job that this process belongs to.

    `known` is the last that was heard (epoch seconds, 0 for none), None before the first time.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.job = environ.get("SLURM_JOB_ID", "") if "SLURMD_NODENAME" in environ else ""
        self.known: float | None = None
        self._environ = {**environ, "SLURM_TIME_FORMAT": "%s"}

    @property
    def exists(self) -> bool:
        """Whether there is such a job."""
        return self.job.isdecimal()

    def first(self) -> float:
        """Return it as it is at the start."""
        if self.known is None:
            self.known = self._first() if self.exists else 0.0
        return self.known

    async def ask(self) -> float | None:
        """Ask for it again; None where nobody can tell."""
        with trio.move_on_after(ANSWER_SECONDS):
            try:
                done = await trio.run_process(
                    self._command(),
                    env=self._environ,
                    stdin=subprocess.DEVNULL,
                    capture_stdout=True,
                    capture_stderr=True,
                    check=False,
                )
            except OSError:
                return None
            return parse_end(done.stdout.decode(errors="replace")) if not done.returncode else None
        return None

    def _first(self) -> float:
        told = self._environ.get("SLURM_JOB_END_TIME", "")
        if told.isdecimal():
            return float(told)
        try:
            done = subprocess.run(
                self._command(),
                env=self._environ,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=ANSWER_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            log.warning("the end of Slurm job %s isn't known: %s", self.job, error)
            return 0.0
        if done.returncode:
            log.warning("the end of Slurm job %s isn't known: %s", self.job, done.stderr.strip())
            return 0.0
        return parse_end(done.stdout) or 0.0

    def _command(self) -> list[str]:
        return ["squeue", "--noheader", f"--jobs={self.job}", "--format=%e"]


def parse_end(text: str) -> float | None:
    """Return the end that `squeue` prints (epoch seconds), 0 for a job without one; None for no answer."""
    word = text.strip()
    if word.isdecimal():
        return float(word)
    return 0.0 if word else None  # NONE or UNKNOWN


def next_look(end: float, now: float, period: float, failures: int) -> float:
    """Return after how many seconds to ask again, having had no answer so many times in a row.

    Ends are moved when they are near: each look is half of what is left nearer to it.
    """
    if failures:
        return min(period * 2.0**failures, max(period, LATEST))
    if end <= now:
        return period
    return min(period, max(SOONEST, (end - now) / 2))
