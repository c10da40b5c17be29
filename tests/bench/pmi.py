"""PMI-1 exchange among 64 tasks of a shell host: put keys, enter the barrier, get one of each task's."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from bourn.shell.wire import Start
from tests.integration.shell.host_client import HostClient, jobspec

TASKS = 64
KEYS = 16


def main() -> None:
    """Print the time of an exchange, the best of five."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise SystemExit("pmi: needs a C compiler")
    with tempfile.TemporaryDirectory() as folder, HostClient() as host:
        program = f"{folder}/exchange"
        source = Path(__file__).with_name("pmi_exchange.c")
        subprocess.run([compiler, "-O", "-o", program, str(source)], check=True)
        times = []
        for id in range(1, 6):
            text = jobspec([program, str(KEYS)], {"pmi": "simple"})
            host.send(specs=[(id, text)], start=[Start(id, id, ntasks=TASKS, size=TASKS)])
            host.wait(id)
            times.append(float(host.text(id)))
    requests = TASKS * (KEYS + TASKS + 2)
    best = min(times)
    print(
        f"pmi: {TASKS} tasks, {TASKS * KEYS:,} keys, {requests:,} requests: {best * 1000:.1f} ms, "
        f"{requests / best:,.0f} requests/s"
    )
