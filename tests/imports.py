"""What a program imports, asked of a new interpreter."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def imported(program: str, names: Iterable[str]) -> set[str]:
    """Run a program; return those of the modules that it has imported."""
    command = [sys.executable, "-c", f"{program}\nimport sys; print(*sys.modules)"]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return set(names) & set(out.split())
