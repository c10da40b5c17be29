"""The bare loops that Bourn is measured against."""

from __future__ import annotations

import os
import socket
import sqlite3
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory


def spawns(count: int = 2000, outstanding: int = 16) -> float:
    """Return processes/s of posix_spawn and wait, `outstanding` at once."""
    started = done = 0
    begin = time.perf_counter()
    while done < count:
        while started - done < outstanding and started < count:
            os.posix_spawn("/bin/true", ["true"], {})
            started += 1
        os.wait()
        done += 1
    return count / (time.perf_counter() - begin)


def sqlite_rows(count: int = 20000, batch: int = 500) -> float:
    """Return rows/s appended to one indexed table of a WAL database on disk, `batch` rows a commit."""
    text = "x" * 200
    with TemporaryDirectory() as folder:
        db = sqlite3.connect(Path(folder) / "bare.sqlite", isolation_level=None)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")
        db.execute("CREATE TABLE log (seq INTEGER PRIMARY KEY, id INTEGER, data TEXT)")
        db.execute("CREATE INDEX log_id ON log (id)")
        begin = time.perf_counter()
        for first in range(0, count, batch):
            db.execute("BEGIN")
            rows = ((i, text) for i in range(first, first + batch))
            db.executemany("INSERT INTO log (id, data) VALUES (?, ?)", rows)
            db.execute("COMMIT")
        rate = count / (time.perf_counter() - begin)
        db.close()
        return rate


def sqlite_commits(count: int = 3000) -> float:
    """Return commits/s of one row each."""
    return sqlite_rows(count, batch=1)


def socket_echoes(count: int = 5000) -> float:
    """Return round trips/s of 100 bytes over a UNIX socket pair to an echoing thread."""
    near, far = socket.socketpair()
    message = b"x" * 100

    def echo() -> None:
        while data := far.recv(4096):
            far.sendall(data)

    thread = threading.Thread(target=echo)
    thread.start()
    begin = time.perf_counter()
    for _ in range(count):
        near.sendall(message)
        near.recv(4096)
    rate = count / (time.perf_counter() - begin)
    near.close()
    thread.join()
    far.close()
    return rate


def interpreter_start(count: int = 10) -> float:
    """Return the seconds that `python -c pass` takes, the best of `count`."""
    import subprocess
    import sys

    best = float("inf")
    for _ in range(count):
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        best = min(best, time.perf_counter() - begin)
    return best
