"""Signing mechanism `none`: the submitter's word, good only where the kernel has told who that is (RFC
15)."""

from __future__ import annotations

import binascii
import errno
import json
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any

from bourn.errors import BournError
from bourn.hookspecs import hookimpl
from bourn.hookspecs.signing import Signed, SigningMechanism

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class NoneSigner:
    """``HEADER.PAYLOAD.none``: base64 of a JSON header with the user, base64 of the jobspec."""

    def sign(self, payload: bytes, userid: int, recipient: str) -> str:
        """Return the payload with the user's claim; nothing in it keeps anybody from changing it."""
        header = json.dumps({"version": 1, "mechanism": "none", "userid": userid}, separators=(",", ":"))
        return f"{b64encode(header.encode()).decode()}.{b64encode(payload).decode()}.none"

    def verify(self, token: str, userid: int) -> Signed:
        """Accept a claim that agrees with the credentials of who hands it in."""
        parts = token.split(".")
        if len(parts) != 3 or parts[2] != "none":
            raise _refusal("not HEADER.PAYLOAD.none")
        try:
            header = json.loads(b64decode(parts[0], validate=True))
            payload = b64decode(parts[1], validate=True)
        except (binascii.Error, ValueError):
            raise _refusal("header or payload isn't base64 of what it should be") from None
        if not isinstance(header, dict) or (header.get("version"), header.get("mechanism")) != (1, "none"):
            raise _refusal("the header isn't that of version 1 and mechanism none")
        if header.get("userid") != userid:
            raise _refusal(f"signed by user {header.get('userid')}, submitted by user {userid}")
        return Signed(payload, userid, "none")


def _refusal(reason: str) -> BournError:
    return BournError(f"the signed jobspec is refused: {reason}", errno.EPERM)


def _open(options: Mapping[str, Any]) -> NoneSigner:
    return NoneSigner()


@hookimpl
def bourn_signers() -> Iterable[SigningMechanism]:
    """Register `none`."""
    yield SigningMechanism("none", _open)
