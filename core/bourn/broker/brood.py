"""`bourn start --test-size=N`: the brokers of an instance as processes on one machine.

Rank 0 is the process that was started. With all imports done and no loop running yet it forks the others,
which makes them cheap: they share its memory and import nothing. A socket pair to each carries the cards, and
is what tells the others that rank 0 has gone, however it went.
"""

from __future__ import annotations

import errno
import gc
import logging
import os
import resource
import select
import signal
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import trio

from bourn.broker.star import last_words, meet_members, meet_root, read_last_words
from bourn.errors import BournError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from typing import NoReturn

    from bourn.broker.broker import Broker

log = logging.getLogger("bourn.broker")

FILES_EACH, FILES_MORE = 3, 32
"""How many files rank 0 has open for each other broker: its socket, its process, its link; and for itself."""
LAST_WORDS_MAX = 65536
END_SECONDS = 5.0
"""How long brokers have to end after rank 0 before they are killed."""


class Member:
    """The boot session of a rank that was forked."""

    def __init__(
        self, rank: int, size: int, sock: socket.socket, attributes: Mapping[str, str], timeout: float
    ) -> None:
        self.rank = rank
        self.size = size
        self.attributes = attributes
        self._sock = sock
        self._timeout = timeout
        self._stream: trio.SocketStream

    async def exchange(
        self, card: Mapping[str, Any], wanted: Collection[int]
    ) -> Mapping[int, Mapping[str, Any]]:
        """Send rank 0 this rank's card, and whose it wants; receive those."""
        self._stream = _stream(self._sock)
        return await meet_root(self._stream, card, wanted, self._timeout)

    async def watch(self, broker: Broker) -> None:
        """Stop the broker when rank 0 has gone."""
        with suppress(trio.BrokenResourceError):
            await self._stream.receive_some(1)
        if broker.overlay is not None:
            broker.overlay.ending = True
        broker.stop("rank 0 has gone")

    async def close(self, error: BournError | None = None) -> None:
        """Nothing to tell: the socket ends with the process."""

    def fail(self, error: BournError) -> None:
        """Leave it to rank 0, which may be the reason, to say why this rank ends; of many, one is enough."""
        with suppress(OSError):
            self._sock.send(last_words(error.message), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)


class Brood:
    """Rank 0's boot session, and the processes of the others."""

    rank = 0

    def __init__(self, size: int, attributes: Mapping[str, str], timeout: float) -> None:
        self.size = size
        self.attributes = attributes
        self._timeout = timeout
        self._socks: dict[int, socket.socket] = {}
        self._streams: dict[int, trio.SocketStream] = {}
        self.pids: dict[int, int] = {}

    def fork(self, run: Callable[[Member], int]) -> None:
        """Fork the others, each of which ends with the status that `run` returns.

        To be called while the process has one thread and no loop. Raises BournError where the machine doesn't
        let this user have so many.
        """
        self._have_files()
        gc.collect()
        gc.freeze()  # so that collections don't touch, and thereby copy, what is shared
        for rank in range(1, self.size):
            ours, theirs = socket.socketpair()
            try:
                pid = os.fork()
            except OSError as error:
                ours.close()
                theirs.close()
                self.kill()
                self.finish()
                raise BournError(
                    f"--test-size {self.size}: only {rank} brokers could be started: {error.strerror}",
                    error.errno,
                ) from None
            if pid == 0:
                _become(rank, [ours, *self._socks.values()])
                _run(run, Member(rank, self.size, theirs, self.attributes, self._timeout))
            theirs.close()
            self._socks[rank], self.pids[rank] = ours, pid

    def _have_files(self) -> None:
        bound = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        room = (bound - FILES_MORE) // FILES_EACH
        if bound != resource.RLIM_INFINITY and self.size > room:
            raise BournError(
                f"--test-size {self.size}: this process may have {bound} open files, which is enough for "
                f"{max(1, room)} brokers; see `ulimit -Hn`",
                errno.EMFILE,
            )

    async def exchange(
        self, card: Mapping[str, Any], wanted: Collection[int]
    ) -> Mapping[int, Mapping[str, Any]]:
        """Collect the cards of all and give each those that it wants."""
        self._streams = {rank: _stream(sock) for rank, sock in self._socks.items()}
        return await meet_members(self._streams, card, wanted, self._timeout)

    async def watch(self, broker: Broker) -> None:
        """Note the end of processes; one that ends before it was ever online ends the instance."""
        async with trio.open_nursery() as nursery:
            for rank, pid in self.pids.items():
                nursery.start_soon(self._wait_for, rank, pid, broker)

    async def _wait_for(self, rank: int, pid: int, broker: Broker) -> None:
        seen = False

        def look() -> None:
            nonlocal seen
            seen = seen or bool(broker.online >> rank & 1)

        assert broker.overlay is not None
        broker.overlay.watchers.append(look)
        fd = os.pidfd_open(pid)
        try:
            await trio.lowlevel.wait_readable(fd)
        finally:
            os.close(fd)
        _, status = os.waitpid(pid, 0)  # noqa: ASYNC222  it has ended
        del self.pids[rank]
        why = self._last_words(rank)
        if not seen:
            broker.stop(
                f"rank {rank}: {why}" if why else f"rank {rank} ended before it came up ({_ending(status)})"
            )
        elif status and not broker.stopping.is_set():
            log.warning("the process of rank %d ended: %s", rank, why or _ending(status))

    def _last_words(self, rank: int) -> str:
        with suppress(OSError):
            return read_last_words(self._socks[rank].recv(LAST_WORDS_MAX, socket.MSG_DONTWAIT))
        return ""

    async def close(self, error: BournError | None = None) -> None:
        """Nothing to tell."""

    def finish(self) -> None:
        """See that all have ended, by force in the end."""
        for sock in self._socks.values():
            sock.close()
        deadline = time.monotonic() + END_SECONDS
        for rank, pid in list(self.pids.items()):
            with suppress(OSError):
                fd = os.pidfd_open(pid)
                try:
                    if not select.select([fd], [], [], max(0.0, deadline - time.monotonic()))[0]:
                        log.error("rank %d (process %d) didn't end; it is killed", rank, pid)
                        os.kill(pid, signal.SIGKILL)
                finally:
                    os.close(fd)
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)
            self.pids.pop(rank, None)

    def kill(self) -> None:
        """End all at once."""
        for pid in list(self.pids.values()):
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)


def _become(rank: int, foreign: list[socket.socket]) -> None:
    """Make a forked process one of its own: no terminal, nothing of what rank 0 has with others."""
    os.setsid()
    for sock in foreign:
        sock.close()
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    with suppress(OSError), open("/proc/self/comm", "w") as file:
        file.write(f"bourn-{rank}")


def _run(run: Callable[[Member], int], member: Member) -> NoReturn:
    status = 1
    try:
        status = run(member)
    except BournError as error:
        member.fail(error)
    except BaseException:
        log.critical("rank %d failed", member.rank, exc_info=True)
    finally:
        # Not by way of rank 0's exit handlers, which a fork inherits.
        os._exit(status)


def _ending(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"killed by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"exit status {os.WEXITSTATUS(status)}"


def _stream(sock: socket.socket) -> trio.SocketStream:
    sock.setblocking(False)
    return trio.SocketStream(trio.socket.from_stdlib_socket(sock))
