"""The machine that this runs on: through hwloc where it is installed, otherwise by /sys and /dev."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

from bourn.errors import BournError
from bourn_plugins.graph_readers.hwloc import allowed_types, read_hwloc
from bourn_plugins.graph_readers.sysfs import read_sysfs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bourn.hookspecs.resource_io import Resources

_PROGRAMS = ("lstopo-no-graphics", "lstopo", "hwloc-ls")


def read_live(content: bytes, options: Mapping[str, Any]) -> Resources:
    """Read this machine; the option ``allowlist`` is as for hwloc's XML."""
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        return read_sysfs(os.sched_getaffinity(0), allowed_types(options))
    done = subprocess.run([program, "--of", "xml"], capture_output=True, check=False)
    if done.returncode:
        raise BournError(f"{program}: {done.stderr.decode(errors='replace').strip()}")
    return read_hwloc(done.stdout, options)
