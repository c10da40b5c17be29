"""`bourn top` in a terminal that a script plays: pyte keeps what a person would see."""

import os
import signal

import pytest

from tests.integration.cli.terminal import Terminal
from tests.integration.instance import BOURN


@pytest.fixture(autouse=True)
def alone(bourn):
    """Have no jobs of another test about."""
    yield
    bourn.ok("cancel --all")
    bourn.ok("queue idle")


@pytest.fixture
def top(bourn):
    found = Terminal(BOURN, "top", env=bourn.env)
    yield found
    try:
        os.kill(found.pid, signal.SIGKILL)
        os.waitpid(found.pid, 0)
    except (ProcessLookupError, ChildProcessError):
        pass


def row(lines, text):
    return next(number for number, line in enumerate(lines) if text in line)


def test_jobs_come_change_and_go_by_themselves(bourn, top):
    top.shows("bourn top", "0 pending, 0 running", "cores [", "0/16")
    id = bourn.ok("submit -n4 --job-name=first sleep 60")
    top.shows(id, "first", "0 pending, 1 running", "4/16")
    waits = bourn.ok("submit -n16 --job-name=second sleep 60")
    lines = top.shows(waits, "1 pending, 1 running", "needs 16 cores, 12 free")
    assert row(lines, id) < row(lines, waits)
    bourn.ok(f"cancel {id}")
    top.shows("second", "16/16", "1 canceled", without=["first"])
    bourn.ok(f"job kill {waits}")
    top.shows("0 pending, 0 running", "0/16", "1 failed")
    top.type("a")
    top.shows("first", "second", "filter: state=active,inactive")
    top.type("q")
    assert top.ends() == 0


def test_details_output_and_cancel(bourn, top):
    id = bourn.words("submit", "--job-name=talk", "sh", "-c", "echo hello; exec sleep 60").out.strip()
    top.shows("talk", "1 running")
    top.type("\r")
    top.shows(f"Job {id}", "Events", "submit userid=", "start", "Output", "hello")
    top.type("c")
    top.shows(f"cancel {id} talk? (y/n)")
    top.type("y")
    top.shows("exception type=cancel", "Canceled: from bourn top", "status  CANCELED")
    top.type("\x1b[D")  # left
    top.shows("0 running", "h help")
    top.type("Q")
    assert top.ends() == 0


def test_keys_resize_and_help(bourn, top):
    ids = bourn.ok("submit --cc=1-30 --urgency=hold --job-name=held true").split()
    top.shows("30 pending", ids[0], "more below")
    top.type("\x1b[B\x1b[B")  # down, down
    top.size(12, 80)
    top.shows("30 pending", "24 more below", without=[ids[20]])
    top.type("G")
    top.shows(ids[29], without=[ids[0]])
    top.size(40, 100)
    lines = top.shows(ids[0], ids[29])
    assert len(lines) == 40
    top.type("fname=nothing\r")
    top.shows("filter: name=nothing", without=["held"])
    top.type("/\x15colour=red\r")
    top.shows("no filter 'colour'")
    top.type("\x1b")
    top.shows("held")
    top.type("h")
    top.shows("Keys", "PgUp")
    top.type(" ")
    top.shows("30 pending")
    bourn.ok("cancel --all")
    top.shows("0 pending", without=["held"])
    top.type("\x03")
    assert top.ends() == 130


def test_down_into_instances_to_any_depth(bourn, top):
    inner = "bourn submit --job-name=leaf -n1 sleep 60; bourn queue drain"
    middle = f"bourn batch -n2 --job-name=middle --wrap '{inner}'; bourn queue drain"
    outer = bourn.words("batch", "-n4", "--job-name=outer", "--wrap", middle).out.strip()
    bourn.ok(f"uri --wait {outer}")
    top.shows("outer", "1 running")
    top.type("\r")
    top.shows(f"bourn top / {outer}", "middle", "1 running", without=["outer"])
    middle_id = bourn.ok(f"proxy {outer} bourn job last")
    bourn.ok(f"uri --wait {outer}/{middle_id}")
    top.type("\r")
    top.shows(f"bourn top / {outer} / {middle_id}", "leaf", "1 running", without=["middle"])
    once = bourn.ok(f"top --once {outer}/{middle_id}")
    assert "leaf" in once
    assert "cores [" in once
    top.type("\x7f")
    top.shows("middle", f"bourn top / {outer}", without=["leaf"])
    bourn.ok(f"cancel {outer}")
    top.shows(f"the instance {outer} has ended", "bourn top", without=["middle"])
    top.type("q")
    assert top.ends() == 0


def test_top_of_an_instance_that_ends(bourn):
    id = bourn.words("batch", "-n1", "--wrap", "sleep 60").out.strip()
    bourn.ok(f"uri --wait {id}")
    top = Terminal(BOURN, "top", id, env=bourn.env)
    top.shows(f"bourn top / {id}", "0 running")
    bourn.ok(f"cancel {id}")
    assert top.ends() == 1
    assert "the instance has ended" in "\n".join(top.lines)


def test_once_is_plain_text(bourn):
    bourn.ok("submit --job-name=plain --urgency=hold true")
    found = bourn("top --once")
    assert found.code == 0
    assert "\x1b" not in found.out
    assert "1 pending, 0 running" in found.out
    assert "plain" in found.out
    assert "plain" not in bourn.ok("top -1 -f running")
    assert bourn.words("top", "-1", "-o", "{name}|{ntasks}").out.splitlines()[-1] == "plain|1"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("top", "bourn-top: error: this is no terminal: `bourn top --once` prints the picture as text"),
        ("top -1 --sort=nam", "bourn-top: error: can't sort by 'nam'; did you mean 'name'?"),
        ("top -1 -f stat=x", "bourn-top: error: no filter 'stat'; did you mean 'state'?"),
        ("top -1 -o {nam}", "bourn-top: error: unknown field 'nam'; did you mean 'name'?"),
        ("top -1 nowhere", "bourn-top: error: 'nowhere' is not a job id; right is"),
    ],
)
def test_wrong_input(bourn, line, message):
    found = bourn(line)
    assert (found.code, found.err.count("\n")) == (1, 1)
    assert found.err.startswith(message)


def test_a_terminal_that_nobody_knows(bourn):
    top = Terminal("sh", "-c", f"TERM=nothing exec {BOURN} top", env=bourn.env)
    assert top.ends() == 1
    assert "TERM=nothing: no such terminal is known here" in " ".join(top.lines)
