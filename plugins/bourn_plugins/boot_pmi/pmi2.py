"""PMI-2, as Slurm's `srun --mpi=pmi2` and MPICH's hydra speak it, from the client's side.

After a first exchange in lines, which agrees on the version, each message is its length, in decimal in six
bytes, and `cmd=NAME;KEY=VALUE;...`, where a semicolon in a value is doubled.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bourn_plugins.boot_pmi.pmi1 import INIT, agree, take_line
from bourn_plugins.boot_pmi.wire import NoSuchKey, PmiRefused

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

LENGTH = 6
VALUE_MAX = 1024
"""What the protocol says (PMI2_MAX_VALLEN); nobody can be asked."""
_FIELD = re.compile(r"([^=;]+)=((?:[^;]|;;)*);(?!;)")


class Pmi2:
    """One task's side."""

    def __init__(self, rank: int, jobid: str) -> None:
        self.jobid = jobid
        self.value_max = VALUE_MAX
        self._rank = rank
        self._framed = False

    def init(self) -> Generator[bytes, bytes, None]:
        """Agree on the version and say who we are."""
        reply = yield INIT % (2, 0)
        agree(reply, "2")
        self._framed = True
        request = {"pmijobid": self.jobid, "pmirank": str(self._rank), "threaded": "FALSE"}
        yield from self._ask("fullinit", request)

    def put(self, key: str, value: str) -> Generator[bytes, bytes, None]:
        """Offer a value."""
        yield from self._ask("kvs-put", {"key": key, "value": value})

    def get(self, key: str) -> Generator[bytes, bytes, str]:
        """Return the value of a key."""
        found = yield from self._ask("kvs-get", {"jobid": self.jobid, "srcid": "-1", "key": key})
        if found.get("found", "TRUE").upper() != "TRUE":
            raise NoSuchKey(f"the process manager has no key {key}")
        return found.get("value", "")

    def fence(self) -> Generator[bytes, bytes, None]:
        """Wait until all tasks are here."""
        yield from self._ask("kvs-fence", {})

    def finalize(self) -> Generator[bytes, bytes, None]:
        """Take leave."""
        yield from self._ask("finalize", {})

    def abort(self, message: str) -> bytes:
        """Return the request that ends all tasks of the job."""
        return message_of("abort", {"isworld": "TRUE", "msg": " ".join(message.split())})

    def take(self, buffer: bytearray) -> bytes | None:
        """Take a line before the version is agreed on, a message after."""
        if not self._framed:
            return take_line(buffer)
        if len(buffer) < LENGTH:
            return None
        text = bytes(buffer[:LENGTH])
        if not text.strip().isdigit():
            raise PmiRefused(f"the process manager sends {text!r} where a message's length belongs")
        end = LENGTH + int(text)
        if len(buffer) < end:
            return None
        body = bytes(buffer[LENGTH:end])
        del buffer[:end]
        return body

    def _ask(self, name: str, words: Mapping[str, str]) -> Generator[bytes, bytes, dict[str, str]]:
        found = parse((yield message_of(name, words)))
        if found.get("cmd") != f"{name}-response":
            raise PmiRefused(f"the process manager answers '{found.get('cmd', '')[:40]}' to {name}")
        if found.get("rc", "0") != "0":
            raise PmiRefused(f"the process manager refuses {name}: {found.get('errmsg') or found['rc']}")
        return found


def message_of(name: str, words: Mapping[str, str]) -> bytes:
    """Return a message."""
    parts = [f"cmd={name};", *(f"{key}={value.replace(';', ';;')};" for key, value in words.items())]
    body = "".join(parts).encode()
    return b"%-6d" % len(body) + body


def parse(body: bytes) -> dict[str, str]:
    """Return the fields of a message, its length left out."""
    text = body.decode("utf-8", "replace")
    return {key: value.replace(";;", ";") for key, value in _FIELD.findall(text)}
