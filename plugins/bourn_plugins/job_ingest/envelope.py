"""J: a jobspec as its user signed it, `HEADER.PAYLOAD.SIGNATURE` (RFC 15).

Header and payload are base64 of JSON. The header names the mechanism and who signed. With the mechanism
`none` the signature is the word `none`, and the header's user must be the one that the kernel told.
"""

from __future__ import annotations

import base64
import binascii
import errno
from typing import TYPE_CHECKING, Any

import msgspec

from bourn.errors import BournError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bourn.hookspecs.signing import Signer

_encode = msgspec.json.encode
_decode = msgspec.json.decode


def wrap(jobspec: dict[str, Any], userid: int) -> str:
    """Return the J of a jobspec with the mechanism `none`."""
    header = {"version": 1, "mechanism": "none", "userid": userid}
    return f"{_b64(_encode(header))}.{_b64(_encode(jobspec))}.none"


def unwrap(token: str, userid: int, signer: Callable[[str], Signer]) -> tuple[Any, str]:
    """Return the jobspec that a J vouches for and the mechanism; BournError when it isn't this user's.

    `signer` finds the signer of a mechanism by name, or raises BournError.
    """
    parts = token.split(".")
    if len(parts) != 3:
        raise _bad("it is not HEADER.PAYLOAD.SIGNATURE")
    header = _json(parts[0], "header")
    mechanism = header.get("mechanism") if isinstance(header, dict) else None
    if not isinstance(mechanism, str) or header.get("version") != 1:
        raise _bad("its header has no version 1 and mechanism")
    if mechanism != "none":
        signed = signer(mechanism).verify(token, userid)
        try:
            return _decode(signed.payload), mechanism
        except msgspec.DecodeError:
            raise _bad("its payload isn't JSON") from None
    if parts[2] != "none":
        raise _bad("its mechanism is none, but it has a signature")
    if header.get("userid") != userid:
        raise _bad(f"it is of user {header.get('userid')}, submitted by user {userid}", errno.EPERM)
    return _json(parts[1], "payload"), mechanism


def _json(part: str, what: str) -> Any:
    try:
        return _decode(base64.b64decode(part.encode("ascii"), validate=True))
    except (UnicodeEncodeError, binascii.Error, msgspec.DecodeError):
        raise _bad(f"its {what} isn't base64 of JSON") from None


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _bad(reason: str, errnum: int = errno.EINVAL) -> BournError:
    return BournError(f"J, the signed jobspec, is refused: {reason}", errnum)
