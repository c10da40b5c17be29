"""Following jobs: `--wait`, `--wait-event`, `--watch`, `--log`, `--progress`, and `bourn watch`.

One stream of the instance's journal tells of all jobs of a submission; it is opened before they are
submitted, so that no event is missed. A user who may not read it, and whoever follows a few jobs that are
there already, reads each job's log.

Ctrl-C ends the following, not the jobs.
"""

from __future__ import annotations

import errno
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from bourn.client.events import ended, entries, watch_log_async
from bourn.client.output import OutputPrinter
from bourn.client.progress import ProgressTable
from bourn.errors import BournError, RPCError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import BinaryIO

    from bourn.cli.progressbar import ProgressBar
    from bourn.cli.sending import Item, Sent
    from bourn.client.handle import Future, Handle
    from bourn.client.progress import JobProgress
    from bourn.model.jobid import JobID


MANY = 16
"""More jobs than this are followed by the journal rather than each by its own log."""
TICK = 1.0
"""Seconds after which the bar's clock is drawn anew."""


class Follower:
    """Follows the jobs of a submission, or any others, to the end."""

    def __init__(self, h: Handle, args: Namespace) -> None:
        self._h = h
        self._args = args
        self._wanted = args.wait_event or "clean"
        self._table = ProgressTable(())
        self._files: dict[str, BinaryIO] = {}
        self._printers: dict[int, OutputPrinter] = {}
        self._outputs = 0
        self._bar: ProgressBar | None = None
        self._zero = time.time()

    def submit(self, items: Sequence[Item], submit: Callable[[], Sent]) -> int:
        """Submit, follow, and return the worst exit status."""
        journal = self._open_journal(live=True)
        try:
            sent = submit()
            ids = sent.ids
            several = len(ids) > 1
            if self._args.array and not self._args.quiet:
                print("\n".join(map(str, sent.arrays)))
            for id, item in zip(ids, items, strict=True):
                out = self._file(item.args.log, sys.stdout.buffer)
                if not self._args.quiet and not self._args.array:
                    out.write(f"{id}\n".encode())
                err = self._file(item.args.log_stderr, out if item.args.log else sys.stderr.buffer)
                prefix = f"{id}: " if several else ""
                self._printers[id] = OutputPrinter(out, err, self._args.label_io, prefix)
            sys.stdout.flush()
            if (
                self._args.wait
                or self._args.wait_event
                or self._args.watch
                or self._args.progress
                or self._args.jps
            ):
                return self._follow(ids, journal)
        finally:
            self._close()
        return 0

    def follow(self, ids: Sequence[JobID]) -> int:
        """Follow jobs that are there already; return the worst exit status."""
        for id in ids:
            prefix = f"{id}: " if len(ids) > 1 else ""
            self._printers[id] = OutputPrinter(
                sys.stdout.buffer, sys.stderr.buffer, self._args.label_io, prefix
            )
        try:
            return self._follow(ids, self._open_journal(live=False) if len(ids) > MANY else None)
        finally:
            self._close()

    def _open_journal(self, live: bool) -> Future | None:
        """Open the journal, for what is to come and, unless `live`, the past of active jobs; None if we may
        not read it.
        """
        request: dict[str, Any] = {"live": live, "lean": True}
        if self._args.verbose < 2:
            past = () if live else ("submit",)
            request["allow"] = sorted({"start", "finish", "exception", "retry", "clean", self._wanted, *past})
        journal = self._h.rpc("job-manager.journal", request, streaming=True)
        try:
            first = journal.get()
        except RPCError as error:
            if error.errnum != errno.EPERM:
                raise
            return None
        if first.get("sentinel"):
            journal.reset()
        return journal

    def _follow(self, ids: Sequence[JobID], journal: Future | None) -> int:
        self._table = ProgressTable(ids, self._wanted)
        if self._args.progress or self._args.jps:
            from bourn.cli.progressbar import ProgressBar

            self._bar = ProgressBar(self._table, self._args.jps)
        if journal is not None:
            journal.then(self._journal)
        else:
            self._follow_logs(ids)
        try:
            while self._table.left or self._outputs:
                with suppress(TimeoutError):
                    self._h.reactor_run(TICK if self._bar is not None else None)
                if self._bar is not None:
                    self._bar.update()
        except KeyboardInterrupt:
            self._tell_detached()
            raise
        return 0 if self._args.wait_event else self._table.exitcode

    def _follow_logs(self, ids: Iterable[int]) -> None:
        for id in ids:
            watch_log_async(self._h, id).then(self._own_log, id)

    def _tell_detached(self) -> None:
        from bourn.model.jobid import JobID

        if self._bar is not None:
            self._bar.hide()
        left = [job.id for job in self._table.jobs.values() if not job.done]
        if left:
            what = " ".join(str(JobID(id)) for id in left) if len(left) <= 3 else "--all"
            verb = "job goes" if len(left) == 1 else "jobs go"
            print(f"\nbourn: {len(left)} {verb} on; `bourn cancel {what}` ends what runs", file=sys.stderr)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        for file in self._files.values():
            file.close()

    def _file(self, path: str | None, default: BinaryIO) -> BinaryIO:
        if path is None:
            return default
        if path not in self._files:
            self._files[path] = open(path, "wb")  # noqa: SIM115  # closed with the others
        return self._files[path]

    def _journal(self, future: Future) -> None:
        reply = future.get()
        for event in reply.get("events", ()):
            self._event(event["id"], event["entry"])
        if reply.get("sentinel"):
            # What the past of active jobs doesn't tell of has ended.
            self._follow_logs([job.id for job in self._table.jobs.values() if not job.submitted])
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
            text = f"exception: type={context['type']} severity={context['severity']}"
            text += f" {context['note']}" if context.get("note") else ""
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
        if self._bar is not None:
            self._bar.hide()
        self._printers[id].write(batch)
        future.reset()

    def _check(self) -> None:
        if not self._table.left and not self._outputs:
            self._h.reactor_stop()
