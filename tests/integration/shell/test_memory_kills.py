"""A task that the kernel kills for want of memory, in a control group with a real limit."""

import subprocess
import sys
import uuid
from pathlib import Path

import pytest

MIB = 1 << 20
LIMIT = 200 * MIB


@pytest.fixture
def group():
    """Return the procs file of a new control group with a limit, of whichever version there is."""
    root = Path("/sys/fs/cgroup")
    one = (root / "memory").is_dir()
    folder = (root / "memory" if one else root) / f"bourn-test-{uuid.uuid4().hex}"
    try:
        folder.mkdir()
        (folder / ("memory.limit_in_bytes" if one else "memory.max")).write_text(str(LIMIT))
    except OSError as error:
        if folder.is_dir():
            folder.rmdir()
        pytest.skip(f"needs a control group of its own: {error}")
    yield folder / "cgroup.procs"
    folder.rmdir()


def test_the_job_is_recorded_with_the_reason(group):
    bourn = str(Path(sys.executable).with_name("bourn"))
    hog = f"x = bytearray({4 * LIMIT})"
    inside = f'echo $$ >{group}; exec "$@"'
    command = [bourn, "start", "--", bourn, "run", sys.executable, "-c", hog]
    done = subprocess.run(["sh", "-c", inside, "sh", *command], capture_output=True, text=True, timeout=60)
    assert "type=oom severity=1 task 0 on " in done.stderr
    assert "Killed" in done.stderr
    assert done.returncode == 137
