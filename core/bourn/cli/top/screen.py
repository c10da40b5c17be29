"""The terminal of `bourn top`: curses on one side, a session on the other, and a stack of instances that one
has come down through.
"""

from __future__ import annotations

import curses
import locale
import os
import select
import signal
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from bourn.cli.top.app import App
from bourn.cli.top.model import TopModel
from bourn.cli.top.session import Session
from bourn.cli.top.view import Line
from bourn.errors import BournError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bourn.cli.top.view import View
    from bourn.model.jobid import JobID

TICK = 1.0
"""Seconds after which run times are drawn anew."""
PACE = 0.1
"""Seconds between two drawings, however much happens."""
KEYS = {
    curses.KEY_UP: "up",
    curses.KEY_DOWN: "down",
    curses.KEY_LEFT: "left",
    curses.KEY_RIGHT: "right",
    curses.KEY_HOME: "home",
    curses.KEY_END: "end",
    curses.KEY_PPAGE: "pageup",
    curses.KEY_NPAGE: "pagedown",
    curses.KEY_ENTER: "enter",
    curses.KEY_BACKSPACE: "backspace",
    "\n": "enter",
    "\r": "enter",
    "\x7f": "backspace",
    "\b": "backspace",
    "\x1b": "escape",
    "\x15": "clear",
    "\x02": "pageup",
    "\x06": "pagedown",
}
COLOURS = {
    "state-run": curses.COLOR_GREEN,
    "state-completed": curses.COLOR_GREEN,
    "state-cleanup": curses.COLOR_CYAN,
    "state-failed": curses.COLOR_RED,
    "state-timeout": curses.COLOR_RED,
    "state-canceled": curses.COLOR_YELLOW,
    "instance": curses.COLOR_BLUE,
    "error": curses.COLOR_RED,
}
ATTRIBUTES = {
    "title": curses.A_BOLD,
    "heading": curses.A_REVERSE,
    "cursor": curses.A_REVERSE | curses.A_BOLD,
    "instance": curses.A_BOLD,
    "note": curses.A_DIM,
    "error": curses.A_BOLD,
}


def run(uri: str | None, path: list[str], view: View, arrange: Callable[[TopModel], None]) -> int:
    """Show instances until the user has seen enough; return the exit status."""
    model = TopModel(os.getuid())
    arrange(model)
    session = Session(uri, model)
    locale.setlocale(locale.LC_ALL, "")
    try:
        curses.setupterm()
    except curses.error:
        name = os.environ.get("TERM", "")
        session.close()
        raise BournError(f"TERM={name}: no such terminal is known here; try TERM=xterm or --once") from None
    sys.__stdout__ = sys.stdout  # type: ignore[misc, assignment]  # curses asks that one
    curses.set_escdelay(25)
    for name in ("LINES", "COLUMNS"):
        os.environ.pop(name, None)  # the terminal knows better, and says when it changes
    screen = curses.initscr()
    try:
        top = Top(screen, session, App(model, path, view))
        top.run()
    finally:
        curses.endwin()
    top.close()
    if top.failure:
        raise BournError(top.failure)
    return 0


