"""PMI-1 exchange among 64 tasks of a shell host, and among 16 ranks: put keys, enter the barrier, get one of
each task's.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from bourn.shell.wire import Start
from tests.bench.instance import bourn_command
from tests.integration.shell.host_client import HostClient, jobspec

TASKS = 64
RANKS = 16
KEYS = 16


def main() -> None:
    """Print the time of an exchange, the best of five: on one host, and up and down a tree of brokers."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise SystemExit("pmi: needs a C compiler")
    with tempfile.TemporaryDirectory() as folder:
        program = f"{folder}/exchange"
        source = Path(__file__).with_name("pmi_exchange.c")
        subprocess.run([compiler, "-O", "-o", program, str(source)], check=True)
        best = _on_one_host(program)
        ranks = _over_ranks(program)
    requests = TASKS * (KEYS + TASKS + 2)
    print(
        f"pmi: {TASKS} tasks, {TASKS * KEYS:,} keys, {requests:,} requests: {best * 1000:.1f} ms, "
        f"{requests / best:,.0f} requests/s"
    )
    print(f"pmi: {RANKS} ranks, a task each, {RANKS * KEYS} keys: {ranks * 1000:.1f} ms")


def _on_one_host(program: str) -> float:
    times = []
    with HostClient() as host:
        for id in range(1, 6):
            text = jobspec([program, str(KEYS)], {"pmi": "simple"})
            host.send(specs=[(id, text)], start=[Start(id, id, ntasks=TASKS, size=TASKS)])
            host.wait(id)
            times.append(float(host.text(id)))
    return min(times)


def _over_ranks(program: str) -> float:
    job = f"bourn run -N{RANKS} -n{RANKS} {program} {KEYS}"
    command = bourn_command(
        "start", f"-s{RANKS}", "-Stbon.topo=kary:4", "--", "sh", "-c", "; ".join([job] * 5)
    )
    found = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return min(float(line) for line in found.stdout.split())
