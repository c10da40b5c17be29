"""Lines of stdio eventlogs (RFC 24)."""

from __future__ import annotations

import time
from base64 import b64encode

import msgspec

_quote = msgspec.json.encode


def header(ntasks: int, label: bool = False) -> str:
    """Return the first line of ``guest.output``."""
    options = '{"label":true}' if label else "{}"
    return (
        f'{{"timestamp":{time.time():.6f},"name":"header","context":{{"version":1,'
        '"encoding":{"stdout":"UTF-8","stderr":"UTF-8"},'
        f'"count":{{"stdout":{ntasks},"stderr":{ntasks}}},"options":{options}}}}}\n'
    )


def data(stream: str, rank: str, chunk: bytes, eof: bool = False) -> str:
    """Return a line that carries what tasks `rank` (idset) wrote: as text if it is UTF-8, else in base64."""
    try:
        body = f'"data":{_quote(chunk.decode()).decode()}'
    except UnicodeDecodeError:
        body = f'"encoding":"base64","data":"{b64encode(chunk).decode()}"'
    return _event("data", f'"stream":"{stream}","rank":"{rank}",{body}' + (',"eof":true' if eof else ""))


def end(stream: str, rank: str) -> str:
    """Return a line that says that tasks `rank` write no more."""
    return _event("data", f'"stream":"{stream}","rank":"{rank}","eof":true')


def redirect(stream: str, rank: str, path: str) -> str:
    """Return a line that says that a stream of tasks `rank` goes to a file."""
    return _event("redirect", f'"stream":"{stream}","rank":"{rank}","path":{_quote(path).decode()}')


def split_text(chunk: bytes) -> int:
    """Return how many bytes of `chunk` to take so that no UTF-8 character is cut at its end."""
    size = len(chunk)
    for back in range(1, min(4, size + 1)):
        byte = chunk[size - back]
        if byte & 0xC0 != 0x80:
            # The start of the last character: is all of it there?
            length = 1 if byte < 0x80 else 2 if byte >> 5 == 6 else 3 if byte >> 4 == 14 else 4
            return size - back if byte >= 0xC0 and length > back else size
    return size


def _event(name: str, context: str) -> str:
    return f'{{"timestamp":{time.time():.6f},"name":"{name}","context":{{{context}}}}}\n'
