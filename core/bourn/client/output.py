"""Standard output and error of a job, as its `guest.output` eventlog holds them (RFC 24): bytes in, bytes
out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import BinaryIO


class Output(NamedTuple):
    """A piece of output: the stream (`stdout`, `stderr`), the ranks of the tasks as an idset, bytes, end of
    file.
    """

    stream: str
    ranks: str
    data: bytes
    eof: bool


def decode_output(entry: Mapping[str, Any]) -> Output | None:
    """Return the output that an eventlog entry holds; None for any other entry (header, redirect, log)."""
    if entry.get("name") != "data":
        return None
    context = entry["context"]
    text = context.get("data")
    if text is None:
        data = b""
    elif context.get("encoding") == "base64":
        from base64 import b64decode

        data = b64decode(text)
    else:
        # Bytes that aren't UTF-8 travel as surrogates where a writer didn't choose base64.
        data = text.encode("utf-8", "surrogateescape")
    if context.get("repeat"):
        data *= int(context["repeat"])
    return Output(
        context.get("stream", "stdout"), str(context.get("rank", "0")), data, bool(context.get("eof"))
    )


class OutputPrinter:
    """Writes output to two binary files, with `prefix` and the task's rank before each line if `label` is
    on.
    """

    def __init__(self, stdout: BinaryIO, stderr: BinaryIO, label: bool = False, prefix: str = "") -> None:
        self._files = {"stdout": stdout, "stderr": stderr}
        self._label = label
        self._prefix = prefix
        self._open: dict[str, str] = {}

    def write(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Print what eventlog entries hold, and flush."""
        for entry in entries:
            output = decode_output(entry)
            if output is not None:
                if output.data:
                    self._print(output)
            elif entry.get("name") == "redirect":
                self._tell_redirect(entry["context"])
            elif entry.get("name") == "log":
                self._log(entry["context"])
        for file in self._files.values():
            file.flush()

    def _print(self, output: Output) -> None:
        file = self._files.get(output.stream)
        if file is None:
            return
        if not self._label:
            file.write(output.data)
            return
        for rank in _each(output.ranks):
            for line in _lines(output.data):
                # An unfinished line goes on where its task does, if nobody came between.
                if self._open.get(output.stream) != rank:
                    if output.stream in self._open:
                        file.write(b"\n")
                    file.write(f"{self._prefix}{rank}: ".encode())
                file.write(line)
                if line.endswith(b"\n"):
                    self._open.pop(output.stream, None)
                else:
                    self._open[output.stream] = rank

    def _tell_redirect(self, context: Mapping[str, Any]) -> None:
        for rank in _each(str(context.get("rank", "0"))):
            stream, path = context.get("stream", "stdout"), context.get("path", "")
            self._files["stderr"].write(f"{rank}: {stream} redirected to {path}\n".encode())

    def _log(self, context: Mapping[str, Any]) -> None:
        level = ("EMERG", "ALERT", "FATAL", "ERROR", "WARN", "NOTICE", "INFO", "DEBUG")
        number = int(context.get("level", 6))
        if number > 4:
            return
        component = f"{context['component']}: " if context.get("component") else ""
        prefix = f"bourn-shell[{context.get('rank', 0)}]: {level[number]}: {component}"
        self._files["stderr"].write(f"{prefix}{context.get('message', '')}\n".encode())


def _lines(data: bytes) -> list[bytes]:
    """Split after each newline only; `bytes.splitlines` would split at carriage returns as well."""
    lines = [line + b"\n" for line in data.split(b"\n")]
    last = lines.pop()[:-1]
    return [*lines, last] if last else lines


def _each(ranks: str) -> Iterator[str]:
    if ranks.isdigit():
        yield ranks
        return
    from bourn.model.idset import IdSet

    yield from map(str, IdSet(ranks))
