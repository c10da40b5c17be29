"""A blocking connection to a broker: addresses, frames, JSON."""

from __future__ import annotations

import errno
import json
import os
import select
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from bourn.broker.framing import MAX_FRAME, FrameDecoder
from bourn.errors import BournError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bourn.client.relay import Relay

to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode
"""Return what messages are made of: compact JSON."""
_scan = json.JSONDecoder().scan_once  # type: ignore[attr-defined]  # `decode` without its two regular expressions


class Encoded(str):
    """A payload that is JSON already."""

    __slots__ = ()


def socket_path(uri: str | None) -> str:
    """Return the socket that a URI stands for; by default that of the environment's BOURN_URI. That of an
    instance on another host stays an `ssh://` URI.

    Takes `local:///path`, `/path`, a run directory, and what a plugin resolves, as `pid:4711`. Raises
    BournError with what to do about it.
    """
    wanted = uri or os.environ.get("BOURN_URI")
    if not wanted:
        raise BournError(
            "no Bourn instance here: BOURN_URI isn't set; `bourn start` raises one", errno.ENOENT
        )
    scheme, colon, _ = wanted.partition(":")
    if colon and scheme not in ("local", "ssh") and scheme.isidentifier():
        from bourn.plugins.uri import resolve_uri

        wanted = resolve_uri(wanted)
    if wanted.startswith("ssh://"):
        wanted = _on_this_host(wanted)
        if wanted.startswith("ssh://"):
            return wanted
    path = wanted.removeprefix("local://")
    if not path.startswith("/"):
        raise BournError(
            f"'{wanted}' is no address of an instance; one has the form local:///path", errno.EINVAL
        )
    return os.path.join(path, "local") if os.path.isdir(path) else path


def _on_this_host(uri: str) -> str:
    """Return the path of an `ssh://HOST/PATH` on this very machine; one elsewhere as it is."""
    host, slash, path = uri.removeprefix("ssh://").partition("/")
    here = os.uname().nodename
    return f"/{path}" if slash and host in (here, here.partition(".")[0], "localhost") else uri


def connection_error(path: str, error: OSError) -> BournError:
    """Say why there is nobody at `path`."""
    if error.errno in (errno.ENOENT, errno.ECONNREFUSED, errno.ENOTDIR):
        hint = "it has ended, or BOURN_URI is stale; `bourn start` raises a new one"
        return BournError(f"no Bourn instance at {path}: {hint}", error.errno)
    return BournError(f"can't connect to the instance at {path}: {error.strerror}", error.errno)


def encode(message: dict[str, Any]) -> bytes:
    """Return `message` as a frame."""
    payload = message.get("payload")
    if isinstance(payload, Encoded):
        del message["payload"]
        text = f'{to_json(message)[:-1]},"payload":{payload}}}'
    else:
        text = to_json(message)
    try:
        body = text.encode()
    except UnicodeEncodeError as error:
        raise BournError(f"not text: {error.object!r:.80} has bytes that aren't UTF-8") from None
    return len(body).to_bytes(4, "big") + body


def decode(body: memoryview) -> dict[str, Any]:
    """Return the message in a frame's body."""
    try:
        message, _ = _scan(str(body, "utf-8"), 0)
    except (ValueError, StopIteration, RecursionError) as error:
        raise BournError(f"malformed message from the broker: {error}", errno.EPROTO) from None
    if not isinstance(message, dict):
        raise BournError("malformed message from the broker", errno.EPROTO)
    return message


class Connection:
    """One socket. Sending and receiving may be done by different threads, each by one at a time."""

    def __init__(self, path: str) -> None:
        self.path = path
        """What `socket_path` returned."""
        self._frames = FrameDecoder(max(MAX_FRAME, 1 << 30))
        self._size = 64 << 10
        self._relay: Relay | None = None
        if path.startswith("ssh://"):
            from bourn.client.relay import Relay

            self._relay = Relay(path)
            self._socket = self._relay.socket
            return
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.connect(path)
        except OSError as error:
            self._socket.close()
            raise connection_error(path, error) from None

    @property
    def sock(self) -> socket.socket:
        """The socket itself."""
        return self._socket

    def fileno(self) -> int:
        """Return the descriptor, for a loop that waits on several things."""
        return self._socket.fileno()

    def send(self, frame: bytes) -> None:
        """Send a frame, whole."""
        self._socket.sendall(frame)

    def wait(self, timeout: float) -> bool:
        """Return whether there is something to receive within `timeout` seconds."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(max(timeout, 0) * 1000))

    def receive(self) -> Iterator[dict[str, Any]] | None:
        """Wait for bytes and return the messages that they complete; None at the end of the connection."""
        data = self._socket.recv(self._size)
        if not data:
            return None
        if self._frames.pending:
            self._size = 1 << 20
        return map(decode, self._frames.feed(data))

    def close(self) -> None:
        """Close it; a thread that waits in `receive` is woken."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        if self._relay is not None:
            self._relay.reap()
