"""The TLS network on loopback: who is accepted and who is refused, with the peer's address in the log."""

from __future__ import annotations

import datetime
import logging
import os
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio

from bourn.broker.overlay import certs
from bourn.broker.overlay.certs import Authority, load_authority, make_authority, make_identity
from bourn.broker.overlay.network import Refused
from bourn.broker.overlay.tls import TlsNetwork, Trust
from bourn.errors import BournError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


def run(test: Any, *args: Any) -> None:
    """Run a test with real sockets on a real clock."""
    trio.run(test, *args)


class Parent:
    """Rank 0, listening, and what has come of it."""

    def __init__(self, network: TlsNetwork, address: tuple[str, int]) -> None:
        self.network = network
        self.address = address
        self.admitted: list[str] = []
        self.objections: list[str | None] = []

    async def admit(self, stream: trio.abc.Stream, address: str) -> None:
        self.admitted.append(address)
        self.objections.append(self.network.vouch(stream, 1))
        await stream.send_all(await stream.receive_some())


@asynccontextmanager
async def parent(trust: Trust, identity: certs.Identity) -> AsyncIterator[Parent]:
    network = TlsNetwork(identity, trust)
    found = Parent(network, network.bind())
    async with trio.open_nursery() as nursery:
        await nursery.start(network.serve, found.admit)
        yield found
        nursery.cancel_scope.cancel()


async def talk(network: TlsNetwork) -> bytes:
    stream = await network.dial(0)
    try:
        await stream.send_all(b"hello")
        return await stream.receive_some()
    finally:
        await trio.aclose_forcefully(stream)


def child(identity: certs.Identity, trust: Trust, at: Parent) -> TlsNetwork:
    network = TlsNetwork(identity, trust)
    network.know({0: at.address}, {})
    return network


ZERO, ONE, OTHER = make_identity(0), make_identity(1), make_identity(1)
PINS = {0: ZERO.cert_der, 1: ONE.cert_der}


def test_the_right_certificates_and_tls_1_3() -> None:
    async def main() -> None:
        async with parent(Trust(PINS), ZERO) as zero:
            one = child(ONE, Trust(PINS), zero)
            assert await talk(one) == b"hello"
            assert zero.objections == [None]
            stream = await one.dial(0)
            assert stream.version() == "TLSv1.3"
            await trio.aclose_forcefully(stream)

    run(main)


def test_a_certificate_that_is_not_pinned_is_refused_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with parent(Trust(PINS), ZERO) as zero:
            with pytest.raises((trio.BrokenResourceError, BournError)):
                await talk(child(OTHER, Trust({0: ZERO.cert_der}), zero))
            while not caplog.records:  # noqa: ASYNC110
                await trio.sleep(0.01)
            assert zero.admitted == []

    caplog.set_level(logging.WARNING)
    run(main)
    assert caplog.records[0].getMessage().startswith("refused 127.0.0.1:")
    assert "its certificate isn't accepted: self" in caplog.records[0].getMessage()


def test_a_parent_with_a_foreign_certificate_is_not_believed() -> None:
    async def main() -> None:
        async with parent(Trust({1: ONE.cert_der}), OTHER) as zero:
            with pytest.raises(Refused, match=r"rank 0 at 127.0.0.1:\d+: its certificate isn't accepted"):
                await talk(child(ONE, Trust(PINS), zero))

    run(main)


def test_a_rank_with_another_ranks_certificate_is_not_believed() -> None:
    two = make_identity(2)

    async def main() -> None:
        async with parent(Trust({**PINS, 2: two.cert_der}), ZERO) as zero:
            await talk(child(two, Trust(PINS), zero))
            (objection,) = zero.objections
            assert objection is not None
            assert "isn't that of rank 1" in objection

    run(main)


