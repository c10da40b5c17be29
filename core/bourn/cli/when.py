"""Points in time as users write them: `now`, `+5m`, `14:30`, an ISO date and time, seconds since 1970."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from bourn.errors import BournError
from bourn.model.duration import parse_duration


def parse_when(text: str, now: float | None = None) -> float:
    """Return seconds since 1970; a bare time of day is the next one, `+FSD` and `-FSD` count from now."""
    now = time.time() if now is None else now
    word = text.strip()
    if word == "now":
        return now
    if word[:1] in ("+", "-"):
        seconds = parse_duration(word[1:])
        return now + seconds if word[0] == "+" else now - seconds
    try:
        return float(word)
    except ValueError:
        pass
    today = datetime.fromtimestamp(now)
    for form in ("%H:%M", "%H:%M:%S"):
        try:
            clock = datetime.strptime(word, form).time()
        except ValueError:
            continue
        moment = datetime.combine(today.date(), clock)
        return (moment if moment > today else moment + timedelta(days=1)).timestamp()
    if word in ("noon", "midnight", "tomorrow"):
        day = today.date() + timedelta(days=1)
        moment = datetime(day.year, day.month, day.day)
        if word == "noon":
            moment = datetime(today.year, today.month, today.day, 12)
            moment += timedelta(days=1) if moment <= today else timedelta()
        return moment.timestamp()
    try:
        return datetime.fromisoformat(word).timestamp()
    except ValueError:
        raise BournError(f"'{text}' is no time: write +5m, 14:30, or 2030-01-31T12:00") from None
