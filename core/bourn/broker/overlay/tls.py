"""TLS 1.3 with mutual authentication between brokers; there is no link without it.

Where a bootstrap channel carried the certificates, each side accepts exactly the other's (pinned by SHA-256
fingerprint); otherwise those that the instance's authority signed, with the rank in their name.
"""

from __future__ import annotations

import base64
import errno
import logging
import os
import socket
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import trio

from bourn.broker.overlay.network import Refused
from bourn.broker.overlay.reasons import explain
from bourn.errors import BournError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from bourn.broker.overlay.certs import Identity

log = logging.getLogger("bourn.overlay")

HANDSHAKE_SECONDS = 20.0
"""How long a peer that has connected may take to prove itself."""
MAX_STRANGERS = 256
"""Connections that haven't proved themselves yet, at most."""


class Trust:
    """Whose certificates are accepted: those of `pins`, by rank, or those that `authority` signed."""

    def __init__(self, pins: Mapping[int, bytes] | None = None, authority: bytes | None = None) -> None:
        self.pins = dict(pins or {})
        """Certificates in DER form."""
        self.authority = authority
        """A certificate in PEM form."""

    def objection(self, cert: bytes | None, names: set[str], rank: int) -> str | None:
        """Say why a certificate that was accepted isn't that of `rank`, or None."""
        from bourn.broker.overlay.certs import common_name, fingerprint

        if cert is None:
            return "it has no certificate"
        if self.authority is not None:
            if common_name(rank) not in names:
                return f"its certificate is of {', '.join(sorted(names)) or 'nobody'}, not of rank {rank}"
            return None
        expected = self.pins.get(rank)
        if expected is None or fingerprint(expected) != fingerprint(cert):
            return f"its certificate (SHA-256 {fingerprint(cert)[:16]}...) isn't that of rank {rank}"
        return None


