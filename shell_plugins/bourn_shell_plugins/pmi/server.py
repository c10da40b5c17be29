"""PMI-1, the simple wire protocol (RFC 13), from the server's side: lines in, lines out. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

KVSNAME_MAX = 64
KEYLEN_MAX = 64
VALLEN_MAX = 1024
LINE_MAX = KVSNAME_MAX + KEYLEN_MAX + VALLEN_MAX + 256
"""Bytes of a line; longer ones can't be requests."""
BARRIER_OUT = b"cmd=barrier_out rc=0\n"
MISSED = b""
"""The key, which no task can put, of what a node says whose tasks can't all come to a barrier any more."""
PUT_RESULT = b"cmd=put_result rc=0\n"

_REFUSED = {
    b"publish_name": b"cmd=publish_result rc=-1 info=not_supported\n",
    b"unpublish_name": b"cmd=unpublish_result rc=-1 info=not_supported\n",
    b"lookup_name": b"cmd=lookup_result rc=-1 info=not_supported\n",
    b"spawn": b"cmd=spawn_result rc=-1 errmsg=this_job_can't_grow\n",
}


class PmiError(Exception):
    """A task said what is no request of the protocol."""


class PmiPort(Protocol):
    """What the server calls."""

    def fence(self, entries: dict[bytes, bytes]) -> None:
        """All tasks of this node are in the barrier: exchange `entries` with the job's other nodes, then call
        `PmiServer.release`."""
        ...

    def send(self, rank: int, line: bytes) -> None:
        """Send a line to a task that waits for it."""
        ...

    def abort(self, rank: int, code: int, message: str) -> None:
        """A task wants the whole job ended."""
        ...

    def fail(self, reason: str) -> None:
        """The others would wait for ever for a task that has ended."""
        ...


