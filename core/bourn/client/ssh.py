"""The command that runs another one on a host."""

from __future__ import annotations

import os
import shlex

SSH = "BOURN_SSH"
"""Environment variable: that command with its options, `ssh` by default."""
CONNECT_SECONDS = 30
"""How long a host may take to answer `ssh`, which by itself would wait for minutes."""


def ssh_command(given: str = "", *, may_ask: bool = True) -> list[str]:
    """Return the words that come before a host's name.

    Options that were given come first, and count. `may_ask`: whether ssh may ask for a password or about a
    host's key, on the terminal.
    """
    command = shlex.split(given or os.environ.get(SSH) or "ssh") or ["ssh"]
    if os.path.basename(command[0]) == "ssh":
        command += ["-o", f"ConnectTimeout={CONNECT_SECONDS}"]
        if not may_ask:
            command += ["-o", "BatchMode=yes"]
    return command
