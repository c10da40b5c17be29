"""Roles: what the sender of a message may do (RFC 12)."""

from __future__ import annotations

from enum import IntFlag


class Role(IntFlag):
    """Bits of a message's rolemask, and of a method's allow-mask; a call needs one bit in common.

    `LOCAL` is set for messages that come in by this rank's own socket and cleared when one crosses the
    overlay.
    """

    OWNER = 1
    USER = 2
    LOCAL = 4
    ADMIN = 8


ANYONE = Role.OWNER | Role.USER
"""The allow-mask of a method that guests may call as well."""

OWNER_HERE = int(Role.OWNER | Role.LOCAL)
"""The rolemask of the broker itself and of its owner's local clients."""


def credentials(
    uid: int, owner: int, *, guests: bool = False, root_is_owner: bool = False, admin: bool = False
) -> int | None:
    """Return the rolemask of a local client of this `uid`, or None where it is to be refused."""
    if uid == owner or (uid == 0 and root_is_owner):
        return OWNER_HERE
    if admin:
        return int(Role.ADMIN | Role.USER | Role.LOCAL)
    if guests:
        return int(Role.USER | Role.LOCAL)
    return None