class Top:
    """The loop: keys, answers and the clock in, drawings out."""

    def __init__(self, screen: curses.window, session: Session, app: App) -> None:
        self._screen = screen
        self._above: list[tuple[str, App]] = []
        self._session = session
        self._app = app
        self._done = False
        self._dirty = True
        self._drawn = 0.0
        self.failure = ""
        self._styles = dict(ATTRIBUTES)
        self._wide = (locale.nl_langinfo(locale.CODESET) or "").upper() in ("UTF-8", "UTF8")
        curses.noecho()
        curses.cbreak()
        screen.keypad(True)
        screen.nodelay(True)
        self._colour()

    def close(self) -> None:
        """Hang up."""
        self._session.close()

    def run(self) -> None:
        """Go on until the user quits, or the outermost instance ends."""
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)
        wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        before = signal.signal(signal.SIGWINCH, lambda *_: None)
        try:
            while True:
                left = self._turn()
                if self._done:
                    return
                now = time.monotonic()
                due = self._drawn + (PACE if self._dirty else TICK)
                if now >= due:
                    self._draw()
                    self._drawn, self._dirty, due = now, False, now + TICK
                self._wait(reader, due - now if left is None else min(due - now, left))
        finally:
            signal.signal(signal.SIGWINCH, before)
            signal.set_wakeup_fd(wakeup)
            os.close(reader)
            os.close(writer)

    def _wait(self, signals: int, seconds: float) -> None:
        """Wait for the instance, keys, a signal, or the clock."""
        poll = select.poll()
        for fd in (0, signals, self._session.h.fileno()):
            poll.register(fd, select.POLLIN)
        for fd, event in poll.poll(seconds * 1000):
            if fd == 0:
                if event & (select.POLLHUP | select.POLLERR | select.POLLNVAL):
                    self._done = True  # the terminal has gone
                    return
                self._keys()
                self._drawn = 0.0
            elif fd == signals:
                os.read(signals, 64)
                columns, rows = os.get_terminal_size(1)
                curses.resizeterm(rows, columns)
                self._screen.clear()
                self._drawn = 0.0
            else:
                self._session.h.poll()

    def _turn(self) -> float | None:
        """Handle answers and wishes; return the seconds until something is due to be asked."""
        self._dirty = self._session.pump() or self._dirty
        if self._session.ended:
            if not self._above:
                self.failure, self._done = self._session.ended, True
                return None
            self._ascend(Line(f"the instance {self._app.path[-1]} has ended", "error"))
        while self._app.wishes:
            self._grant(self._app.wishes.pop(0))
        return self._session.work()

    def _keys(self) -> None:
        while True:
            try:
                key = self._screen.get_wch()
            except curses.error:
                return
            name = KEYS.get(key)
            if name is None and isinstance(key, str) and key.isprintable():
                name = key
            if name is not None:
                self._app.key(name)

    # Wishes.

    def _grant(self, wish: tuple[Any, ...]) -> None:
        kind, *what = wish
        if kind == "quit" or (kind == "ascend" and not self._above):
            self._done = True
        elif kind == "ascend":
            self._ascend()
        elif kind == "descend":
            self._descend(*what)
        elif kind == "open" and self._app.job is not None:
            self._session.open(self._app.job)
        elif kind == "close":
            self._session.shut()
        elif kind == "cancel":
            self._cancel(*what)

    def _descend(self, id: JobID, uri: str) -> None:
        model = TopModel(os.getuid())
        model.set_sort(self._app.model.sort, self._app.model.reverse)
        try:
            session = Session(uri, model)
        except BournError as error:
            self._app.note = Line(error.message, "error")
            return
        self._above.append((self._session.h.uri, self._app))
        self._session.close()
        self._session = session
        self._app = App(model, [*self._app.path, str(id)], self._app.view)
        self._drawn = 0.0

    def _ascend(self, note: Line | None = None) -> None:
        """Go back to the nearest instance above that is still there."""
        while self._above:
            uri, app = self._above.pop()
            try:
                session = Session(uri, app.model)
            except BournError as error:
                self.failure = error.message
                continue
            self._session.close()
            self._session, self._app, self.failure = session, app, ""
            self._app.note = note
            self._drawn = 0.0
            return
        self._done = True

    def _cancel(self, id: JobID) -> None:
        app = self._app

        def told(error: str) -> None:
            app.note = Line(error or f"{id} is being cancelled", "error" if error else "note")

        self._session.cancel(id, told)

    # Drawing.

    def _draw(self) -> None:
        height, width = self._screen.getmaxyx()
        # The last column is left alone: the last cell would scroll the screen, and terminals differ in when a
        # full line wraps.
        width = max(1, width - 1)
        self._screen.erase()
        for number, line in enumerate(self._app.screen(width, height)):
            text = (
                line.text if self._wide else line.text.replace("ƒ", "f").encode("ascii", "replace").decode()
            )
            if line.style in ("heading", "cursor"):
                text = text.ljust(width)
            with suppress(curses.error):  # wide characters fill it sooner
                self._screen.addnstr(number, 0, text, width, self._styles.get(line.style, 0))
        cursor = self._app.cursor
        with suppress(curses.error):
            curses.curs_set(0 if cursor is None else 1)
        if cursor is not None:
            self._screen.move(height - 1, min(cursor, width - 1))
        self._screen.refresh()

    def _colour(self) -> None:
        if os.environ.get("NO_COLOR") or not curses.has_colors():
            return
        curses.start_color()
        curses.use_default_colors()
        for number, (style, colour) in enumerate(COLOURS.items(), 1):
            curses.init_pair(number, colour, -1)
            self._styles[style] = self._styles.get(style, 0) | curses.color_pair(number)