@pytest.mark.parametrize(
    ("noise", "reason"),
    [
        (b"hello, world, this is me\n", "it doesn't speak TLS"),
        (b"GET / HTTP/1.1\r\n", "it speaks HTTP"),
        (b"", "it hung up"),
    ],
)
def test_plain_text_is_refused_and_logged(
    noise: bytes, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with parent(Trust(PINS), ZERO) as zero:
            stream = await trio.open_tcp_stream(*zero.address)
            port = stream.socket.getsockname()[1]
            if noise:
                await stream.send_all(noise)
            await stream.send_eof()
            while not caplog.records:  # noqa: ASYNC110
                await trio.sleep(0.01)
            assert caplog.records[0].getMessage() == f"refused 127.0.0.1:{port}: {reason}"
            await stream.aclose()

    caplog.set_level(logging.WARNING)
    run(main)


def test_older_versions_of_tls_are_refused(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with parent(Trust(PINS), ZERO) as zero:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            stream = trio.SSLStream(await trio.open_tcp_stream(*zero.address), context)
            with pytest.raises(trio.BrokenResourceError):
                await stream.do_handshake()
            await trio.aclose_forcefully(stream)
            while not caplog.records:  # noqa: ASYNC110
                await trio.sleep(0.01)

    caplog.set_level(logging.WARNING)
    run(main)
    assert "it doesn't speak TLS 1.3" in caplog.records[0].getMessage()


def authority(folder: Path, name: str = "a") -> Authority:
    return load_authority(_file(folder / name, make_authority(name)))


def _file(path: Path, content: bytes) -> Path:
    path.touch(mode=0o600)
    path.write_bytes(content)
    return path


def test_an_authority_vouches_for_ranks(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    mine, foreign = authority(tmp_path), authority(tmp_path, "b")

    async def main() -> None:
        trust = Trust(authority=mine.cert_pem)
        async with parent(trust, make_identity(0, mine)) as zero:
            assert await talk(child(make_identity(1, mine), trust, zero)) == b"hello"
            await talk(child(make_identity(2, mine), trust, zero))
            assert zero.objections == [None, "its certificate is of bourn rank 2, not of rank 1"]
            with pytest.raises((trio.BrokenResourceError, BournError)):
                await talk(child(make_identity(1, foreign), trust, zero))
            with pytest.raises(Refused, match="isn't accepted"):
                await talk(child(make_identity(1, mine), Trust(authority=foreign.cert_pem), zero))
            await said(caplog, "it doesn't accept our certificate")
            namesake = load_authority(_file(tmp_path / "c", make_authority("a")))
            with pytest.raises(Refused, match="isn't accepted: another authority has signed it"):
                await talk(child(make_identity(1, mine), Trust(authority=namesake.cert_pem), zero))
            await said(caplog, "it doesn't accept our certificate; it has another authority")

    caplog.set_level(logging.WARNING)
    run(main)


async def said(caplog: pytest.LogCaptureFixture, reason: str) -> None:
    while not any(reason in record.getMessage() for record in caplog.records):  # noqa: ASYNC110
        await trio.sleep(0.01)


def test_an_expired_certificate_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = authority(tmp_path)
    monkeypatch.setattr(certs, "LIFETIME", datetime.timedelta(seconds=-60))
    old = make_identity(0, mine)
    monkeypatch.undo()

    async def main() -> None:
        trust = Trust(authority=mine.cert_pem)
        async with parent(trust, old) as zero:
            with pytest.raises(Refused, match="it has expired; or the clocks"):
                await talk(child(make_identity(1, mine), trust, zero))

    run(main)


def test_nobody_there() -> None:
    async def main() -> None:
        network = TlsNetwork(ONE, Trust(PINS))
        network.know({0: ("127.0.0.1", 1)}, {})
        with pytest.raises(BournError, match=r"rank 0 at 127\.0\.0\.1:1 can't be reached") as caught:
            await network.dial(0)
        assert not isinstance(caught.value, Refused)
        with pytest.raises(BournError, match="the address of rank 5 isn't known"):
            await network.dial(5)

    run(main)


def test_keys_are_in_files_that_nobody_else_reads(tmp_path: Path) -> None:
    path = tmp_path / "key"
    with pytest.raises(BournError, match="No such file"):
        load_authority(path)
    path.write_bytes(make_authority("x"))
    path.chmod(0o640)
    with pytest.raises(BournError, match="others can read it \\(mode 640\\); must be 600"):
        load_authority(path)
    path.chmod(0o600)
    assert load_authority(path).path == str(path)
    path.write_text("no key")
    with pytest.raises(BournError, match="holds no key with a certificate"):
        load_authority(path)
    if os.getuid() == 0:
        path.write_bytes(make_authority("x"))
        os.chown(path, 12345, 12345)
        with pytest.raises(BournError, match="belongs to user 12345"):
            load_authority(path)


@pytest.mark.skipif(os.getuid() != 0, reason="a file of root's needs root")
def test_root_may_give_a_key_to_a_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key"
    path.write_bytes(make_authority("x"))
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    path.chmod(0o440)
    assert load_authority(path).path == str(path)
    path.chmod(0o460)
    with pytest.raises(BournError, match="others can read it \\(mode 460\\)"):
        load_authority(path)
