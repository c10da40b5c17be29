"""When the allocation ends in which another resource manager runs this instance."""

from __future__ import annotations

import logging
import os
import subprocess
from functools import cache

log = logging.getLogger("bourn.resource")

ANSWER_SECONDS = 20.0
"""How long the manager may take to answer."""


@cache
def foreign_end() -> float:
    """Return the end of the Slurm job that this process belongs to (epoch seconds), 0 for none."""
    environ = os.environ
    job = environ.get("SLURM_JOB_ID", "")
    if not job.isdecimal() or "SLURMD_NODENAME" not in environ:
        return 0.0
    told = environ.get("SLURM_JOB_END_TIME", "")
    if told.isdecimal():
        return float(told)
    command = ["squeue", "--noheader", f"--jobs={job}", "--format=%e"]
    try:
        done = subprocess.run(
            command,
            env={**environ, "SLURM_TIME_FORMAT": "%s"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=ANSWER_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        log.warning("the end of Slurm job %s isn't known: %s", job, error)
        return 0.0
    text = done.stdout.strip()
    if text.isdecimal():
        return float(text)
    if done.returncode:
        log.warning("the end of Slurm job %s isn't known: %s", job, done.stderr.strip())
    return 0.0  # a job without a limit says NONE or UNKNOWN
