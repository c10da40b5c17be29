"""Standard output and error: to the store as an RFC 24 eventlog, to files, or nowhere."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from bourn.errors import BournError
from bourn.hookspecs import hookimpl
from bourn.hookspecs.shell import ShellPlugin
from bourn.shell import stdio, templates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bourn.shell.job import ShellJob
    from bourn.shell.spec import ShellSpec
    from bourn.shell.task import ShellTask

STREAMS = ("stdout", "stderr")
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_LONGEST_LINE = 1 << 16


class Output(ShellPlugin):
    """Gives each task its standard output and error.

    * ``output.{stdout,stderr}.type`` = kvs (the store; default), file, none; ``.path`` may hold tags;
      ``.label`` puts the task's rank before each line; ``.buffer.type`` = line (default), none
    * ``output.mode`` = truncate (default), append
    * ``output.limit`` = SIZE: what a job may write to the store, as 10M

    Standard error goes to the file of standard output if nothing is said about it.
    """

    name = "output"
    options = ("output",)

    def wants(self, spec: ShellSpec) -> bool:
        return True

    def validate(self, spec: ShellSpec) -> None:
        spec.data[self.name] = _Plan(spec)

    def task_init(self, job: ShellJob, task: ShellTask) -> None:
        plan: _Plan = job.spec.data[self.name]
        if task.terminal is not None:
            job.capture_terminal(task, _terminal_sink(job, task, plan))
            return
        if plan.simple and job.place.size == 1:
            # Tasks that write little or nothing are the many: their sinks are made of the least.
            writer = job.data[self.name] = _Store(job, plan)
            task.stdout = job.capture(task, _Sink(writer, "stdout", task.rank, False))
            task.stderr = job.capture(task, _Sink(writer, "stderr", task.rank, False))
            return
        task.stdout = _open(job, task, plan, "stdout")
        task.stderr = _open(job, task, plan, "stderr")

    def finish(self, job: ShellJob) -> None:
        writer: _Store | None = job.data.get(self.name)
        if writer is not None:
            writer.end()

    def exit(self, job: ShellJob) -> None:
        files: dict[str, int] | None = job.data.get("output.files")
        if files:
            for fd in files.values():
                os.close(fd)


class _Plan:
    """The options, checked once for all jobs of a jobspec."""

    def __init__(self, spec: ShellSpec) -> None:
        self.type: dict[str, str] = {}
        self.path: dict[str, str] = {}
        self.label: dict[str, bool] = {}
        self.lines: dict[str, bool] = {}
        _check_table(spec, "output", ("mode", "limit", "batch-timeout", *STREAMS), "limit=1G")
        for stream in STREAMS:
            self._stream(spec, stream)
        mode = spec.option("output.mode", "truncate")
        if mode not in ("truncate", "append"):
            raise BournError(f"-o output.mode={mode}: right is truncate or append")
        self.append = mode == "append"
        self.limit = _size(spec.option("output.limit"))
        self.simple = all(self.type[stream] == "kvs" for stream in STREAMS)

    def _stream(self, spec: ShellSpec, stream: str) -> None:
        key = f"output.{stream}"
        _check_table(spec, key, ("type", "path", "label", "buffer"), "type=file")
        path = spec.option(f"{key}.path")
        kind = spec.option(f"{key}.type", "file" if path else "kvs")
        if stream == "stderr" and spec.option(key) is None and self.type["stdout"] == "file":
            kind, path = "file", self.path["stdout"]
        if kind not in ("kvs", "file", "none"):
            raise BournError(f"-o {key}.type={kind}: right is kvs, file or none")
        if kind == "file":
            if not isinstance(path, str) or not path:
                raise BournError(f"-o {key}.type=file: give {key}.path as well")
            templates.check(path, f"{key}.path")
            self.path[stream] = os.path.join(spec.cwd, path)
        buffer = spec.option(f"{key}.buffer.type", "line")
        if buffer not in ("line", "none"):
            raise BournError(f"-o {key}.buffer.type={buffer}: right is line or none")
        self.type[stream] = kind
        self.lines[stream] = buffer == "line"
        self.label[stream] = spec.switch(f"{key}.label") or (
            stream == "stderr" and spec.option(key) is None and self.label["stdout"]
        )


def _check_table(spec: ShellSpec, key: str, known: tuple[str, ...], example: str) -> None:
    """Refuse an option below `key` that isn't known, and a value in place of options."""
    found = spec.option(key, {})
    if not isinstance(found, dict):
        raise BournError(f"-o {key}={found}: name an option below it, as -o {key}.{example}")
    spec.table(key, known)


