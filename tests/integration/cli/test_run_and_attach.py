import re
import signal

import pytest


@pytest.mark.parametrize(
    ("command", "status"), [("true", 0), ("exit 3", 3), ("kill -9 $$", 137), ("kill -TERM $$", 143)]
)
def test_run_exits_with_the_status_of_the_job(bourn, command, status):
    assert bourn.words("run", "sh", "-c", command).code == status


def test_streams_are_kept_apart_and_binary_safe(bourn):
    found = bourn.words("run", "sh", "-c", "printf 'out\\n'; printf 'err\\n' >&2")
    assert (found.out, found.err) == ("out\n", "err\n")
    data = bytes(range(256)) * 50
    process = bourn.start("run", "cat")
    assert process.communicate(data) == (data, b"")


def test_every_task_gets_the_input_and_labels_tell_them_apart(bourn):
    found = bourn("run -l -n3 cat", stdin=b"a\nb\n")
    assert sorted(found.lines) == ["0: a", "0: b", "1: a", "1: b", "2: a", "2: b"]


def test_input_for_some_tasks(bourn):
    assert sorted(bourn("run -l -n3 --input=0,2 cat", stdin=b"x\n").lines) == ["0: x", "2: x"]


def test_a_failure_is_told(bourn):
    assert bourn("run false").err == "bourn-job: task(s) exited with exit code 1\n"
    found = bourn("run no-such-program")
    assert found.code == 127
    assert re.match(r"\d+\.\d{3}s: job.exception ƒ\w+ type=exec severity=0 .*no-such-program", found.err)


def test_time_limit(bourn):
    found = bourn("run -t 0.1s sleep 60")
    assert found.code == 142
    assert "type=timelimit" in found.err
    assert bourn.ok("jobs -a -n -c1 -o {status_abbrev},{inactive_reason}") == "TO,Timeout"


def test_output_to_a_file(bourn):
    assert bourn.words("run", "--output={{id}}.out", "echo", "hello").code == 0
    id = bourn.ok("job last")
    assert (bourn.cwd / f"{id}.out").read_text() == "hello\n"


def test_environment_and_directory(bourn, tmp_path):
    assert bourn(f"run --cwd={tmp_path} pwd").out.strip() == str(tmp_path)
    assert bourn.words("run", "--env=-*", "--env=A=b c", "/usr/bin/env").lines.count("A=b c") == 1


def test_verbose_shows_events(bourn):
    found = bourn("run -vvv true")
    assert re.match(r"jobid: ƒ\w+\n0\.000s: job\.submit ", found.err)
    assert "job.finish" in found.err
    assert "exec.shell.init" in found.err


def test_attach_to_a_finished_job_and_to_none(bourn):
    id = bourn.words("submit", "sh", "-c", "echo late; exit 4").out.strip()
    bourn(f"job wait-event {id} clean")
    found = bourn(f"job attach {id}")
    assert (found.code, found.out) == (4, "late\n")
    missing = bourn("job attach f2345")
    assert (missing.code, missing.err) == (1, "bourn-job: error: no such job ƒ2345\n")


def running(bourn, *words):
    """Start a command that is attached to a job; return both once the job's first line is there."""
    process = bourn.start(*words)
    line = process.stdout.readline()
    return process, line


def test_one_interrupt_goes_to_the_job_and_two_cancel_it(bourn):
    script = "trap 'echo caught' INT; echo ready; while :; do sleep 0.05; done"
    process, line = running(bourn, "run", "sh", "-c", script)
    assert line == b"ready\n"
    process.send_signal(signal.SIGINT)
    assert b"one more ctrl-C within 2s to cancel or ctrl-Z to detach" in process.stderr.readline()
    assert process.stdout.readline() == b"caught\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert b"type=cancel severity=0 interrupted by ctrl-C" in err
    assert process.returncode == 143


def test_interrupt_then_stop_detaches(bourn):
    process, _ = running(bourn, "run", "sh", "-c", "trap '' INT; echo ready; sleep 60")
    process.send_signal(signal.SIGINT)
    process.stderr.readline()
    process.send_signal(signal.SIGTSTP)
    _, err = process.communicate()
    assert err == b"bourn-job: detaching...\n"
    assert bourn.ok("jobs -n -o {status}") == "RUN"
    bourn.ok("cancel --all")


def test_signals_are_forwarded(bourn):
    process, _ = running(
        bourn, "run", "sh", "-c", "trap 'echo usr1; exit 9' USR1; echo ready; while :; do sleep 0.05; done"
    )
    process.send_signal(signal.SIGUSR1)
    out, _ = process.communicate()
    assert (out, process.returncode) == (b"usr1\n", 9)


def test_a_reader_that_leaves_is_no_error(bourn):
    with bourn.start("run", "sh", "-c", "yes | head -c 1000000") as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141
    bourn.ok("cancel --all")
