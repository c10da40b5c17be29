"""Batches for one shell host: jobspecs that it was sent, the batch being made, what is durable. No I/O."""

from __future__ import annotations

from collections import OrderedDict
from itertools import count
from typing import TYPE_CHECKING

import msgspec

from bourn.shell.wire import ToHost

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bourn.model.interned import InternedJobspec
    from bourn.shell.wire import FromHost, Start, Stdin

SPECS_KEPT = 512
"""Distinct jobspecs that a host remembers."""
ENVIRONMENTS_KEPT = 64
"""Distinct environments that it remembers for further jobspecs."""
ACK_EVERY = 16
"""Reports without output that may stay unacknowledged while there is nothing else to send."""


class Outbox:
    """Makes batches for a host. No I/O."""

    def __init__(self, uri: str, resume: tuple[str, int] | None = None) -> None:
        self.batch = ToHost(uri=uri, resume=resume)
        self.acknowledged = 0
        self._told = 0
        self._pressing = True
        self._keys: OrderedDict[bytes, int] = OrderedDict()
        self._environments: OrderedDict[bytes, int] = OrderedDict()
        self._next = count(1)
        self.parts = False
        """Whether the host takes jobspecs without their environments, and these once."""

    def start(self, jobs: Iterable[tuple[InternedJobspec, Start]]) -> None:
        """Add jobs, and those of their jobspecs that the host doesn't have."""
        keys, batch = self._keys, self.batch
        for jobspec, start in jobs:
            key = keys.get(jobspec.hash)
            if key is None:
                key = keys[jobspec.hash] = next(self._next)
                self._add_spec(key, jobspec)
            else:
                keys.move_to_end(jobspec.hash)
            start.spec = key
            batch.start.append(start)
        self._pressing = True

    def _add_spec(self, key: int, jobspec: InternedJobspec) -> None:
        environment = jobspec.environment
        if environment is None:
            self.batch.specs.append((key, msgspec.Raw(jobspec.json)))
        elif not self.parts:
            self.batch.specs.append((key, msgspec.Raw(msgspec.json.encode(jobspec.obj))))
        else:
            digest, text = environment.row
            known = self._environments.get(digest)
            if known is None:
                known = self._environments[digest] = next(self._next)
                self.batch.environments.append((known, msgspec.Raw(text)))
            else:
                self._environments.move_to_end(digest)
            self.batch.parted.append((key, msgspec.Raw(jobspec.json), known))

    def go(self, id: int) -> None:
        """Let a job start that was held."""
        self.batch.go.append(id)
        self._pressing = True

    def kill(self, id: int, signum: int) -> None:
        """Add a signal."""
        self.batch.kill.append((id, signum))
        self._pressing = True

    def stdin(self, data: Stdin) -> None:
        """Add input."""
        self.batch.stdin.append(data)
        self._pressing = True

    def expire(self, id: int, when: float) -> None:
        """Add a changed time limit."""
        self.batch.expire.append((id, when))
        self._pressing = True

    def resize(self, id: int, ranks: str, rows: int, columns: int) -> None:
        """Add a size of terminals."""
        self.batch.resize.append((id, ranks, rows, columns))
        self._pressing = True

    def fenced(self, id: int, key: str, data: dict[str, str]) -> None:
        """Add the result of an exchange among a job's nodes."""
        self.batch.fenced.append((id, key, data))
        self._pressing = True

    def peer_ended(self, id: int, nodeid: int, status: int) -> None:
        """Add that a job's tasks on another node have ended."""
        self.batch.peers.append((id, nodeid, status))
        self._pressing = True

    def pids(self, id: int) -> None:
        """Ask for a job's processes."""
        self.batch.pids.append(id)
        self._pressing = True

    def keep(self, seconds: float) -> None:
        """Tell the host that we leave, and for how long to wait for the next broker."""
        self.batch.keep = seconds
        self._pressing = True

    def end(self) -> None:
        """Tell the host to end."""
        self.batch.end = True
        self._pressing = True

    def durable(self, report: FromHost) -> None:
        """Note that what a report said is durable. Output is acknowledged soon: its job may be waiting."""
        self.acknowledged = max(self.acknowledged, report.seq)
        if report.logs or self.acknowledged - self._told >= ACK_EVERY:
            self._pressing = True

    def take(self) -> ToHost | None:
        """Return the batch to send now, if there is one."""
        if not self._pressing:
            return None
        batch, self.batch = self.batch, ToHost()
        batch.ack = self._told = self.acknowledged
        self._pressing = False
        while len(self._keys) > SPECS_KEPT:
            # The host forgets before it starts: what this batch needs goes with the next.
            self.batch.forget.append(self._keys.popitem(last=False)[1])
        while len(self._environments) > ENVIRONMENTS_KEPT:
            self.batch.forget_environments.append(self._environments.popitem(last=False)[1])
        return batch
