"""Why TLS failed, in words."""

from __future__ import annotations

import ssl

HUNG_UP = "it hung up"
_REASONS = {
    "WRONG_VERSION_NUMBER": "it doesn't speak TLS",
    "HTTP_REQUEST": "it speaks HTTP",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "it has no certificate",
    "UNSUPPORTED_PROTOCOL": "it doesn't speak TLS 1.3",
    "TLSV1_ALERT_UNKNOWN_CA": "it doesn't accept our certificate",
    "TLSV1_ALERT_DECRYPT_ERROR": "it doesn't accept our certificate; it has another authority",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "it wants a certificate",
    "SSLV3_ALERT_BAD_CERTIFICATE": "it doesn't accept our certificate; do the two hosts' clocks differ?",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "our certificate has expired, by its clock",
}
_CERTIFICATES = {
    7: "another authority has signed it",
    9: "it isn't valid yet; the clocks of the two hosts differ by more than a day",
    10: "it has expired; or the clocks of the two hosts differ",
}
"""Reasons by their numbers in X.509 (X509_V_ERR_CERT_SIGNATURE_FAILURE, X509_V_ERR_CERT_NOT_YET_VALID,
X509_V_ERR_CERT_HAS_EXPIRED)."""


def explain(error: BaseException) -> tuple[str, bool]:
    """Return what went wrong in a handshake, and whether it will again."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        reason = _CERTIFICATES.get(cause.verify_code, cause.verify_message)
        return f"its certificate isn't accepted: {reason}", True
    if isinstance(cause, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return HUNG_UP, False
    if isinstance(cause, ssl.SSLError):
        reason = cause.reason or str(cause)
        text = _REASONS.get(reason, f"TLS failed: {reason.replace('_', ' ').lower()}")
        return text, True
    return HUNG_UP, False
