"""Certificates of brokers: self-signed and pinned, or signed by the instance's authority.

Only instances of more than one broker import this file: `cryptography` takes a while.
"""

from __future__ import annotations

import datetime
import hashlib
import os
import stat
from typing import TYPE_CHECKING

from attrs import frozen
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bourn.errors import BournError

if TYPE_CHECKING:
    from pathlib import Path

SKEW = datetime.timedelta(days=1)
"""How far the clocks of hosts may differ."""
LIFETIME = datetime.timedelta(days=3650)
"""Ephemeral keys go with their broker, however long it runs."""


@frozen
class Identity:
    """A broker's key and certificate."""

    key_pem: bytes
    cert_pem: bytes
    cert_der: bytes

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the certificate, in hexadecimal."""
        return fingerprint(self.cert_der)


@frozen
class Authority:
    """The instance authority: whoever holds its key is trusted with all of the instance."""

    key: ec.EllipticCurvePrivateKey
    cert: x509.Certificate
    path: str

    @property
    def cert_pem(self) -> bytes:
        """Its certificate."""
        return self.cert.public_bytes(serialization.Encoding.PEM)


def fingerprint(cert_der: bytes) -> str:
    """Return the SHA-256 of a certificate, in hexadecimal."""
    return hashlib.sha256(cert_der).hexdigest()


def common_name(rank: int) -> str:
    """Return the name in the certificate of a rank."""
    return f"bourn rank {rank}"


def make_identity(rank: int, authority: Authority | None = None) -> Identity:
    """Make a new key with a certificate for a rank, self-signed where there is no authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(common_name(rank))
    issuer, signer = (name, key) if authority is None else (authority.cert.subject, authority.key)
    cert = _builder(name, issuer, key).sign(signer, hashes.SHA256())
    return Identity(_key_pem(key), *_encoded(cert))


def make_authority(name: str) -> bytes:
    """Return the content of a new authority's file: its key and its certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(f"bourn authority {name}")
    builder = _builder(subject, subject, key)
    cert = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    return _key_pem(key) + _encoded(cert.sign(key, hashes.SHA256()))[0]


def load_authority(path: Path) -> Authority:
    """Read an authority's file; BournError where it isn't one, or others than its owner could read it."""
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            content = file.read(1 << 20)
    except OSError as error:
        raise BournError(f"the authority, {path}: {error.strerror}", error.errno) from None
    if not stat.S_ISREG(status.st_mode):
        raise BournError(f"{path}: not a file")
    if status.st_uid not in (os.geteuid(), 0):
        raise BournError(f"{path}: belongs to user {status.st_uid}; must be yours")
    # Root lets others read a file of its own by their group, as the secret that is mounted for a pod's user.
    if status.st_mode & (0o077 if status.st_uid == os.geteuid() else 0o037):
        raise BournError(f"{path}: others can read it (mode {status.st_mode & 0o777:03o}); must be 600")
    try:
        key = serialization.load_pem_private_key(content, None)
        cert = x509.load_pem_x509_certificate(content)
    except ValueError:
        raise BournError(f"{path}: holds no key with a certificate; `bourn keygen` makes one") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise BournError(f"{path}: its key is of another kind than `bourn keygen` makes")
    if cert.not_valid_after_utc < datetime.datetime.now(datetime.UTC):
        raise BournError(f"{path}: expired on {cert.not_valid_after_utc:%Y-%m-%d}; make another one")
    return Authority(key, cert, str(path))


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + LIFETIME)
    )


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _encoded(cert: x509.Certificate) -> tuple[bytes, bytes]:
    return cert.public_bytes(serialization.Encoding.PEM), cert.public_bytes(serialization.Encoding.DER)
