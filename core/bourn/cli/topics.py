"""`bourn help TOPIC`: what several commands have in common."""

from __future__ import annotations

TOPICS = {
    "jobids": """\
A job id may be written in any of these ways, wherever a command takes one:

  ƒ6LrQu5   fLrQu5...   the short form that commands print; `f` stands for ƒ where that can't be typed
  1234567890            decimal
  0x499602d2            hexadecimal
  0000.0000.4996.02d2   as the key-value store has it
  word-word-word--...   words

`bourn job id --to=FORM ID` converts. Of nested instances ids are joined: ƒ6LrQu5/ƒ2s.
`bourn job last` prints your latest one.""",
    "durations": """\
A duration is a number with a unit: 250ms, 30s, 5m, 1.5h, 2d. A bare number is seconds, but minutes
in --time-limit.

A point in time is +5m (from now), -1h (ago), 14:30, tomorrow, 2030-01-31T12:00, or seconds since 1970.""",
    "sets": """\
Ids, ranks and tasks are given as idsets: 0-3,7 or [0-3,7].
Hosts are given as hostlists: node[1-3,7],login.""",
    "states": """\
DEPEND    D   waits for what it depends on (dependencies, a begin time)
PRIORITY  P   waits for its priority
SCHED     S   waits for resources; `bourn job explain ID` says for which
RUN       R   has them
CLEANUP   C   has ended, and its resources are being freed
INACTIVE  I   is over: COMPLETED (CD), FAILED (F), CANCELED (CA) or TIMEOUT (TO)

Filters take these names, and pending (D P S), running (R C), active and inactive.""",
    "environment": """\
BOURN_URI        the address of the instance that commands talk to; `bourn start` sets it
NO_COLOR         set to anything: no colours
XDG_CONFIG_HOME  its bourn/cli.toml has named formats of yours (default ~/.config)

A job's tasks find BOURN_JOB_ID, BOURN_TASK_RANK, BOURN_JOB_SIZE, BOURN_JOB_NNODES, BOURN_JOB_TMPDIR and
BOURN_JOB_CC (of --cc).""",
}


def topic(name: str) -> str | None:
    """Return the text of a topic; None if there is none of this name."""
    if name == "formats":
        import bourn.cli.format as module
        from bourn.client.jobfields import FIELDS

        text = (module.__doc__ or "").partition("\n\n")[2].strip()
        return f"{text}\n\nFields of jobs: {_wrap(', '.join(FIELDS))}"
    return TOPICS.get(name)


NAMES = (*TOPICS, "formats")


def _wrap(text: str) -> str:
    import textwrap

    return "\n  ".join(textwrap.wrap(text, 90))