class TlsNetwork:
    """Connections over TCP.

    Args:
        identity: what this broker proves itself by.
        trust: who is accepted.
        listen_at: where to listen, should there be children; port 0: any.
        user_timeout: how long data may stay unacknowledged, in seconds.
    """

    def __init__(
        self,
        identity: Identity,
        trust: Trust,
        listen_at: Callable[[], tuple[str, int]] = lambda: ("127.0.0.1", 0),
        *,
        user_timeout: float = 20.0,
    ) -> None:
        self._identity = identity
        self._listen_at = listen_at
        self._user_timeout = user_timeout
        self._trust = trust
        self._addresses: dict[int, tuple[str, int]] = {}
        self._listener: socket.socket | None = None
        self._contexts: dict[bool, ssl.SSLContext] = {}

    def bind(self) -> tuple[str, int]:
        """Listen; return the address. Those that connect before `serve` wait."""
        if self._listener is None:
            host, port = self._listen_at()
            try:
                family, kind, proto, _, address = socket.getaddrinfo(
                    host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
                )[0]
                self._listener = socket.socket(family, kind, proto)
                self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                self._listener.bind(address)
                self._listener.listen(1024)
            except OSError as error:
                self.close()
                reason = error.strerror or error
                raise BournError(f"can't listen at {host}:{port}: {reason}", error.errno) from None
        name = self._listener.getsockname()
        return name[0], name[1]

    def close(self) -> None:
        """Stop listening; see `Network`."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def know(self, addresses: Mapping[int, tuple[str, int]], certs: Mapping[int, bytes]) -> None:
        """Learn where further ranks listen, and their certificates (DER form) if no authority vouches for
        them.
        """
        self._addresses.update(addresses)
        self._trust.pins.update(certs)
        for context in self._contexts.values() if certs else ():
            context.load_verify_locations(cadata=b"".join(certs.values()))

    @property
    def cert(self) -> str:
        """This broker's certificate, in DER form and base64; "" where an authority vouches for it."""
        return "" if self._trust.authority else base64.b64encode(self._identity.cert_der).decode()

    def card(self) -> dict[str, Any]:
        """Listen, and return what others have to know to connect: `{host, port, cert}`."""
        host, port = self.bind()
        return {"host": host, "port": port, "cert": self.cert}

    async def dial(self, rank: int) -> trio.abc.Stream:
        """Connect to a rank; see `Network`."""
        try:
            host, port = self._addresses[rank]
        except KeyError:
            raise BournError(f"the address of rank {rank} isn't known", errno.EHOSTUNREACH) from None
        where = f"rank {rank} at {host}:{port}"
        try:
            tcp = await trio.open_tcp_stream(host, port)
        except OSError as error:
            reason = error.strerror or str(error)
            raise BournError(f"{where} can't be reached: {reason}", errno.EHOSTUNREACH) from None
        self._tune(tcp.socket)
        stream = trio.SSLStream(tcp, self._context(server=False))
        try:
            await stream.do_handshake()
        except (trio.BrokenResourceError, ssl.SSLError) as error:
            with trio.move_on_after(1):
                await _tell(stream)
            await trio.aclose_forcefully(stream)
            reason, hopeless = explain(error)
            raise (Refused if hopeless else BournError)(f"{where}: {reason}", errno.EHOSTUNREACH) from None
        except BaseException:
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(stream)
            raise
        objection = self.vouch(stream, rank)
        if objection is not None:
            await trio.aclose_forcefully(stream)
            raise Refused(f"{where}: {objection}")
        return stream

    async def serve(
        self,
        admit: Callable[[trio.abc.Stream, str], Awaitable[None]],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Accept neighbours below; see `Network`."""
        self.bind()
        assert self._listener is not None
        self._listener.setblocking(False)
        listener = trio.socket.from_stdlib_socket(self._listener)
        strangers = trio.CapacityLimiter(MAX_STRANGERS)
        context = self._context(server=True)
        with listener:
            async with trio.open_nursery() as nursery:
                task_status.started()
                while True:
                    try:
                        sock, address = await listener.accept()
                    except OSError as error:
                        log.error("can't accept a broker: %s", error.strerror)
                        await trio.sleep(0.2)
                        continue
                    nursery.start_soon(self._welcome, sock, _text(address), context, strangers, admit)

    async def _welcome(
        self,
        sock: trio.socket.SocketType,
        address: str,
        context: ssl.SSLContext,
        strangers: trio.CapacityLimiter,
        admit: Callable[[trio.abc.Stream, str], Awaitable[None]],
    ) -> None:
        self._tune(sock)
        stream = trio.SSLStream(trio.SocketStream(sock), context, server_side=True)
        try:
            async with strangers:
                with trio.move_on_after(HANDSHAKE_SECONDS) as limit:
                    await stream.do_handshake()
            if not limit.cancelled_caught:
                await admit(stream, address)
                return
            log.warning("refused %s: it didn't prove itself within %g s", address, HANDSHAKE_SECONDS)
        except (trio.BrokenResourceError, ssl.SSLError) as error:
            log.warning("refused %s: %s", address, explain(error)[0])
            with trio.move_on_after(1):
                await _tell(stream)
        finally:
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(stream)

    def vouch(self, stream: trio.abc.Stream, rank: int) -> str | None:
        """Say why a stream isn't that of a rank; see `Network`."""
        assert isinstance(stream, trio.SSLStream)
        found = stream.getpeercert() or {}
        names = {value for rdn in found.get("subject", ()) for key, value in rdn if key == "commonName"}
        return self._trust.objection(stream.getpeercert(binary_form=True), names, rank)

    def _context(self, *, server: bool) -> ssl.SSLContext:
        context = self._contexts.get(server)
        if context is None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
            context.minimum_version = ssl.TLSVersion.TLSv1_3
            context.check_hostname = False  # ranks are checked, by `vouch`: hosts change, ranks don't
            context.verify_mode = ssl.CERT_REQUIRED
            if server:
                context.num_tickets = 0  # links aren't resumed: each begins with both certificates
            self._load(context)
            if self._trust.authority is not None:
                context.load_verify_locations(cadata=self._trust.authority.decode())
            elif self._trust.pins:
                context.load_verify_locations(cadata=b"".join(self._trust.pins.values()))
            self._contexts[server] = context
        return context

    def _load(self, context: ssl.SSLContext) -> None:
        # The library reads keys from files only; this one is nowhere but in memory.
        fd = os.memfd_create("bourn-key", os.MFD_CLOEXEC)
        try:
            os.write(fd, self._identity.key_pem + self._identity.cert_pem)
            context.load_cert_chain(f"/proc/self/fd/{fd}")
        finally:
            os.close(fd)

    def _tune(self, sock: trio.socket.SocketType) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(self._user_timeout * 1000))


async def _tell(stream: trio.SSLStream[trio.SocketStream]) -> None:
    """Send the alert about the peer's certificate, which trio leaves where OpenSSL put it."""
    outgoing = getattr(stream, "_outgoing", None)
    alert = outgoing.read() if outgoing is not None else b""
    if alert:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await stream.transport_stream.send_all(alert)
            await stream.transport_stream.send_eof()


def _text(address: object) -> str:
    return f"{address[0]}:{address[1]}" if isinstance(address, tuple) else str(address)
