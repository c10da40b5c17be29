"""What travels between a broker's shell-manager and a shell host: frames of 4-byte big-endian length + JSON.

Both directions are batches: one frame holds all that came together in a turn of the sender's loop. The host
numbers its frames and keeps each until the broker acknowledges it, which it does once the content is durable.
"""

from __future__ import annotations

from typing import Any

import msgspec

MAX_FRAME = 64 << 20
"""Longer frames are refused; a batch is split long before."""


class Start(msgspec.Struct, array_like=True):
    """A job, or a node's part of it, to run."""

    id: int
    spec: int
    """Key of a jobspec that was sent before, or in the same batch."""
    overrides: dict[str, Any] | None = None
    """Dotted keys in which this job differs from the jobspec."""
    ntasks: int = 1
    """Tasks on this node."""
    first: int = 0
    """Rank of the first of them."""
    size: int = 1
    """Tasks of the whole job."""
    nodeid: int = 0
    """Index of this node among the job's nodes."""
    nnodes: int = 1
    cores: str = ""
    """Logical ids of the cores that the job has on this node, as an idset."""
    gpus: str = ""
    expiration: float = 0.0
    """End of its time limit (epoch seconds); 0 = none."""
    taskmap: str = ""
    """Of a job on several nodes: which of its nodes each task is on (RFC 34), block by block."""
    hosts: str = ""
    """Likewise: the names of its nodes, as a hostlist."""
    hold: bool = False
    """Say `FromHost.ready` and wait for `ToHost.go`: the other nodes aren't ready yet."""
    groups: tuple[int, ...] = ()
    """How many of this node's tasks belong to each entry of the jobspec's tasks, where there are several."""


class Stdin(msgspec.Struct, array_like=True):
    """Data for the standard input of tasks; `data` is base64 on the wire."""

    id: int
    ranks: str
    """Idset of task ranks, or `all`."""
    data: bytes
    eof: bool
    serial: int = 0
    """Comes back in `FromHost.taken` when the tasks have room for more. They rise; what comes twice counts
    once."""


class ToHost(msgspec.Struct, omit_defaults=True):
    """Broker to host. Members are taken in the order in which they stand here."""

    uri: str = ""
    """Address of the instance, for the environment of tasks; in the first batch of a connection."""
    resume: tuple[str, int] | None = None
    """In the first batch: name of a host and the highest number of its reports that are durable. It sends all
    later ones again."""
    ack: int = 0
    """Highest sequence number whose frame may be forgotten."""
    forget: list[int] = []
    """Keys of jobspecs that won't be used again."""
    forget_environments: list[int] = []
    environments: list[tuple[int, msgspec.Raw]] = []
    """(key, `attributes.system.environment`): unlike jobspecs of one shell have it in common."""
    specs: list[tuple[int, msgspec.Raw]] = []
    """(key, jobspec)"""
    parted: list[tuple[int, msgspec.Raw, int]] = []
    """(key, jobspec without its environment, key of that); to hosts that said `FromHost.parts` only."""
    start: list[Start] = []
    go: list[int] = []
    """Jobs that were held and may start."""
    serial: int = 0
    """Comes back in `FromHost.taken`, if the host has said `FromHost.confirms`. Of two batches with the same
    one the second says nothing new."""
    expire: list[tuple[int, float]] = []
    stdin: list[Stdin] = []
    kill: list[tuple[int, int]] = []
    resize: list[tuple[int, str, int, int]] = []
    """(job id, idset of task ranks or `all`, rows, columns): the size of terminals."""
    fenced: list[tuple[int, str, dict[str, str]]] = []
    """(job id, key, everybody's data): an exchange among a job's nodes is complete; see `shell.fences`."""
    peers: list[tuple[int, int, int]] = []
    """(job id, nodeid, wait status): on another node of the job all tasks have ended. Told of the first such
    node and of the first that failed."""
    pids: list[int] = []
    """Jobs whose processes are asked for; `FromHost.pids` tells."""
    keep: float = 0.0
    """The broker ends on purpose and leaves the jobs running: wait so many seconds for the next one."""
    ping: int = 0
    """Answer with `FromHost.pong`: who doesn't for long hangs."""
    end: bool = False
    """Kill what runs, report nothing more, exit."""


