"""What every eventlog must look like, told apart from the state machine that writes it (RFC 18, RFC 21)."""

from __future__ import annotations

import json

ONCE = ("submit", "validate", "alloc", "start", "finish", "free", "clean")
BEFORE = (
    ("submit", "validate"),
    ("validate", "depend"),
    ("depend", "priority"),
    ("priority", "alloc"),
    ("alloc", "start"),
    ("start", "finish"),
    ("alloc", "free"),
    ("free", "clean"),
)


def faults(text: str) -> list[str]:
    """Return what is wrong with an eventlog; a job that isn't inactive yet may lack its end."""
    entries = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            entries.append(json.loads(line))
        except ValueError:
            return [f"line {number} is not JSON: {line[:80]}"]
    names = [entry["name"] for entry in entries]
    if not names or names[0] != "submit":
        return [f"the first event is not submit: {names}"]
    found = [f"{name} {names.count(name)} times: {names}" for name in ONCE if names.count(name) > 1]
    for first, second in BEFORE:
        if second in names and (first not in names or names.index(first) > names.index(second)):
            found.append(f"{second} without {first} before it: {names}")
    if (
        "clean" in names
        and names[-1] != "clean"
        and any(name != "memo" for name in names[names.index("clean") + 1 :])
    ):
        found.append(f"events after clean: {names}")
    if "clean" in names and "alloc" in names and "free" not in names:
        found.append(f"resources never freed: {names}")
    if any(not entry["timestamp"] > 0 for entry in entries):
        found.append("a timestamp that is not greater than 0")
    return found
