"""`bourn relay`: stand between standard input and output and an instance on this host."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import suppress

from bourn.cli.parser import Parser
from bourn.client.relay import FAILED, READY
from bourn.client.transport import Connection, socket_path
from bourn.errors import BournError

CHUNK = 1 << 16


def main(argv: list[str]) -> int:
    """Pass bytes on until either side ends."""
    parser = Parser(
        prog="bourn relay",
        description="Connect standard input and output to an instance on this host, for ssh:// addresses.",
    )
    parser.add_argument("path", metavar="PATH", help="its socket or run directory")
    args = parser.parse_args(argv)
    try:
        connection = Connection(socket_path(args.path))
    except BournError as error:
        os.write(1, FAILED + " ".join(error.message.split()).encode() + b"\n")
        return 1
    os.write(1, READY)
    _pass_on(connection.sock)
    connection.close()
    return 0


def _pass_on(sock: socket.socket) -> None:
    """Each way has a thread of its own: a side that waits to be read from mustn't keep us from reading it."""
    threading.Thread(target=_send, args=(sock,), daemon=True).start()
    with suppress(OSError):
        while data := sock.recv(CHUNK):
            _write(data)


def _send(sock: socket.socket) -> None:
    with suppress(OSError):
        while data := os.read(0, CHUNK):
            sock.sendall(data)
        sock.shutdown(socket.SHUT_RDWR)


def _write(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]
