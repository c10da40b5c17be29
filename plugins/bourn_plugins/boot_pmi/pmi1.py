"""PMI-1, the simple wire protocol (RFC 13), from the client's side: a line each way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn_plugins.boot_pmi.wire import NoSuchKey, PmiRefused

if TYPE_CHECKING:
    from collections.abc import Generator

INIT = b"cmd=init pmi_version=%d pmi_subversion=%d\n"


class OtherVersion(PmiRefused):
    """The process manager speaks another version of PMI."""


class Pmi1:
    """One task's side."""

    def __init__(self) -> None:
        self.jobid = ""
        self.value_max = 0

    def init(self) -> Generator[bytes, bytes, None]:
        """Agree on the version, learn the job and the limits."""
        reply = yield INIT % (1, 1)
        agree(reply, "1")
        maxes = fields((yield b"cmd=get_maxes\n"), "maxes")
        self.value_max = int(maxes.get("vallen_max") or 0)
        self.jobid = fields((yield b"cmd=get_my_kvsname\n"), "my_kvsname").get("kvsname", "")

    def put(self, key: str, value: str) -> Generator[bytes, bytes, None]:
        """Offer a value; it has no blanks."""
        request = f"cmd=put kvsname={self.jobid} key={key} value={value}\n"
        fields((yield request.encode()), "put_result")

    def get(self, key: str) -> Generator[bytes, bytes, str]:
        """Return the value of a key."""
        request = f"cmd=get kvsname={self.jobid} key={key}\n"
        reply = yield request.encode()
        words = parse(reply)
        if words.get("cmd") == "get_result" and words.get("rc", "0") != "0":
            raise NoSuchKey(f"the process manager has no key {key}: {words.get('msg') or words}")
        return fields(reply, "get_result").get("value", "")

    def fence(self) -> Generator[bytes, bytes, None]:
        """Wait until all tasks are here."""
        fields((yield b"cmd=barrier_in\n"), "barrier_out")

    def finalize(self) -> Generator[bytes, bytes, None]:
        """Take leave."""
        fields((yield b"cmd=finalize\n"), "finalize_ack")

    def abort(self, message: str) -> bytes:
        """Return the request that ends all tasks of the job."""
        line = " ".join(message.split())
        return f"cmd=abort exitcode=1 error_msg={line}\n".encode()

    def take(self, buffer: bytearray) -> bytes | None:
        """Take a line."""
        return take_line(buffer)


def take_line(buffer: bytearray) -> bytes | None:
    """Take a line, without its newline, out of what was received; None while there is none."""
    end = buffer.find(b"\n")
    if end < 0:
        return None
    line = bytes(buffer[:end])
    del buffer[: end + 1]
    return line


def agree(reply: bytes, version: str) -> None:
    """Read the reply to `INIT`; raises `OtherVersion` where the process manager speaks another one."""
    words = parse(reply)
    if words.get("cmd") != "response_to_init":
        raise PmiRefused(f"the process manager answers {reply[:80].decode('utf-8', 'replace')!r} to init")
    if words.get("rc", "0") != "0" or words.get("pmi_version") != version:
        raise OtherVersion(f"the process manager speaks PMI {words.get('pmi_version')}, not {version}")


def fields(reply: bytes, name: str) -> dict[str, str]:
    """Return the words of a reply; PmiRefused where it isn't `name` or says that the request failed."""
    words = parse(reply)
    if words.get("cmd") != name:
        raise PmiRefused(f"the process manager answers {reply[:80].decode('utf-8', 'replace')!r}, not {name}")
    if words.get("rc", "0") != "0":
        raise PmiRefused(f"the process manager refuses: {words.get('msg') or words}")
    return words


def parse(line: bytes) -> dict[str, str]:
    """Return the words NAME=VALUE of a line."""
    found = {}
    for word in line.decode("utf-8", "replace").split():
        name, _, value = word.partition("=")
        found[name] = value
    return found
