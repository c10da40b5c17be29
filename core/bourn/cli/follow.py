"""Following the jobs of a submission: `--wait`, `--wait-event`, `--watch`, `--log`, `--progress`.

One stream of the instance's journal tells of all jobs; a user who may not read it follows each job's own eventlog.
The journal is opened before the jobs are submitted, so that no event is missed.
"""

from __future__ import annotations

import errno
import sys
import time
from typing import TYPE_CHECKING, Any

from bourn.client.events import ended, entries, watch_log_async
from bourn.client.output import OutputPrinter
from bourn.client.progress import ProgressTable
from bourn.errors import BournError, RPCError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Mapping, Sequence
    from typing import BinaryIO

    from bourn.cli.progressbar import ProgressBar
    from bourn.cli.submit import Item
    from bourn.client.handle import Future, Handle
    from bourn.client.progress import JobProgress
    from bourn.model.jobid import JobID


class Follower:
    """Submits, then follows to the end."""

    def __init__(self, h: Handle, args: Namespace, items: Sequence[Item]) -> None:
        self._h = h
        self._args = args
        self._items = items
        self._wanted = args.wait_event or "clean"
        self._table = ProgressTable(())
        self._files: dict[str, BinaryIO] = {}
        self._printers: dict[int, OutputPrinter] = {}
        self._outputs = 0
        self._bar: ProgressBar | None = None
        self._zero = time.time()

    def run(self, submit: Callable[[], list[JobID]]) -> int:
        """Return the worst exit status of the jobs."""
        args = self._args
        verbose = args.verbose > 1
        allow = {"start", "finish", "exception", "clean", self._wanted}
        request: dict[str, Any] = {"full": False, "since": self._zero - 1}
        if not verbose:
            request["allow"] = sorted(allow)
        journal = self._h.rpc("job-manager.journal", request, streaming=True)
        try:
            ids = submit()
            self._table = ProgressTable(ids, self._wanted)
            for id, item in zip(ids, self._items, strict=True):
                out = self._file(item.args.log, sys.stdout.buffer)
                if not args.quiet:
                    out.write(f"{id}\n".encode())
                    out.flush()
                if args.watch or args.log or args.log_stderr:
                    err = self._file(item.args.log_stderr, out if item.args.log else sys.stderr.buffer)
                    self._printers[id] = OutputPrinter(out, err, args.label_io)
            if not (args.wait or args.wait_event or args.watch or args.progress):
                self._table.left = 0
            if args.progress:
                from bourn.cli.progressbar import ProgressBar

                self._bar = ProgressBar(self._table, args.jps)
            self._follow(journal)
        finally:
            if self._bar is not None:
                self._bar.close()
            for file in self._files.values():
                file.close()
        return 0 if args.wait_event else self._table.exitcode

    def _follow(self, journal: Future) -> None:
        if not self._table.left:
            return
        journal.then(self._journal)
        self._h.reactor_run()

    def _file(self, path: str | None, default: BinaryIO) -> BinaryIO:
        if path is None:
            return default
        if path not in self._files:
            self._files[path] = open(path, "wb")
        return self._files[path]

    def _journal(self, future: Future) -> None:
        try:
            reply = future.get()
        except RPCError as error:
            if error.errnum != errno.EPERM:
                raise
            for id in self._table.jobs:
                watch_log_async(self._h, id).then(self._own_log, id)
            return
        for event in reply.get("events", ()):
            self._event(event["id"], event["entry"])
        future.reset()
        self._check()

    def _own_log(self, future: Future, id: int) -> None:
        try:
            batch = entries(future.get())
        except BournError as error:
            if not ended(error):
                raise
            return
        for entry in batch:
            self._event(id, entry)
        future.reset()
        self._check()

    def _event(self, id: int, entry: Mapping[str, Any]) -> None:
        job = self._table.event(id, entry)
        if job is None:
            return
        name = entry["name"]
        if name == "start" and id in self._printers and self._args.watch:
            self._outputs += 1
            watch_log_async(self._h, id, "guest.output").then(self._output, id)
        self._tell(job, entry)
        if self._bar is not None:
            self._bar.update()

    def _tell(self, job: JobProgress, entry: Mapping[str, Any]) -> None:
        from bourn.model.jobid import JobID

        name, context = entry["name"], entry.get("context", {})
        text = ""
        if name == "exception":
            text = f"exception: type={context['type']} severity={context['severity']} {context.get('note', '')}".rstrip()
        elif name == "finish" and self._args.verbose:
            text = f"complete: status={job.exitcode}"
        elif self._args.verbose > 1:
            text = f"{entry['timestamp'] - self._zero:.3f}s {name}"
        if text:
            line = f"{JobID(job.id)}: {text}"
            if self._bar is not None:
                self._bar.print(line)
            else:
                print(line, file=sys.stderr)

    def _output(self, future: Future, id: int) -> None:
        try:
            batch = entries(future.get())
        except BournError as error:
            if not ended(error):
                raise
            self._outputs -= 1
            self._check()
            return
        self._printers[id].write(batch)
        future.reset()

    def _check(self) -> None:
        if not self._table.left and not self._outputs:
            self._h.reactor_stop()
