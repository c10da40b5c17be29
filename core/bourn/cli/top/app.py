"""What the keys of `bourn top` do: names of keys in, pages and wishes out. No terminal, no connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.cli.top.model import SORTS, instance_uri
from bourn.cli.top.view import HELP, Line, View, detail
from bourn.errors import BournError
from bourn.model.jobid import JobID
from bourn.model.states import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from bourn.cli.top.model import Record, TopModel

MOVES = {"up": -1, "k": -1, "down": 1, "j": 1, "home": -(10**9), "g": -(10**9), "end": 10**9, "G": 10**9}
BACK = ("backspace", "left", "q", "escape")
LOG_KEPT = 500


class Job:
    """The page of one job: its record, events and output as they arrive."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.events: list[str] = []
        self.output: list[str] = []

    def add(self, lines: list[str], line: str) -> None:
        """Keep a line of a log, and let go of the oldest."""
        lines.append(line)
        del lines[:-LOG_KEPT]


class Prompt:
    """A line that is typed below the list; `done` is called with the text, of a question with its first
    key.
    """

    def __init__(self, label: str, text: str, done: Callable[[str], None], question: bool = False) -> None:
        self.label = label
        self.text = text
        self._done = done
        self._question = question

    def key(self, key: str) -> bool:
        """Take a key; return whether that was the last."""
        if self._question or key == "enter":
            self._done(key if self._question else self.text)
            return True
        if key == "backspace":
            self.text = self.text[:-1]
        elif key == "clear":
            self.text = ""
        elif len(key) == 1:
            self.text += key
        return key == "escape"


class App:
    """The pages over the list of one instance, and what is to be done next: the owner takes `wishes`.

    A wish is ("descend", JobID, uri), ("ascend",), ("open", JobID), ("close",), ("cancel", JobID) or
    ("quit",).
    """

    def __init__(self, model: TopModel, path: list[str], view: View | None = None) -> None:
        self.model = model
        self.path = path
        """The job ids that lead to this instance from where top was started."""
        self.view = view or View()
        self.wishes: list[tuple[Any, ...]] = []
        self.note: Line | None = None
        self.job: Job | None = None
        self._prompt: Prompt | None = None
        self._help = False
        self._page = 20

    def key(self, key: str) -> None:
        """Take a key: a character, or up, down, left, right, home, end, pageup, pagedown, enter, backspace,
        escape, clear.
        """
        self.note = None
        if self._prompt is not None:
            prompt = self._prompt
            try:
                if prompt.key(key) and self._prompt is prompt:
                    self._prompt = None
            except BournError as error:
                self.note = Line(error.message, "error")
                self._prompt = None
        elif key == "Q":
            self.wishes.append(("quit",))
        elif self._help:
            self._help = False
        elif key in ("h", "?"):
            self._help = True
        elif key == "c":
            self._ask_cancel()
        elif self.job is not None:
            if key in BACK:
                self.job = None
                self.wishes.append(("close",))
        else:
            self._list_key(key)

    def _list_key(self, key: str) -> None:
        model = self.model
        if key in MOVES:
            model.move(MOVES[key])
        elif key in ("pageup", "pagedown"):
            model.move(self._page if key == "pagedown" else -self._page)
        elif key in ("enter", "right", "l", "d"):
            self._look_in(details=key == "d")
        elif key == "escape" and model.filter.text:
            model.set_filter("")
        elif key in BACK:
            self.wishes.append(("ascend",))
        elif key in ("s", "S"):
            names = list(SORTS)
            model.set_sort(names[(names.index(model.sort) + (1 if key == "s" else -1)) % len(names)])
        elif key == "r":
            model.set_sort(model.sort, not model.reverse)
        elif key in ("f", "/"):
            self._prompt = Prompt("filter: ", model.filter.text, model.set_filter)
        elif key == "a":
            everything = "state=active,inactive"
            model.set_filter("" if model.filter.text == everything else everything)
        elif len(key) == 1:
            self.note = Line(f"no key '{key}': h shows those there are", "error")

    def _look_in(self, details: bool) -> None:
        job = self.model.chosen
        if job is None:
            return
        uri = instance_uri(job)
        if uri and not details:
            self.wishes.append(("descend", JobID(job["id"]), uri))
        else:
            self.job = Job(job)
            self.wishes.append(("open", JobID(job["id"])))

    def _ask_cancel(self) -> None:
        job = self.job.record if self.job is not None else self.model.chosen
        if job is None:
            return
        id = JobID(job["id"])
        if job["state"] == State.INACTIVE:
            self.note = Line(f"{id} has ended already", "error")
            return

        def answer(text: str) -> None:
            if text in ("y", "Y"):
                self.wishes.append(("cancel", id))
            else:
                self.note = Line(f"{id} goes on", "note")

        self._prompt = Prompt(f"cancel {id} {job.get('name', '')}? (y/n) ", "", answer, question=True)

    @property
    def cursor(self) -> int | None:
        """The column of the terminal's cursor on the last line while something is typed."""
        return None if self._prompt is None else len(self._prompt.label) + len(self._prompt.text)

    def screen(self, width: int, height: int) -> list[Line]:
        """Return the lines of the page."""
        self._page = max(1, height - 6)
        note = self.note
        if self._prompt is not None:
            note = Line(self._prompt.label + self._prompt.text, "prompt")
        if self._help:
            lines = [Line(text[:width]) for text in HELP.splitlines()][: height - 1]
            return [*lines, *[Line("")] * (height - 1 - len(lines)), Line("any key: back", "note")]
        if self.job is not None:
            # The record is the model's, as it is by now; that of a job that it let go of stays as it was.
            self.job.record = self.model.jobs.get(self.job.record["id"], self.job.record)
            lines = detail(self.job.record, self.job.events, self.job.output, width, height)
            return [*lines[:-1], note] if note is not None else lines
        return self.view.screen(self.model, self.path, width, height, note)
