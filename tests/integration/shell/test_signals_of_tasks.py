"""Tasks that are stopped, go on, and dump core."""

import os
import resource
import signal
from pathlib import Path

import pytest

from tests.integration.shell.host_client import HostClient

SERVED = {"input": {"stdin": {"type": "service"}}}


@pytest.fixture
def host():
    with HostClient() as client:
        yield client


def stopped(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def test_a_job_is_suspended_and_continued(host):
    host.run(["sh", "-c", "echo $$; exec cat"], options=SERVED)
    host.until(lambda: host.text(1).endswith("\n"))
    pid = int(host.text(1))
    host.send(kill=[(1, signal.SIGSTOP)])
    # A host that answers has done what it was told before.
    host.run(["true"], first=2)
    host.wait(2)
    assert stopped(pid)
    host.send(kill=[(1, signal.SIGCONT)])
    host.feed(1, b"line\n", eof=True)
    assert host.wait(1) == [0]
    assert host.text(1).splitlines()[1:] == ["line"]


@pytest.mark.skipif(resource.getrlimit(resource.RLIMIT_CORE)[1] == 0, reason="core files are forbidden here")
@pytest.mark.skipif(
    Path("/proc/sys/kernel/core_pattern").read_text().startswith("|"), reason="core files go elsewhere here"
)
def test_a_core_dump_is_in_the_status(host, tmp_path):
    options = {"rlimit": {"core": -1}}
    host.run(["sh", "-c", "kill -SEGV $$"], options=options, cwd=str(tmp_path))
    host.run(["sh", "-c", "kill -SEGV $$"], first=2, options={"rlimit": {"core": 0}}, cwd=str(tmp_path))
    dumped, plain = host.wait(1, 2)
    assert os.WTERMSIG(dumped) == os.WTERMSIG(plain) == signal.SIGSEGV
    assert os.WCOREDUMP(dumped)
    assert not os.WCOREDUMP(plain)
