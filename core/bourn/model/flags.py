"""Submission flags: the bits of `flags` in a submit request, and their names in the submit event (RFC 18)."""

from __future__ import annotations

DEBUG = 2
WAITABLE = 4
NOVALIDATE = 8

SUBMIT_FLAGS = {"debug": DEBUG, "waitable": WAITABLE, "novalidate": NOVALIDATE}
"""What may be asked for; job plugins set others later."""

OWNER_ONLY = WAITABLE | NOVALIDATE
"""Refused to guests: waiting is for the owner's scripts, and validators are the site's rules."""

KEPT_ABOVE = 64
"""A parent instance handed the job down and keeps what becomes of it; nobody can ask for it."""
