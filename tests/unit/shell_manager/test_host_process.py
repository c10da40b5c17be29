"""Whose process a number is: that of a host, or of somebody who got it later."""

import os
import signal
import subprocess

import pytest

from bourn.model.jobid import f58_digits
from bourn_plugins.shell_manager.process import HostProcess, kill_marked


@pytest.fixture
def sleeper():
    """The leader of a session of its own."""
    process = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


def test_a_process_is_known_by_its_start(sleeper, tmp_path):
    process = HostProcess.of(sleeper.pid)
    assert process.alive
    assert not process.replaced
    process.write(tmp_path / "record")
    assert HostProcess.read(tmp_path / "record") == process
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert not process.alive, "a zombie"
    assert not process.replaced, "still ours"
    sleeper.wait()
    assert not process.alive
    assert not process.replaced


@pytest.mark.parametrize("start", ["another-boot 5", "", None])
def test_another_that_has_the_number_by_now_is_left_alone(sleeper, start):
    ours = HostProcess.of(sleeper.pid)
    boot, ticks = ours.start.split()
    stale = HostProcess(sleeper.pid, f"{boot} {int(ticks) - 1}" if start is None else start)
    assert not stale.alive
    assert stale.kill_family() == 0
    assert sleeper.poll() is None
    assert ours.kill_family() == 1
    assert sleeper.wait() == -signal.SIGKILL


@pytest.mark.parametrize("text", ["", "nonsense", "[]", "{}", '{"pid":"x","start":""}', '{"pid":1}'])
def test_a_record_that_is_none(tmp_path, text):
    (tmp_path / "record").write_text(text)
    assert HostProcess.read(tmp_path / "record") is None
    assert HostProcess.read(tmp_path / "nothing") is None


def test_what_fled_is_found_by_its_environment():
    def start(uri, id):
        env = {"BOURN_URI": uri, "BOURN_JOB_ID": "ƒ" + f58_digits(id)}
        return subprocess.Popen(["/bin/sleep", "1000"], env=env, start_new_session=True)

    processes = [start("local:///a", 7), start("local:///b", 7), start("local:///a", 8)]
    try:
        assert kill_marked(["local:///a", ""], []) == kill_marked([""], [7]) == 0
        assert kill_marked(["local:///a"], [7, 9]) == 1
        assert processes[0].wait() == -signal.SIGKILL
        assert [process.poll() for process in processes[1:]] == [None, None]
    finally:
        for process in processes:
            process.kill()
            process.wait()
