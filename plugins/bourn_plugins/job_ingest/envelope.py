"""J: a jobspec as its user signed it, `HEADER.PAYLOAD.SIGNATURE` (RFC 15).

The header, base64 of JSON, names the mechanism; the signer of that mechanism says whether the rest is good.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

import msgspec

from bourn.errors import BournError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bourn.hookspecs.signing import Signer

_decode = msgspec.json.decode


def unwrap(token: str, userid: int, signer: Callable[[str, int], Signer]) -> Any:
    """Return the jobspec that a J vouches for; BournError when it isn't this user's.

    `signer` finds the signer of a mechanism, by its name, for a user, or raises BournError.
    """
    parts = token.split(".")
    if len(parts) != 3:
        raise _bad("it is not HEADER.PAYLOAD.SIGNATURE")
    try:
        header = _decode(base64.b64decode(parts[0].encode("ascii"), validate=True))
    except (UnicodeEncodeError, binascii.Error, msgspec.DecodeError):
        raise _bad("its header isn't base64 of JSON") from None
    mechanism = header.get("mechanism") if isinstance(header, dict) else None
    if not isinstance(mechanism, str) or header.get("version") != 1:
        raise _bad("its header has no version 1 and mechanism")
    signed = signer(mechanism, userid).verify(token, userid)
    try:
        return _decode(signed.payload)
    except msgspec.DecodeError:
        raise _bad("its payload isn't JSON") from None


def _bad(reason: str) -> BournError:
    return BournError(f"the signed jobspec is refused: {reason}")