class PmiServer:
    """Serves the tasks of a job on one node.

    `request` answers one line of one task. What tasks put is kept for the other nodes until the next barrier;
    on its own node it can be read at once.
    """

    def __init__(
        self,
        port: PmiPort,
        *,
        kvsname: str,
        size: int,
        local: int,
        universe: int,
        preset: Mapping[str, str],
    ) -> None:
        self._port = port
        self._size = size
        self._local = local
        self._universe = universe
        self._kvsname = kvsname.encode()
        self._store = {k.encode(): v.encode() for k, v in preset.items()}
        self._new: dict[bytes, bytes] = {}
        self._waiting: list[int] = []
        self._spawning: set[int] = set()
        self.joined: set[int] = set()
        """Tasks that have said init, and not finalize."""
        self._parted: set[int] = set()
        self._living = local
        self._missed = ""

    def request(self, rank: int, line: bytes) -> bytes:
        """Return the reply to a line, without its newline; b"" if there is none, or it comes later."""
        # The two that parallel programs of some size say thousands of times come first.
        if line.startswith(b"cmd=get "):
            key = _word(line, b" key=")
            value = self._store.get(key)
            if value is None:
                return b"cmd=get_result rc=-1 msg=key_" + key + b"_not_found\n"
            return b"cmd=get_result rc=0 value=" + value + b"\n"
        if line.startswith(b"cmd=put "):
            return self._put(line)
        if rank in self._spawning:
            return self._spawn_line(rank, line)
        if line.startswith(b"mcmd=spawn"):
            self._spawning.add(rank)
            return b""
        name = _word(line, b"cmd=") if line.startswith(b"cmd=") else b""
        if name in _REFUSED:
            return _REFUSED[name]
        return self._other(rank, name, line)

    def release(self, entries: Mapping[bytes, bytes]) -> None:
        """End the barrier: all nodes are in it, and this is what their tasks have put."""
        waiting, self._waiting = self._waiting, []
        missed = entries.get(MISSED)
        if missed is not None:
            if waiting:
                self._port.fail(missed.decode())
            return
        self._store.update(entries)
        for rank in waiting:
            self._port.send(rank, BARRIER_OUT)

    def ended(self, rank: int, failure: str) -> None:
        """A task has ended; `failure` says how, "" if well.

        One of a job that was about to meet, or has met, is missed: at once where it failed, else, as one that
        never spoke to us, by those who wait for it in a barrier, here or on another node.
        """
        self._living -= 1
        joined = rank in self.joined
        self.joined.discard(rank)
        if rank in self._waiting:
            self._waiting.remove(rank)
        if rank not in self._parted and (joined or failure):
            reason = f"task {rank} {failure or 'ended'} before it had taken leave of the others (PMI)"
            if joined and failure:
                self._port.fail(reason)
                return
            self._missed = self._missed or reason
        if self._missed:
            self._barrier()

    def _barrier(self) -> None:
        """Meet the other nodes once all tasks of this one are here that can come."""
        if len(self._waiting) == self._local:
            new, self._new = self._new, {}
            self._port.fence(new)
        elif self._missed and len(self._waiting) == self._living:
            self._port.fence({MISSED: self._missed.encode()})

    def _put(self, line: bytes) -> bytes:
        at = line.find(b" value=")
        if at < 0:
            raise PmiError("put without a value")
        key, value = _word(line[:at], b" key="), line[at + 7 :]
        if not key or len(key) > KEYLEN_MAX:
            return b"cmd=put_result rc=-1 msg=invalid_key_length\n"
        if len(value) > VALLEN_MAX:
            return b"cmd=put_result rc=-1 msg=invalid_value_length\n"
        self._store[key] = self._new[key] = value
        return PUT_RESULT

    def _other(self, rank: int, name: bytes, line: bytes) -> bytes:
        if name == b"barrier_in":
            self._waiting.append(rank)
            self._barrier()
            return b""
        if name == b"init":
            if _word(line, b"pmi_version=") != b"1":
                return b"cmd=response_to_init pmi_version=1 pmi_subversion=1 rc=-1\n"
            self.joined.add(rank)
            return b"cmd=response_to_init pmi_version=1 pmi_subversion=1 rc=0\n"
        if name == b"get_maxes":
            return b"cmd=maxes rc=0 kvsname_max=%d keylen_max=%d vallen_max=%d\n" % (
                KVSNAME_MAX, KEYLEN_MAX, VALLEN_MAX,
            )  # fmt: skip
        if name == b"get_my_kvsname":
            return b"cmd=my_kvsname rc=0 kvsname=" + self._kvsname + b"\n"
        if name == b"get_universe_size":
            return b"cmd=universe_size rc=0 size=%d\n" % self._universe
        if name == b"get_appnum":
            return b"cmd=appnum rc=0 appnum=0\n"
        if name == b"finalize":
            self._part(rank)
            return b"cmd=finalize_ack rc=0\n"
        if name == b"abort":
            self._abort(rank, line)
            return b""
        raise PmiError(f"no such request: {line[:80].decode('utf-8', 'replace')!r}")

    def _part(self, rank: int) -> None:
        self.joined.discard(rank)
        self._parted.add(rank)

    def _abort(self, rank: int, line: bytes) -> None:
        self._part(rank)
        code = _word(line, b"exitcode=")
        message = line.partition(b"error_msg=")[2].decode("utf-8", "replace").strip()
        self._port.abort(rank, int(code) if code.lstrip(b"-").isdigit() else 1, message)

    def _spawn_line(self, rank: int, line: bytes) -> bytes:
        if line != b"endcmd":
            return b""
        self._spawning.discard(rank)
        return _REFUSED[b"spawn"]


def _word(line: bytes, name: bytes) -> bytes:
    """Return the value of `name`, up to the next blank; b"" when it isn't there."""
    at = line.find(name)
    if at < 0:
        return b""
    at += len(name)
    end = line.find(b" ", at)
    return line[at:] if end < 0 else line[at:end]
