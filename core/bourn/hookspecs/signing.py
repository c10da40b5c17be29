"""Signing: how a submission proves who made it, and that nobody has changed it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from attrs import field, frozen

from bourn.hookspecs import hookspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["Signed", "Signer", "SigningMechanism", "bourn_signers"]


@frozen
class Signed:
    """What a signature vouches for."""

    payload: bytes = field(repr=False)
    """The jobspec, as JSON."""
    userid: int
    """Who signed."""
    mechanism: str
    recipient: str = ""
    """The instance that it is meant for; empty where the mechanism can't say."""
    uuid: str = ""
    """Distinguishes two signatures of one payload, against replay; empty where the mechanism can't say."""
    t_issued: float = 0.0
    """Seconds since the epoch."""
    t_expires: float = 0.0
    """0 = never."""


@runtime_checkable
class Signer(Protocol):
    """Signs and verifies. It is used in several processes, so it keeps nothing but keys."""

    def sign(self, payload: bytes, userid: int, recipient: str) -> str:
        """Return payload and signature as one line of printable ASCII; raise `BournError` if it can't."""
        ...

    def verify(self, token: str, userid: int) -> Signed:
        """Check a token that `userid` hands in.

        Raises `BournError` (errnum EPERM) with the reason: forged, altered, expired, signed by somebody else.
        """
        ...


@frozen
class SigningMechanism:
    """A way to sign."""

    name: str
    """What ``[signing] allowed`` names, and the signature's header carries."""
    open: Callable[[Mapping[str, Any]], Signer]
    """``open(options)``; raises `BournError` when keys are missing or readable by others."""


@hookspec
def bourn_signers() -> Iterable[SigningMechanism]:
    """Register mechanisms that sign submissions.

    Called: when ingest meets the first job of a mechanism.
    Process: broker, rank 0, which verifies. In this version whoever signs does so by himself, and shell hosts
    believe their broker.
    Order: ``[signing] allowed`` names those to accept; a signature says which one it is of.
    Errors: an exception leaves this plugin's mechanisms out; jobs signed by a mechanism that is missing are
    refused.
    Since: 0.1

    Example::

        import hashlib
        import hmac

        from bourn.errors import BournError
        from bourn.hookspecs import hookimpl
        from bourn.hookspecs.signing import Signed, SigningMechanism


        class SharedSecret:
            '''For people who trust everybody that knows the secret.'''

            def __init__(self, options):
                self.secret = options.get("secret", "").encode()

            def digest(self, body):
                return hmac.new(self.secret, body.encode(), hashlib.sha256).hexdigest()

            def sign(self, payload, userid, recipient):
                body = f"{userid}:{payload.hex()}"
                return f"{body}:{self.digest(body)}"

            def verify(self, token, userid):
                body, _, digest = token.rpartition(":")
                if not hmac.compare_digest(digest, self.digest(body)):
                    raise BournError("the signature is wrong")
                signer, _, payload = body.partition(":")
                if int(signer) != userid:
                    raise BournError(f"signed by user {signer}, submitted by user {userid}")
                return Signed(bytes.fromhex(payload), userid, "shared-secret")


        @hookimpl
        def bourn_signers():
            yield SigningMechanism("shared-secret", SharedSecret)
    """
    raise NotImplementedError
