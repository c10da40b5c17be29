"""Clients that misbehave, and many at once, against a whole instance that runs jobs: it serves on."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bourn.errors import BournError
from bourn.model.jobspec_build import from_command
from tests.integration.robust.program import Instance, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    import bourn


@pytest.fixture
def loaded(tmp_path: Path) -> Iterator[Instance]:
    """An instance to which a client submits jobs all the time; all of them must end well."""
    stop = threading.Event()
    ids: list[int] = []
    with Instance(tmp_path, "--conf=connector.max-queue=4000000") as instance:

        def work() -> None:
            with instance.handle() as handle:
                while not stop.is_set():
                    ids.extend(submit(handle, "true", count=5))
                    stop.wait(0.02)

        client = threading.Thread(target=work)
        client.start()
        try:
            yield instance
        finally:
            stop.set()
            client.join()
        with instance.handle() as handle:
            handle.rpc("job-manager.drain").get(timeout=60)
            jobs = handle.rpc("job-list.stats").get()
        assert jobs["failed"] == 0
        assert jobs["successful"] >= len(ids) > 0
        assert "Traceback" not in instance.trouble, instance.trouble
        assert instance.end() == 0


def submit(handle: bourn.Handle, *command: str, count: int = 1) -> list[int]:
    spec = from_command(list(command), environment={"PATH": "/usr/bin:/bin"}, cwd="/")
    body = {"jobspecs": [spec], "jobs": [{"jobspec": 0}] * count}
    ids: list[int] = handle.rpc("job-ingest.submit", body).get(timeout=30)["ids"]
    return ids


def connect(instance: Instance) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(str(instance.rundir / "local"))
    return sock


def frame(**message: Any) -> bytes:
    body = json.dumps(message).encode()
    return len(body).to_bytes(4, "big") + body


def resident(instance: Instance) -> int:
    """Return the broker's memory in KiB."""
    status = Path(f"/proc/{instance.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def descriptors(instance: Instance) -> int:
    return len(os.listdir(f"/proc/{instance.process.pid}/fd"))


def test_garbage_and_half_messages(loaded: Instance) -> None:
    before = descriptors(loaded)
    for seed in range(3):
        with closing(connect(loaded)) as sock, suppress(BrokenPipeError, ConnectionResetError):
            sock.sendall(random.Random(seed).randbytes(10_000_000))
    halves = [connect(loaded) for _ in range(50)]
    for number, sock in enumerate(halves):
        sock.sendall(frame(type="request", topic="kvs.get", matchtag=1)[: number % 40])
    assert loaded.bourn("run true").returncode == 0
    for sock in halves:
        sock.close()
    until(lambda: descriptors(loaded) <= before + 5, "their connections are closed")


def test_many_idle_clients(loaded: Instance) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 1500:
        pytest.skip(f"the system allows {hard} open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1500), hard))
    before = descriptors(loaded)
    with ExitStack() as stack:
        for _ in range(1000):
            stack.enter_context(closing(connect(loaded)))
        assert loaded.bourn("run true").returncode == 0
        assert descriptors(loaded) >= before + 1000
    until(lambda: descriptors(loaded) <= before + 5, "their connections are closed")


def test_many_followers_of_one_job(loaded: Instance) -> None:
    with ExitStack() as stack, loaded.handle() as handle:
        (id,) = submit(handle, "sh", "-c", "for i in $(seq 300); do echo line $i; done; sleep 1; echo end")
        followers = [stack.enter_context(loaded.handle()) for _ in range(200)]
        logs = [
            follower.rpc("job-info.eventlog-watch", {"id": id, "path": path}, streaming=True)
            for follower in followers
            for path in ("eventlog", "guest.output")
        ]
        texts = ["".join(json.dumps(piece) for piece in log) for log in logs]
        assert all("clean" in text for text in texts[::2])
        assert len(set(texts[::2])) >= 1
        assert all("end" in text and "line 300" in text for text in texts[1::2])


def test_clients_that_never_read_cost_a_bounded_amount_of_memory(loaded: Instance) -> None:
    """What they cost is free again for others: it doesn't go on growing."""
    with loaded.handle() as handle:
        (id,) = submit(handle, "sh", "-c", "seq 1 200000")
        until(lambda: "clean" in eventlog(handle, id), "it ends")
        body = {"id": id, "path": "guest.output"}
        peaks = []
        clients = descriptors(loaded)
        for _ in range(8):
            with ExitStack() as stack:
                for _ in range(20):
                    sock = stack.enter_context(closing(connect(loaded)))
                    for tag in range(1, 6):
                        topic = "job-info.eventlog-watch"
                        sock.sendall(frame(type="request", topic=topic, matchtag=tag, flags=1, payload=body))
                assert loaded.bourn("run true").returncode == 0
                peaks.append(resident(loaded))
            until(lambda: descriptors(loaded) <= clients + 5, "their connections are closed")
        # What the allocator keeps differs from run to run; without bounds it would be gigabytes.
        assert max(peaks) < 800_000, peaks
        stats = handle.rpc("job-info.stats").get()
        assert (stats["pending"], stats["watchers"]) == (0, 0)


def eventlog(handle: bourn.Handle, id: int) -> str:
    return str(handle.rpc("job-info.lookup", {"id": id, "keys": ["eventlog"]}).get()["eventlog"])


def test_clients_killed_in_the_middle_of_streams(loaded: Instance) -> None:
    script = (
        "import sys\nfrom bourn import Handle\nh = Handle(sys.argv[1])\n"
        "a = h.rpc('job-manager.journal', {'full': True}, streaming=True)\n"
        "b = h.rpc('job-list.list', {'max_entries': 0}, streaming=True)\n"
        "h.event_subscribe('')\nh.rpc('kvs.watch', {'key': 'a'}, streaming=True)\n"
        "h.rpc('job-manager.wait', {})\na.get()\nprint('on', flush=True)\nh.reactor_run()\n"
    )
    before = descriptors(loaded)
    for _ in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", script, loaded.uri], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as client:
            assert client.stdout is not None
            assert client.stdout.readline() == b"on\n"
            client.send_signal(signal.SIGKILL)
    assert loaded.bourn("run true").returncode == 0
    until(lambda: descriptors(loaded) <= before + 5, "their connections are closed")
    with loaded.handle() as handle:
        assert handle.rpc("job-manager.stats").get()["journal-consumers"] == 0


def test_requests_in_bulk_without_reading_an_answer(loaded: Instance) -> None:
    with closing(connect(loaded)) as sock:
        sock.settimeout(5)
        one = frame(type="request", topic="job-list.stats", matchtag=1) * 1000
        try:
            for _ in range(100):
                sock.sendall(one)
        except (TimeoutError, BrokenPipeError, ConnectionResetError):
            pass
        assert loaded.bourn("run true").returncode == 0
    assert loaded.bourn("run true").returncode == 0


def test_a_frame_nested_too_deep(loaded: Instance) -> None:
    body = (
        b'{"type":"request","topic":"kvs.get","matchtag":1,"payload":'
        + b"[" * 200_000
        + b"]" * 200_000
        + b"}"
    )
    with closing(connect(loaded)) as sock:
        sock.sendall(len(body).to_bytes(4, "big") + body)
        assert b"malformed message" in sock.recv(4096)
    with loaded.handle() as handle, pytest.raises(BournError):
        handle.rpc("kvs.get", {"key": "no"}).get()
