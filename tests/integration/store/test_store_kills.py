"""kill -9 at any moment: what was acknowledged is there, batches are whole, and writing goes on."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bourn.hookspecs.store import EVENTLOG, StoreOptions
from bourn_plugins.store.sqlite import open_sqlite

PROGRAM = Path(__file__).with_name("writer_program.py")


def run_and_kill(directory: Path, seed: int, synchronous: str, lines: int, late: float) -> int:
    """Kill the program some way into the batch after `lines` of them; return the last it told of."""
    command = [sys.executable, str(PROGRAM), str(directory), str(seed), synchronous]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        last = 0
        for _ in range(lines):
            line = process.stdout.readline()
            assert line, process.stderr.read().decode()
            last = int(line)
        # Spinning instead of sleeping gives moments within a commit, not the ends of timer ticks.
        for _ in range(int(late * 2000)):
            os.getpid()
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().splitlines()
        return int(rest[-1]) if rest else last


@pytest.mark.parametrize(("synchronous", "kills", "seed"), [("normal", 12, 1), ("full", 4, 2), ("off", 4, 3)])
async def test_nothing_acknowledged_is_lost(tmp_path: Path, synchronous: str, kills: int, seed: int) -> None:
    dice = random.Random(seed)
    for round_ in range(kills):
        lines = dice.randrange(1, 120)
        acknowledged = run_and_kill(tmp_path, seed * 1000 + round_, synchronous, lines, dice.random())
        store = open_sqlite(StoreOptions(tmp_path, synchronous))
        assert await store.check() == []
        last = store.meta("last")
        assert last >= acknowledged
        # A batch is whole: its jobs, its keys and its fact all tell of the same last job.
        assert store.max_jobid() == last
        entry = store.kvs_get("primary", "last")
        assert entry is not None
        assert entry.value == str(last)
        purged = store.meta("jobs-purged") or 0
        assert store.one("SELECT count(*) FROM job")[0] == last - purged
        for job in store.active_jobs():
            assert store.log_text(job.id, EVENTLOG) == f'{{"name":"submit","id":{job.id}}}\n'
        await store.close()
