"""The local connector: clients on a UNIX socket, known by the kernel's word (SO_PEERCRED)."""

from __future__ import annotations

import errno
import logging
import os
import socket
import struct
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING

import trio

from bourn.broker.framing import MAX_FRAME
from bourn.broker.roles import credentials
from bourn.broker.session import MAX_QUEUE, MAX_QUEUES, Session, goodbye
from bourn.errors import BournError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from bourn.broker.broker import Broker

log = logging.getLogger("bourn.connector")

# One buffer for all clients: bytes are acted on before the next client's are read; an idle client holds none.
_BUFFER = memoryview(bytearray(256 << 10))
_TURN_BYTES = 4 << 20
_OUT_OF_FILES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class SocketTransport:
    """A session over a non-blocking socket: one task that waits for input; output is sent where it arises."""

    def __init__(self, sock: socket.socket, nursery: trio.Nursery) -> None:
        self._sock = sock
        self._nursery = nursery
        self._scope = trio.CancelScope()
        self._writing = False
        self.session: Session

    async def run(self) -> None:
        """Serve the client until one side leaves."""
        sock, session = self._sock, self.session
        try:
            with self._scope:
                while not session.closed:
                    await trio.lowlevel.wait_readable(sock)
                    if not self._read():
                        break
                    if session.out:
                        self.flush()
                    if session.jam is not None:
                        jam, session.jam = session.jam, None
                        await jam.drained()
        except OSError:
            pass  # the client is gone, however it went
        except BournError as error:
            session.refuse(error)
            self.flush()
        except Exception:
            # A mistake of ours in what one client sent must not end the broker for all.
            log.exception("%s dropped", session.name)
        finally:
            session.close()
            trio.lowlevel.notify_closing(sock)
            sock.close()

    def _read(self) -> bool:
        """Take what there is, within bounds so that others get their turn; False at the end."""
        for _ in range(_TURN_BYTES // len(_BUFFER)):
            try:
                got = self._sock.recv_into(_BUFFER)
            except (BlockingIOError, InterruptedError):
                return True
            if got == 0:
                return False
            self.session.receive(_BUFFER[:got])
            if got < len(_BUFFER):
                return True
        return True

    def flush(self) -> None:
        """Send what the socket takes; a task sends the rest."""
        out = self.session.out
        if self._writing or not out:
            return
        try:
            sent = self._sock.send(out)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self.abort()
            return
        if sent == len(out):
            out.clear()
        else:
            del out[:sent]
            self._writing = True
            self._nursery.start_soon(self._write)
        self.session.sent()

    async def _write(self) -> None:
        out = self.session.out
        try:
            while out:
                await trio.lowlevel.wait_writable(self._sock)
                del out[: self._sock.send(out)]
                self.session.sent()
        except BlockingIOError:
            pass
        except (OSError, trio.ClosedResourceError):
            self.abort()
            return
        finally:
            self._writing = False
        self.flush()

    def abort(self) -> None:
        """Close the connection."""
        self._scope.cancel()


class StreamTransport:
    """A session over any trio stream, such as one in memory."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._scope = trio.CancelScope()
        self._work = trio.Event()
        self.session: Session

    async def run(self) -> None:
        """Serve the client until one side leaves."""
        session = self.session
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write)
                    try:
                        while not session.closed and (data := await self._stream.receive_some(65536)):
                            session.receive(bytes(data))
                            self.flush()
                    except BournError as error:
                        session.refuse(error)
                        self.flush()
                        with trio.move_on_after(1):
                            await session.emptied()
                    nursery.cancel_scope.cancel()
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            session.close()
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(self._stream)

    async def _write(self) -> None:
        out = self.session.out
        while True:
            await self._work.wait()
            self._work = trio.Event()
            while out:
                data = bytes(out)
                await self._stream.send_all(data)
                del out[: len(data)]
                self.session.sent()

    def flush(self) -> None:
        """Wake the task that sends."""
        self._work.set()

    def abort(self) -> None:
        """Close the connection."""
        self._scope.cancel()


class Connector:
    """Accepts clients for a broker."""

    def __init__(
        self,
        broker: Broker,
        *,
        guests: bool = False,
        root_is_owner: bool = False,
        admins: Iterable[str] = (),
        max_frame: int = MAX_FRAME,
        max_queue: int = MAX_QUEUE,
        max_queues: int = MAX_QUEUES,
        peer_uid: Callable[[socket.socket], int] | None = None,
    ) -> None:
        self._broker = broker
        self._guests = guests
        self._root_is_owner = root_is_owner
        self._admins = frozenset(admins)
        self._limits = {"max_frame": max_frame, "max_queue": max_queue, "max_queues": max_queues}
        self._names = count(1)
        self._peer_uid = peer_uid or peer_uid_of
        self._nursery: trio.Nursery
        self._listening: trio.CancelScope | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Be the parent of all connections until cancelled."""
        async with trio.open_nursery() as self._nursery:
            task_status.started()
            await trio.sleep_forever()

    async def listen(
        self, path: Path, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Accept clients at `path` until cancelled or told to `stop_listening`."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with listener, trio.CancelScope() as self._listening:
            listener.setblocking(False)
            listener.bind(str(path))
            os.chmod(path, 0o666 if self._guests else 0o600)
            listener.listen(1024)
            task_status.started()
            while True:
                await trio.lowlevel.wait_readable(listener)
                await self._accept(listener)

    def stop_listening(self) -> None:
        """Accept no more clients."""
        if self._listening is not None:
            self._listening.cancel()

    async def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno not in _OUT_OF_FILES:
                    continue  # this one client went before it was served
                log.error("can't accept a client: %s", error.strerror)
                await trio.sleep(0.2)
                return
            sock.setblocking(False)
            self._admit(sock)

    def _admit(self, sock: socket.socket) -> None:
        uid = self._peer_uid(sock)
        rolemask = credentials(
            uid,
            self._broker.owner,
            guests=self._guests,
            root_is_owner=self._root_is_owner,
            admin=bool(self._admins) and _user_name(uid) in self._admins,
        )
        if rolemask is None:
            error = BournError(f"user {uid} may not use this instance", errno.EPERM)
            log.warning("refused a client: %s", error.message)
            with sock, suppress(OSError):
                sock.send(goodbye(error))
            return
        transport = SocketTransport(sock, self._nursery)
        transport.session = self._session(uid, rolemask, transport)
        self._nursery.start_soon(transport.run, name=transport.session.name)

    def attach(self, stream: trio.abc.Stream, userid: int, rolemask: int) -> Session:
        """Serve a client at the other end of `stream` with the given credentials."""
        transport = StreamTransport(stream)
        transport.session = self._session(userid, rolemask, transport)
        self._nursery.start_soon(transport.run, name=transport.session.name)
        return transport.session

    def _session(self, userid: int, rolemask: int, transport: SocketTransport | StreamTransport) -> Session:
        name = f"client-{self._broker.rank}-{next(self._names)}"
        session = Session(self._broker, name, userid, rolemask, transport, **self._limits)
        self._broker.sessions[name] = session
        return session


def peer_uid_of(sock: socket.socket) -> int:
    """Return the user id of the process at the other end, which it can't forge."""
    raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", raw)[1])


def _user_name(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
