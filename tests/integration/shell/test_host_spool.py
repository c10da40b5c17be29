"""What jobs write while no broker is there: on disk, within a bound, and all of it told to the next one."""

import hashlib
import select
from pathlib import Path

import pytest

from bourn.shell.host import NEWS_DELAY
from tests.integration.shell.host_client import HostClient
from tests.integration.shell.test_host_broker import await_file

FLOOD = "import os, sys\nfor i in range(int(sys.argv[1])): os.write(1, (b'%09d\\n' % i) * 6553)\n"
DONE = "open('done', 'w').close()"


def memory(pid, which="VmHWM"):
    """Return a process's peak, or present, resident memory in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{which}:"))


def flood(host, tmp_path, blocks):
    """Start a job that writes blocks of 64 KiB, all of them after the broker has gone."""
    wait = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)\n"
    host.run(["python3", "-c", wait + FLOOD + DONE, str(blocks)], cwd=str(tmp_path))
    host.until(lambda: host.started == [1])
    host.disconnect()
    (tmp_path / "go").touch()


def waits_in_vain(pid, host):
    """Whether a task's pipe is full though the host sleeps, for longer than it ever waits to report."""
    before = Path(f"/proc/{host}/status").read_text()
    full = "pipe" in Path(f"/proc/{pid}/wchan").read_text()
    select.select([], [], [], 50 * NEWS_DELAY)
    return full and Path(f"/proc/{host}/status").read_text() == before


def expected(blocks):
    whole = hashlib.sha256()
    for i in range(blocks):
        whole.update(b"%09d\n" % i * 6553)
    return whole.hexdigest()


@pytest.mark.parametrize("blocks", [400, pytest.param(8000, marks=pytest.mark.slow)])
def test_a_job_writes_on_without_a_broker_and_nothing_is_missed(tmp_path, blocks):
    with HostClient(grace=60, spool=1 << 30) as host:
        flood(host, tmp_path, blocks)
        await_file(tmp_path / "done")
        before = memory(host.process.pid)
        host.connect()
        assert host.wait(1) == [0]
        assert hashlib.sha256(host.text(1).encode()).hexdigest() == expected(blocks)
        assert host.reports == sorted(set(host.reports))
        assert host.text(1, "stderr") == ""
        assert before < 60
        assert memory(host.process.pid) < 60


def test_at_the_bound_the_job_waits_and_that_is_said(tmp_path):
    with HostClient(grace=60, spool=3 << 20) as host:
        flood(host, tmp_path, 400)
        blocked = Path(f"/proc/{host.process.pid}/task/{host.process.pid}/children").read_text().split()
        (pid,) = (pid for pid in blocked if "python3" in Path(f"/proc/{pid}/cmdline").read_text())
        # The pipe is full and the host sleeps all the same.
        while not waits_in_vain(pid, host.process.pid):
            assert not (tmp_path / "done").exists()
        host.connect()
        assert host.wait(1) == [0]
        said = [e for e in host.output[1] if e["name"] == "output-held"]
        assert len(said) == 1
        assert "without a broker" in said[0]["context"]["note"]
        assert any("jobs wait to write" in text for text in host.messages)
        host.output[1].remove(said[0])
        assert hashlib.sha256(host.text(1).encode()).hexdigest() == expected(400)
        assert memory(host.process.pid) < 60


def test_the_room_is_used_again_after_each_absence(tmp_path):
    with HostClient(grace=60, spool=6 << 20) as host:
        for id in (1, 2, 3):
            (tmp_path / "done").unlink(missing_ok=True)
            (tmp_path / "go").unlink(missing_ok=True)
            wait = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)\n"
            host.run(["python3", "-c", wait + FLOOD + DONE, "60"], first=id, cwd=str(tmp_path))
            host.until(lambda: id in host.started)  # noqa: B023
            host.disconnect()
            (tmp_path / "go").touch()
            await_file(tmp_path / "done")
            host.connect()
            assert host.wait(id) == [0]
            assert hashlib.sha256(host.text(id).encode()).hexdigest() == expected(60)
        assert not any("wait to write" in text for text in host.messages)
