"""The line of `--progress`."""

import io

import pytest

from bourn.cli import progressbar
from bourn.client.progress import ProgressTable


@pytest.fixture
def table():
    found = ProgressTable(range(10))
    for id in range(4):
        found.event(id, {"name": "start", "timestamp": 1.0, "context": {}})
    for id, status in ((0, 0), (1, 256)):
        found.event(id, {"name": "finish", "timestamp": 1.0, "context": {"status": status}})
    return found


class Stderr(io.StringIO):
    def __init__(self, tty):
        super().__init__()
        self._tty = tty

    def isatty(self):
        return self._tty


def test_the_bar_takes_the_room_there_is(table, monkeypatch):
    monkeypatch.setattr("sys.stderr", Stderr(False))
    bar = progressbar.ProgressBar(table, jps=True)
    for columns in (20, 60, 80, 200):
        text = bar.text(columns)
        assert len(text) < columns
        assert text.startswith("PD:6")
    assert "R:2    CD:1    F:1    [####" in text
    assert " 20.0% 0:00:00 " in text
    assert text.endswith("job/s")
    filled, blank = text.count("#"), text[text.index("[") : text.index("]")].count(" ")
    assert filled == (filled + blank) * 2 // 10


def test_piped_there_is_one_line_without_control_characters(table, monkeypatch):
    monkeypatch.setattr("sys.stderr", stderr := Stderr(False))
    bar = progressbar.ProgressBar(table, jps=False)
    bar.update(force=True)
    bar.print("f1: exception")
    bar.close()
    assert stderr.getvalue().isprintable() is False  # newlines only
    assert stderr.getvalue().replace("\n", "").isprintable()
    assert stderr.getvalue().startswith("f1: exception\nPD:6    R:2    CD:1    F:1     20.0%")
    assert stderr.getvalue().count("\n") == 2


def test_on_a_terminal_lines_come_above_the_bar(table, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", stderr := Stderr(True))
    bar = progressbar.ProgressBar(table, jps=False)
    bar.print("f1: exception")
    bar.hide()
    bar.hide()
    bar.close()
    first, exception, bar_again, nothing, last = stderr.getvalue().split(progressbar.ERASE)[1:]
    assert exception == "f1: exception\n"
    assert (first, bar_again, nothing) == (bar_again, first, "")
    assert last.endswith("\n")
