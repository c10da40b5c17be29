"""A shell host and its broker: lost and resumed connections, ends of either."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress

import pytest

from bourn.shell.wire import Splitter, Start, ToHost, frame, from_host
from bourn_plugins.shell_manager.process import HostProcess
from tests.integration.instance import until
from tests.integration.shell.host_client import HostClient, jobspec


def await_file(path):
    while not path.exists():
        subprocess.run(["sleep", "0.01"], check=True)


def drain(host):
    with suppress(EOFError, ConnectionResetError):
        while True:
            host.receive()


def test_what_happened_while_the_broker_was_away_is_told_once(tmp_path):
    script = "echo one; until [ -e go ]; do sleep 0.01; done; echo two; touch done; exit 7"
    with HostClient(grace=30) as host:
        host.run(["sh", "-c", script], ["sleep", "1000"], cwd=str(tmp_path))
        host.until(lambda: "one" in host.text(1) and len(host.started) == 2)
        seq = host.seq
        host.disconnect()
        (tmp_path / "go").touch()
        await_file(tmp_path / "done")
        host.connect()
        assert host.wait(1) == [7 << 8]
        assert sorted(host.greeting) == [1, 2]
        assert host.text(1) == "one\ntwo\n"
        assert host.started == [1, 2]
        assert host.reports == list(range(1, host.seq + 1))
        assert host.seq > seq


def test_reports_that_were_not_acknowledged_come_again_and_the_durable_ones_don_t():
    with HostClient(grace=30) as host:
        host.run(["sh", "-c", "echo $BOURN_JOB_ID"])
        host.until(lambda: 1 in host.status, ack=False)
        once, seq = host.output[1], host.seq
        host.disconnect()
        host.status.clear()
        host.output.clear()
        host.connect()
        host.until(lambda: 1 in host.status, ack=False)
        assert (host.output[1], host.seq, host.greeting) == (once, seq, [1])
        host.disconnect()
        host.resume = (host.name, seq)
        host.status.clear()
        host.output.clear()
        host.connect()
        host.until(lambda: host.greeting == [])
        assert not host.output
        host.disconnect()
        # The mark of another host says nothing about this one.
        host.resume = ("1-1", seq)
        host.connect()
        host.run(["true"], first=2)
        assert host.wait(2) == [0]


def test_without_a_grace_time_the_end_of_the_broker_is_the_end_of_all():
    with HostClient() as host:
        host.run(["sh", "-c", "trap '' TERM; echo $$; sleep 1000"])
        host.until(lambda: host.text(1).endswith("\n"))
        host.disconnect()
        assert host.process.wait() == 0
        with pytest.raises(ProcessLookupError):
            os.kill(int(host.text(1)), 0)


def test_after_the_grace_time_the_host_ends():
    with HostClient(grace=0.2) as host:
        host.run(["sleep", "1000"])
        host.until(lambda: bool(host.started))
        host.disconnect()
        assert host.process.wait() == 0


IMPATIENT = """
import sys
from bourn.shell import __main__, host
host.IDLE_GRACE = 0.0
sys.exit(__main__.main(sys.argv[1:]))
"""


def test_a_host_waits_for_the_next_broker_with_jobs_of_one_that_died_before_the_host_was_up(tmp_path):
    script = "echo $BOURN_JOB_ID >>ran; until [ -e go ]; do sleep 0.01; done"

    def hand_over_and_die(client):
        client.connect()
        client.run(*[["sh", "-c", script]] * 4, cwd=str(tmp_path))
        client.disconnect()

    with HostClient(grace=30, program=["-c", IMPATIENT], before=hand_over_and_die) as host:
        until(lambda: (tmp_path / "ran").exists() and len((tmp_path / "ran").read_text().split()) == 4)
        host.connect()
        host.until(lambda: len(host.started) == 4)
        assert host.greeting == [1, 2, 3, 4]
        (tmp_path / "go").touch()
        assert host.wait(1, 2, 3, 4) == [0] * 4
        assert len((tmp_path / "ran").read_text().split()) == 4


def test_a_host_without_jobs_waits_a_moment_only():
    with HostClient(grace=30, program=["-c", IMPATIENT]) as host:
        host.run(["true"])
        host.wait(1)
        host.disconnect()
        assert host.process.wait() == 0


def test_what_is_sent_again_since_nobody_knew_that_it_came_counts_once(tmp_path):
    script = "trap 'echo got it' USR1; echo up; until [ -e go ]; do sleep 0.01; done"
    with HostClient(grace=30) as host:
        host.run(["sh", "-c", script], cwd=str(tmp_path))
        host.until(lambda: host.text(1) == "up\n")
        host.send(kill=[(1, signal.SIGUSR1)], serial=5)
        host.disconnect()
        host.connect()
        host.send(kill=[(1, signal.SIGUSR1)], serial=5)
        host.until(lambda: 5 in host.taken and "got it" in host.text(1))
        (tmp_path / "go").touch()
        host.wait(1)
        assert host.text(1) == "up\ngot it\n"


def test_sigterm_ends_the_host_and_its_jobs():
    with HostClient(grace=30) as host:
        host.run(["sh", "-c", "echo $$; exec sleep 1000"])
        host.until(lambda: host.text(1).endswith("\n"))
        host.process.terminate()
        assert host.process.wait() == 0
        with pytest.raises(ProcessLookupError):
            os.kill(int(host.text(1)), 0)


def test_a_second_broker_is_turned_away_and_garbage_only_costs_the_connection():
    with HostClient(grace=30) as host:
        host.run(["true"])
        host.wait(1)
        second = socket.socket(socket.AF_UNIX)
        second.connect(host.path)
        assert second.recv(10) == b""
        second.close()
        for garbage in (b"\xff\xff\xff\xff", b"\0\0\0\3abc", b'\0\0\0\x0e{"start":"no"}'):
            host._socket.sendall(garbage)
            drain(host)
            host.disconnect()
            host.connect()
            host.greeting = None
            host.until(lambda: host.greeting is not None)
        host.run(["true"], first=2)
        assert host.wait(2) == [0]


def test_a_host_by_hand_listens_on_a_private_socket(tmp_path):
    path = tmp_path / "host.sock"
    process = subprocess.Popen([sys.executable, "-m", "bourn.shell", "--socket", str(path)])
    await_file(path)
    assert path.stat().st_mode & 0o777 == 0o600
    peer = socket.socket(socket.AF_UNIX)
    while peer.connect_ex(str(path)):
        pass
    peer.sendall(frame(ToHost(uri="local:///x", specs=[(1, jobspec(["true"]))], start=[Start(1, 1)])))
    splitter, done = Splitter(), False
    while not done:
        reports = [from_host.decode(body) for body in splitter.feed(peer.recv(65536))]
        done = any(report.finished for report in reports)
    peer.close()
    assert process.wait() == 0
    assert not path.exists()


@pytest.mark.parametrize("arguments", [[], ["--socket"], ["--sokcet", "x"], ["--socket", "x", "--fd", "3"]])
def test_wrong_arguments_print_the_usage(arguments):
    done = subprocess.run(
        [sys.executable, "-m", "bourn.shell", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "usage: python -m bourn.shell" in done.stderr


def test_a_jobspec_that_was_never_sent_fails_its_job():
    with HostClient() as host:
        host.send(start=[Start(1, 99)])
        assert host.wait(1) == [126 << 8]
        assert host.failures[1] == ["the shell host was never sent this job's jobspec"]


def test_a_killed_host_takes_no_report_with_it():
    with HostClient() as host:
        host.run(["sh", "-c", "echo $$; exec sleep 1000"])
        host.until(lambda: host.text(1).endswith("\n"))
        process = HostProcess.of(host.process.pid)
        host.process.send_signal(signal.SIGKILL)
        drain(host)
        host.process.wait()
        # What is left is found by its session, which the host led.
        assert process.kill_family() == 1