class _Store:
    """Collects what the tasks of a job write into the job's ``guest.output``."""

    __slots__ = ("_cut", "_job", "_left", "_seen")

    def __init__(self, job: ShellJob, plan: _Plan) -> None:
        self._job = job
        self._left = plan.limit
        self._cut = False
        self._seen: dict[tuple[str, int], None] = {}

    def write(self, stream: str, rank: int, data: bytes) -> None:
        """Add data, as far as the limit allows."""
        if self._left is not None:
            if len(data) > self._left:
                if self._cut:
                    return
                self._cut = True
                data = data[: self._left]
                data = data[: stdio.split_text(data)]
                mark = b"bourn: the job's output is cut here (-o output.limit)\n"
                self._add("stderr", rank, mark if data[-1:] in (b"\n", b"") else b"\n" + mark)
            self._left -= len(data)
        if data:
            self._add(stream, rank, data)

    def _add(self, stream: str, rank: int, data: bytes) -> None:
        self._seen[stream, rank] = None
        self._job.log("guest.output", stdio.data(stream, str(rank), data))
        self._job.output(len(data))

    def end(self) -> None:
        """Mark the end of each stream that something was written to; a silent job leaves no log."""
        if self._seen:
            self._job.log("guest.output", "".join(stdio.end(s, str(r)) for s, r in self._seen))


class _Sink:
    """One stream of one task on its way to the store; cuts neither characters nor, if wanted, lines."""

    __slots__ = ("_lines", "_rank", "_rest", "_store", "_stream")

    def __init__(self, store: _Store, stream: str, rank: int, lines: bool) -> None:
        self._store = store
        self._stream = stream
        self._rank = rank
        self._lines = lines
        self._rest = b""

    def __call__(self, data: bytes) -> None:
        if not data:
            if self._rest:
                self._store.write(self._stream, self._rank, self._rest)
            return
        data = self._rest + data
        size = data.rfind(b"\n") + 1 if self._lines and len(data) < _LONGEST_LINE else stdio.split_text(data)
        self._rest = data[size:]
        if size:
            self._store.write(self._stream, self._rank, data[:size])


class _Labelled:
    """One stream of one task on its way to a file, each line with the task's rank in front."""

    __slots__ = ("_fd", "_label", "_rest")

    def __init__(self, fd: int, rank: int) -> None:
        self._fd = fd
        self._label = b"%d: " % rank
        self._rest = b""

    def __call__(self, data: bytes) -> None:
        whole, newline, self._rest = (self._rest + data).rpartition(b"\n")
        text = b"".join(self._label + line + b"\n" for line in whole.split(b"\n")) if newline else b""
        if self._rest and (not data or len(self._rest) > _LONGEST_LINE):
            text += self._label + self._rest + b"\n"
            self._rest = b""
        if text:
            _write_all(self._fd, text)


def _open(job: ShellJob, task: ShellTask, plan: _Plan, stream: str) -> int:
    kind = plan.type[stream]
    if kind == "none":
        return task.stdout if stream == "stdout" else task.stderr
    if kind == "kvs":
        store = job.data.get("output")
        if store is None:
            store = job.data["output"] = _Store(job, plan)
        lines = plan.lines[stream] and job.place.size > 1
        return job.capture(task, _Sink(store, stream, task.rank, lines))
    fd = _file(job, task, plan, stream)
    if plan.label[stream]:
        return job.capture(task, _Labelled(fd, task.rank))
    return fd


def _terminal_sink(job: ShellJob, task: ShellTask, plan: _Plan) -> Callable[[bytes], None]:
    kind = plan.type["stdout"] if job.spec.switch("pty.capture", default=True) else "none"
    if kind == "none":
        return lambda data: None
    if kind == "kvs":
        store = job.data.get("output")
        if store is None:
            store = job.data["output"] = _Store(job, plan)
        return _Sink(store, "stdout", task.rank, False)
    fd = _file(job, task, plan, "stdout")
    return _Labelled(fd, task.rank) if plan.label["stdout"] else partial(_write_all, fd)


def _file(job: ShellJob, task: ShellTask, plan: _Plan, stream: str) -> int:
    files: dict[str, int] = job.data.setdefault("output.files", {})
    template = plan.path[stream]
    path = templates.render(template, job, task)
    fd = files.get(path)
    if fd is None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        own = templates.per_task(template) or templates.per_node(template)
        if not plan.append and (job.place.nodeid == 0 or own):
            flags |= os.O_TRUNC
        try:
            fd = files[path] = os.open(path, flags, 0o666)
        except OSError as error:
            raise BournError(f"output file {path}: {error.strerror}") from error
    if templates.per_task(template):
        job.log("guest.output", stdio.redirect(stream, str(task.rank), path))
    elif templates.per_node(template):
        if task.local == 0:
            from bourn.model.idset import IdSet

            job.log("guest.output", stdio.redirect(stream, str(IdSet(job.ranks)), path))
    elif task.rank == 0:
        size = job.place.size
        job.log("guest.output", stdio.redirect(stream, f"0-{size - 1}" if size > 1 else "0", path))
    return fd


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _size(value: object) -> int | None:
    if value is None or value == "unlimited":
        return None
    text = str(value).strip().lower().removesuffix("b")
    number, unit = (text[:-1], text[-1:]) if text[-1:] in _UNITS else (text, "")
    try:
        size = int(float(number) * _UNITS[unit])
    except ValueError:
        size = -1
    if size < 0:
        raise BournError(f"-o output.limit={value}: right is a size as 512K, 10M or 1G, or unlimited")
    return size


@hookimpl
def bourn_shell_plugins() -> Iterable[ShellPlugin]:
    """Register the plugin."""
    yield Output()
