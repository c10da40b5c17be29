"""How `bourn top` looks: a model in, lines of styled text out. No terminal: the same lines are printed by
`--once`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from bourn.cli.format import Template, plain
from bourn.cli.jobfacts import LONG, clock, facts
from bourn.cli.top.model import SORTS, instance_uri
from bourn.client.jobfields import field
from bourn.model.jobid import JobID
from bourn.model.states import job_status

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bourn.cli.top.model import Record, TopModel

FORMAT = (
    "{id.f58:>12} ?:{queue:<8.8} {username:<8.8} {name:<14.14+} {status_abbrev:>2.2} {ntasks:>6} "
    "{nnodes:>6h} {contextual_time!H:>10h} {contextual_info}"
)
HEADING_ROWS = 4

HELP = """\
Keys

  up, down, j, k      choose a job                 PgUp, PgDn, g, G   by pages; to the first, the last
  Enter, right        look into a job: its details, or the jobs of its instance
  d                   details of a job that is an instance
  Backspace, left, q  back; q in the outermost list ends
  s, S                sort by the next, the one before     r   in reverse
  f, /                filter: state=running user=me queue=batch name=sim; a bare word is a state or a name
  a                   jobs that have ended, too, or active ones only
  c                   cancel the job, after a question
  h, ?                this page                    Q, Ctrl-C          end

An instance stands out in the list; its jobs are another list of the same kind, to any depth.
"""


class Line(NamedTuple):
    """A line of the screen and how it looks: "" plain, "title", "heading", "cursor", "instance", "note",
    "error", or "state-XX" of a status.
    """

    text: str
    style: str = ""


class View:
    """Draws the list of a model in one of `bourn jobs`' formats."""

    def __init__(self, form: str = FORMAT) -> None:
        self._form = form

    def screen(
        self, model: TopModel, path: Sequence[str], width: int, height: int, note: Line | None = None
    ) -> list[Line]:
        """Return at most `height` lines: summary, list, and a last one for what there is to say."""
        room = max(1, height - HEADING_ROWS - 2)
        model.scroll(room)
        lines = summary(model, path, width)
        shown = model.rows()[model.first : model.first + room]
        lines += self.table(shown, None if model.chosen is None else model.place - model.first)
        lines += [Line("")] * (height - 1 - len(lines))
        lines.append(note or Line(self._foot(model, room), "note"))
        return [Line(plain(line.text)[:width], line.style) for line in lines[:height]]

    def table(self, records: Sequence[Record], chosen: int | None) -> list[Line]:
        """Return a heading, and a line for each record."""
        template = Template(self._form, field)
        known = [record for record in records if "name" in record]
        template.fit(known)
        texts = iter(template.rows(known))
        lines = [Line(template.header(), "heading")]
        for number, record in enumerate(records):
            text = next(texts) if "name" in record else f"{JobID(record['id']).f58:>12} ..."
            lines.append(Line(text, "cursor" if number == chosen else _style(record)))
        return lines

    def _foot(self, model: TopModel, room: int) -> str:
        below = len(model.rows()) - model.first - room
        more = max(0, below) + (0 if model.filter.text else model.uncounted)
        return "h help  q back  Enter look in  f filter  s sort  c cancel" + (
            f"   {more} more below" if more else ""
        )


def summary(model: TopModel, path: Sequence[str], width: int) -> list[Line]:
    """Return the lines above the list: which instance, its resources, its jobs."""
    info = model.info
    notes = []
    if info.get("starttime"):
        notes.append(f"up {clock(time.time() - info['starttime'])}")
    if info.get("expiration"):
        notes.append(f"ends in {clock(info['expiration'] - time.time())}")
    if info.get("size", 1) > 1:
        notes.append(f"{info['size']} brokers")
    title = "bourn top" + "".join(f" / {part}" for part in path)
    counts = model.counts
    jobs = f"{counts['pending']} pending, {counts['running']} running"
    jobs += "".join(f", {counts[name]} {name}" for name in list(counts)[2:] if counts[name])
    how = ([f"sort: {model.sort}{' reversed' if model.reverse else ''}"] if _sorted(model) else []) + (
        [f"filter: {model.filter.text}"] if model.filter.text else []
    )
    return [
        Line(_ends(title, "  ".join(notes), width), "title"),
        Line(_gauges(model, width)),
        Line(_ends(jobs, "  ".join(how), width)),
        Line(""),
    ]


def detail(
    record: Record, events: Sequence[str], output: Sequence[str], width: int, height: int
) -> list[Line]:
    """Return the page of one job: what is known of it, its latest events and the end of its output."""
    lines = [Line(f"Job {JobID(record['id'])}  {record.get('name', '')}", "title"), Line("")]
    known = [f"{name:>16}  {text}" for name, text in facts(record)]
    if width >= 80:  # side by side
        half = width // 2
        left, right = known[::2], [*known[1::2], ""]
        known = [f"{one[: half - 1]:<{half}}{two}" for one, two in zip(left, right, strict=False)]
    lines += map(Line, known)
    lines += [Line(f"{name:>16}  {text}") for name, text in facts(record, LONG)]
    rest = height - len(lines) - (6 if output else 3)
    events = list(events)[-max(2, rest - min(len(output), rest // 3)) :]
    lines += [Line(""), Line("Events", "heading"), *map(Line, events)]
    rest = max(0, height - len(lines) - 3)
    if output and rest:
        lines += [Line(""), Line("Output", "heading"), *map(Line, list(output)[-rest:])]
    lines = lines[: height - 1] + [Line("")] * (height - 1 - len(lines))
    lines.append(Line("q back  c cancel", "note"))
    return [Line(plain(line.text)[:width], line.style) for line in lines[:height]]


def _sorted(model: TopModel) -> bool:
    return model.sort != next(iter(SORTS)) or model.reverse


def _style(record: Record) -> str:
    if instance_uri(record):
        return "instance"
    return f"state-{job_status(record['state'], record.get('result') or 0).lower()}"


def _gauges(model: TopModel, width: int) -> str:
    """Return a bar for each kind of resource that there is: used, free, and down."""
    kinds = [(kind, *numbers) for kind, numbers in model.resources.items() if numbers[2]]
    if not kinds:
        return ""
    tails = [f"{used}/{up}" + (f" ({all - up} down)" if all > up else "") for _, used, up, all in kinds]
    fixed = sum(len(kind) + len(tail) + 7 for (kind, *_), tail in zip(kinds, tails, strict=True))
    length = max(4, min(30, (width - fixed) // len(kinds)))
    parts = []
    for (kind, used, up, all), tail in zip(kinds, tails, strict=True):
        full = _share(used, all, length)
        down = min(length - full, _share(all - up, all, length))
        bar = "|" * full + " " * (length - full - down) + "x" * down
        parts.append(f"{kind} [{bar}] {tail}")
    return "   ".join(parts)


def _share(part: int, whole: int, length: int) -> int:
    """Return how much of a bar stands for a part; something of it, however small that is."""
    return min(length, -(-part * length // whole)) if part and whole else 0


def _ends(left: str, right: str, width: int) -> str:
    """Put two texts at the ends of a line."""
    return f"{left}{right:>{max(len(right) + 2, width - len(left))}}" if right else left


def printed(lines: Iterable[Line]) -> str:
    """Return lines as plain text."""
    return "".join(f"{line.text.rstrip()}\n" for line in lines)