class FromHost(msgspec.Struct, omit_defaults=True):
    """Host to broker. Of one job, started comes before logs, logs before failed, failed before finished."""

    seq: int = 0
    """1, 2, ...; 0: not numbered and not kept."""
    jobs: list[int] | None = None
    """First frame of a connection only, the answer to the first batch: jobs that run, or whose end isn't
    acknowledged yet."""
    host: str = ""
    """Likewise: the host's name, which no other host ever has."""
    pid: int = 0
    parts: bool = False
    """Likewise: whether it takes `ToHost.parted`. One that an older Bourn has started doesn't."""
    confirms: bool = False
    """Likewise: whether it tells what it has taken of `ToHost.serial`."""
    started: list[tuple[int, float]] = []
    """(job id, epoch seconds)"""
    logs: list[tuple[int, str, str]] = []
    """(job id, log name, JSON lines)"""
    failed: list[tuple[int, float, str, int, str]] = []
    """(job id, epoch seconds, exception type, severity, note)"""
    finished: list[tuple[int, float, int]] = []
    """(job id, epoch seconds, wait status)"""
    usage: list[tuple[int, float, float, float, int]] = []
    """What the tasks of jobs in `finished` have used on this node: (job id, seconds of wall clock, seconds of
    user and of system CPU in all, the largest resident set of a task in KiB)."""
    taken: list[int] = []
    """Serial numbers of input that the tasks have read, or that nobody will read, and of batches."""
    ready: list[int] = []
    """Jobs that are held and could start."""
    waiting: list[int] = []
    """In a first frame: those of `jobs` that are held and haven't been told to go, `ready` or not."""
    fences: list[tuple[int, int, str, dict[str, str]]] = []
    """(job id, nodeid, key, data): this node's part of an exchange; told again to each new broker."""
    messages: list[tuple[int, str]] = []
    """(logging level, text) for the broker's log."""
    pids: list[tuple[int, list[tuple[int, int]]]] = []
    """(job id, (task's rank, process id) of each task that runs)"""
    pong: int = 0
    """The number of a ping."""
    now: float = 0.0
    """Clock of the host's node (epoch seconds). Its broker tells that of rank 0, when a way to it is made."""


to_host = msgspec.json.Decoder(ToHost)
from_host = msgspec.json.Decoder(FromHost)
_encoder = msgspec.json.Encoder()


def frame(message: ToHost | FromHost | dict[str, Any]) -> bytearray:
    """Return a message with its length in front."""
    out = bytearray(4)
    _encoder.encode_into(message, out, 4)
    out[:4] = (len(out) - 4).to_bytes(4, "big")
    return out


class FrameError(Exception):
    """The peer sent what can't be a frame."""


class Splitter:
    """Cuts a byte stream into frames."""

    def __init__(self, limit: int = MAX_FRAME) -> None:
        self._buffer = bytearray()
        self._limit = limit

    def feed(self, data: bytes) -> list[bytes]:
        """Take what arrived; return the bodies of the frames that are complete now."""
        buffer = self._buffer
        buffer += data
        bodies: list[bytes] = []
        at = 0
        while len(buffer) - at >= 4:
            size = int.from_bytes(buffer[at : at + 4], "big")
            if size > self._limit:
                raise FrameError(f"a frame of {size} bytes is over the limit of {self._limit}")
            if len(buffer) - at - 4 < size:
                break
            bodies.append(bytes(buffer[at + 4 : at + 4 + size]))
            at += 4 + size
        if at:
            del buffer[:at]
        return bodies
