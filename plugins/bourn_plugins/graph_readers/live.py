"""The machine that this runs on: through hwloc where it is installed, otherwise the cores that we may use."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from typing import TYPE_CHECKING, Any

from bourn.errors import BournError
from bourn.hookspecs.resource_io import Resources
from bourn_plugins.graph_readers.hwloc import read_hwloc
from bourn_plugins.graph_readers.rv1 import build_rv1

if TYPE_CHECKING:
    from collections.abc import Mapping

_PROGRAMS = ("lstopo-no-graphics", "lstopo", "hwloc-ls")


def read_live(content: bytes, options: Mapping[str, Any]) -> Resources:
    """Read this machine; the option ``allowlist`` is as for hwloc's XML."""
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        return _affinity()
    done = subprocess.run([program, "--of", "xml"], capture_output=True, check=False)
    if done.returncode:
        raise BournError(f"{program}: {done.stderr.decode(errors='replace').strip()}")
    return read_hwloc(done.stdout, options)


def _affinity() -> Resources:
    """Return a node with the cores that this process may run on."""
    cores = ",".join(map(str, sorted(os.sched_getaffinity(0))))
    host = socket.gethostname().partition(".")[0]
    lite = [{"rank": "0", "children": {"core": cores}}]
    R = {"version": 1, "execution": {"R_lite": lite, "nodelist": [host]}}
    return Resources(R=R, build=lambda builder: build_rv1(builder, R))
