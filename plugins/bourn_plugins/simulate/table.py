"""The jobs of a simulation as a table: text, CSV, or plain data for JSON."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from bourn.model.idset import mask_text
from bourn_plugins.simulate.usage import size_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bourn_plugins.simulate.job import Record

COLUMNS = (
    "id", "name", "user", "queue", "state", "submit", "start", "end", "wait", "slowdown", "nnodes", "ncores",
    "ngpus", "ranks", "reason",
)  # fmt: skip


def row_of(record: Record) -> dict[str, Any]:
    """Return the values of `COLUMNS`; None where there is none."""
    job = record.job
    return {
        "id": record.id,
        "name": job.name,
        "user": job.user,
        "queue": job.queue,
        "state": record.state,
        "submit": _round(record.submit),
        "start": _round(record.start),
        "end": _round(record.end),
        "wait": _round(record.wait),
        "slowdown": _round(record.slowdown),
        "nnodes": record.nnodes,
        "ncores": record.ncores,
        "ngpus": record.ngpus,
        "ranks": mask_text(size_of(record.R_lite)[0]) or None,
        "reason": record.reason or None,
    }


def csv_table(records: Iterable[Record]) -> str:
    """Return the table as CSV with a header; what isn't known is empty."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(row_of(record) for record in records)
    return out.getvalue()


def text_table(records: Iterable[Record]) -> str:
    """Return the table in columns for a reader; those that say nothing of any job are left out."""
    rows = [{key: "" if v is None else f"{v}" for key, v in row_of(r).items()} for r in records]
    columns = [name for name in COLUMNS if any(row[name] not in ("", "0") for row in rows)]
    return aligned([[name.upper() for name in columns], *([row[name] for name in columns] for row in rows)])


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of words as lines of columns; numbers stand to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    right = [all(_is_number(word) for word in column[1:]) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        words = zip(row, widths, right, strict=True)
        lines.append("  ".join(word.rjust(w) if r else word.ljust(w) for word, w, r in words).rstrip() + "\n")
    return "".join(lines)


def _is_number(word: str) -> bool:
    return not word or word.replace(".", "", 1).isdigit()


def _round(value: float | None) -> float | int | None:
    """Round to a thousandth; a whole number is written as one."""
    if value is None:
        return None
    rounded = round(value, 3)
    return int(rounded) if rounded == int(rounded) else rounded
