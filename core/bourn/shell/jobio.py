"""What goes into a job's tasks on one node, and what comes out: pipes, terminals, sockets.

Output flows only as fast as the store takes it: a job has `OUTPUT_WINDOW` bytes on the way at most.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

from bourn.model.idset import parse_mask
from bourn.shell.channel import Channel, pair
from bourn.shell.stream import Stream, Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bourn.shell.host import Host
    from bourn.shell.task import ShellTask

OUTPUT_WINDOW = 1 << 20
"""Bytes of output that a job may have on the way to the store; beyond it, its pipes aren't read."""


class JobIO:
    """The part of a job that plugins give its tasks their descriptors by; see `bourn.shell.job`."""

    __slots__ = ("_early", "_going", "_host", "_open", "_running", "_unacked", "_unsent", "id", "tasks")

    def __init__(self, host: Host, id: int) -> None:
        self._host = host
        self.id = id
        self.tasks: list[ShellTask] = []
        self._going = False
        """Whether its tasks are started, or never will be."""
        self._early: list[Callable[[], None]] = []
        """What clients have sent before that."""
        self._running = 0
        """Tasks that haven't ended."""
        self._open = 0
        """Streams that haven't."""
        self._unacked = 0
        self._unsent = 0

    def output(self, size: int) -> None:
        """Count bytes of output that go to the store, so that a flood of them waits for the store."""
        self._unacked += size
        self._unsent += size
        self._host.written.add(self)
        if self._unacked > OUTPUT_WINDOW:
            for stream in self._streams():
                stream.pause()

    def capture(self, task: ShellTask, sink: Callable[[bytes], None]) -> int:
        """Return the writing end of a new pipe for `task`; what is written goes to `sink`, b"" at its end."""
        read, write = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(read, False)
        task.open_fds.append(write)
        task.streams.append(Stream(self._host.loop, self, read, sink))
        self._open += 1
        return write

    def feed(self, task: ShellTask) -> int:
        """Return the reading end of a new pipe for the task's standard input; data comes from clients."""
        read, write = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(write, False)
        task.open_fds.append(read)
        task.writer = Writer(self._host.loop, write)
        return read

    def open_terminal(self, task: ShellTask, rows: int, columns: int) -> None:
        """Give `task` a pseudo-terminal, which clients type into; `capture_terminal` reads it."""
        from bourn.shell.terminal import Terminal

        terminal = task.terminal = Terminal(self._host.loop, rows, columns)
        task.open_fds.append(terminal.slave)
        task.writer = terminal.writer()

    def capture_terminal(self, task: ShellTask, sink: Callable[[bytes], None]) -> None:
        """Have what is written to the task's terminal go to `sink`, b"" at its end."""
        assert task.terminal is not None
        task.terminal.capture(self, sink)
        assert task.terminal.stream is not None
        task.streams.append(task.terminal.stream)
        self._open += 1

    def resize(self, ranks: str, rows: int, columns: int) -> None:
        """Set the size of tasks' terminals."""
        if not self._going:
            self._early.append(partial(self.resize, ranks, rows, columns))
            return
        chosen = -1 if ranks == "all" else parse_mask(ranks)
        for task in self.tasks:
            if task.terminal is not None and chosen >> task.rank & 1:
                task.terminal.resize(rows, columns)

    def channel(self, task: ShellTask, number: int, received: Callable[[bytes], None]) -> Channel:
        """Give `task` a socket as its descriptor `number`; what it writes there goes to `received`.

        The job ends without waiting for the socket: `drain` it when the task ends, close it in ``exit``.
        """
        ours, theirs = pair()
        task.open_fds.append(theirs)
        task.inherit += ((theirs, number),)
        return Channel(self._host.loop, ours, partial(self._guard, received))

    def feed_tasks(self, ranks: str, data: bytes, eof: bool, taken: Callable[[], None]) -> None:
        """Write to the tasks that take input from clients; `taken` is called when all have it."""
        if not self._going:
            self._early.append(partial(self.feed_tasks, ranks, data, eof, taken))
            return
        chosen = -1 if ranks == "all" else parse_mask(ranks)
        writers = [t.writer for t in self.tasks if t.writer is not None and chosen >> t.rank & 1]
        left = len(writers)

        def one_has() -> None:
            nonlocal left
            left -= 1
            if left <= 0:
                taken()

        if not writers:
            taken()
        for writer in writers:
            writer.write(data, eof, one_has)

    def received(self, stream: Stream, sink: Callable[[bytes], None], data: bytes) -> None:
        """Take data, or the end, of a stream."""
        self._guard(sink, data)
        if not data:
            self._open -= 1
            if not self._running and not self._open:
                self._end()
        elif self._unacked > OUTPUT_WINDOW:
            stream.pause()

    def _streams(self) -> Iterator[Stream]:
        return (stream for task in self.tasks for stream in task.streams)

    def flushed(self) -> int:
        """Return the bytes of output that went into the report that is being made."""
        size, self._unsent = self._unsent, 0
        return size

    def acknowledged(self, size: int) -> None:
        """Note that `size` bytes of output are durable; read on if that was waited for."""
        self._unacked -= size
        if self._unacked <= OUTPUT_WINDOW:
            for stream in self._streams():
                stream.resume()

    def _guard(self, callback: Callable[..., None], *args: Any) -> None:
        """Call a plugin's function; what it raises is its job's failure."""
        raise NotImplementedError

    def _end(self) -> None:
        """End the job: nothing runs, and nothing is to be read any more."""
        raise NotImplementedError
