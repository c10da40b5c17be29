"""Wait statuses, and which of several is the worst."""

from __future__ import annotations


def exit_code(status: int) -> int:
    """Return the exit code that a POSIX shell gives a wait status: 128 + signal when a signal ended it."""
    return status >> 8 if not status & 0x7F else 128 + (status & 0x7F)


def worse(one: int, other: int) -> int:
    """Return the wait status with the higher exit code, the first of equal ones."""
    return other if exit_code(other) > exit_code(one) else one
