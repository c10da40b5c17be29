"""Jobs and functions in the manner of `concurrent.futures`.

    with bourn.Executor() as executor:
        futures = [executor.submit(Jobspec.from_command(["app", str(i)])) for i in range(100)]
        for future in concurrent.futures.as_completed(futures):
            print(future.jobid(), future.result())
        print(sum(executor.map(math.factorial, range(100))))

A jobspec becomes a job, whose future is an `ExecutorFuture`. A callable is run by one of the executor's
workers, which are jobs themselves and start with the first call.

One background thread with a connection of its own serves all of it: what is submitted while a request is
under way goes into the next one, and one stream of events tells of all jobs. Callbacks run in that thread.
"""

from __future__ import annotations

import atexit
import concurrent.futures
import os
import select
import threading
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar, overload

from bourn.client.futures import CallFuture, ExecutorFuture, JobEvent, JobException, WorkerLost
from bourn.client.handle import Handle
from bourn.client.job_lane import JobLane
from bourn.client.submission import DEBUG, WAITABLE
from bourn.client.worker_options import WorkerOptions, refuse_in_import
from bourn.errors import BournError
from bourn.model.jobid import JobID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import ParamSpec

    from bourn.client.function_lane import FunctionLane
    from bourn.client.job_lane import Item
    from bourn.client.submission import JobspecLike

    P = ParamSpec("P")

T = TypeVar("T")

__all__ = ["Executor", "ExecutorFuture", "JobEvent", "JobException", "WorkerLost"]


class Executor(concurrent.futures.Executor):
    """Submits jobs to the instance at `uri` (default: the environment's). Raises BournError where there is
    none.

    The rest is about the workers that run functions. There are at most `workers` (default: as many as the
    instance has cores for), each with `cores_per_worker` and `gpus_per_worker`; `initializer` is called in
    each with `initargs` first. When a worker ends, the call that it ran is done again up to `retries` times.
    One that has had no call for `idle_timeout` seconds gives its cores back; others are started when they are
    needed. Further arguments are those of `Jobspec.from_command` for the workers' jobs: `queue`, `duration`,
    `environment`, `cwd`, `output`, ...
    """

    def __init__(
        self,
        uri: str | None = None,
        thread_name_prefix: str = "bourn-executor",
        *,
        workers: int | None = None,
        cores_per_worker: int = 1,
        gpus_per_worker: int = 0,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        retries: int = 0,
        idle_timeout: float | None = None,
        **job_options: Any,
    ) -> None:
        refuse_in_import()
        self._options = WorkerOptions(
            workers,
            cores_per_worker,
            gpus_per_worker,
            retries,
            idle_timeout,
            initializer,
            initargs,
            job_options,
        )
        self._handle = Handle(uri)
        self._lock = threading.Lock()
        self._todo: deque[Callable[[], None]] = deque()
        self._queue: deque[Item] = deque()
        self._calls: deque[tuple[CallFuture, Callable[..., Any], bytes]] = deque()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        self._poll = select.poll()
        self._closing = False
        self._jobs = JobLane(self._handle, self._queue)
        self._functions: FunctionLane | None = None
        self._thread = threading.Thread(target=self._serve, name=thread_name_prefix, daemon=True)
        self._thread.start()
        # A program that ends without shutdown() waits for its jobs, as with other executors.
        atexit.register(self.shutdown)

    @overload
    def submit(
        self, jobspec: JobspecLike, /, urgency: int = ..., waitable: bool = ..., debug: bool = ...
    ) -> ExecutorFuture: ...

    @overload
    def submit(
        self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> concurrent.futures.Future[T]: ...

    def submit(self, what: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Submit a job (a jobspec; `urgency`, `waitable`, `debug`), or the call of a function with its
        arguments; RuntimeError after `shutdown`.

        What can't be pickled is a BournError in the future. The exception of a call has the worker's
        traceback as its cause; a call whose worker ends, ends with `WorkerLost`.
        """
        if callable(what):
            return self._submit_call(what, args, kwargs)
        return self._submit_job(what, *args, **kwargs)

    def map(
        self,
        function: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
    ) -> Iterator[T]:
        """Return the results of calls, in order; `chunksize` of them are one call to a worker.

        Calls are sent in batches in any case; chunks save what a future costs.
        """
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1")
        if chunksize == 1:
            return super().map(function, *iterables, timeout=timeout)
        from functools import partial
        from itertools import chain

        from bourn.client.calls import call_each

        rows = list(zip(*iterables, strict=False))
        chunks = [rows[i : i + chunksize] for i in range(0, len(rows), chunksize)]
        found = super().map(partial(call_each, function), chunks, timeout=timeout)
        return chain.from_iterable(found)

    def attach(self, jobid: JobID | int | str) -> ExecutorFuture:
        """Return a future for a job that was submitted elsewhere; an unknown id is a ValueError in the
        future.
        """
        future = ExecutorFuture(self.cancelled)
        with self._lock:
            self._check_open()
            self._todo.append(lambda: self._jobs.attach(future, JobID(jobid)))
        self._wake()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more work; wait for what there is, or cancel what hasn't started. Workers end."""
        atexit.unregister(self.shutdown)
        with self._lock:
            self._closing = True
            if cancel_futures:
                self._todo.append(self._cancel_pending)
        self._wake()
        if wait:
            self._thread.join()

    def cancelled(self, future: ExecutorFuture) -> None:
        """Have a job cancelled whose future was."""
        with self._lock:
            self._todo.append(lambda: self._jobs.cancel(future))
        self._wake()

    def _submit_job(
        self, jobspec: JobspecLike, urgency: int = 16, waitable: bool = False, debug: bool = False
    ) -> ExecutorFuture:
        future = ExecutorFuture(self.cancelled)
        with self._lock:
            self._check_open()
            first = not self._queue
            self._queue.append((future, jobspec, urgency, WAITABLE * waitable | DEBUG * debug))
        if first:
            self._wake()
        return future

    def _submit_call(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> CallFuture:
        from bourn.client.calls import pack_call

        future = CallFuture()
        try:
            payload = pack_call(function, args, kwargs)
        except BournError as error:
            future.begin()
            future.set_exception(error)
            return future
        with self._lock:
            self._check_open()
            lane = self._functions or self._open_lane()
            first = not self._calls
            self._calls.append((future, function, payload))
        if first and lane.hungry:
            self._wake()
        return future

    def _open_lane(self) -> FunctionLane:
        """Make the function lane; what keeps it from that is raised where the first call was submitted."""
        from bourn.client.function_lane import FunctionLane

        self._functions = FunctionLane(self._handle, self._options, self._submit_worker, self._poll)
        return self._functions

    def _submit_worker(self, jobspec: dict[str, Any]) -> ExecutorFuture:
        """Queue the job of a worker; the executor's thread asks, on its way to the queue."""
        future = ExecutorFuture(self.cancelled)
        self._queue.append((future, jobspec, 16, 0))
        return future

    def _cancel_pending(self) -> None:
        for call in list(self._calls):
            call[0].cancel()
        self._jobs.cancel_pending()
        if self._functions is not None:
            self._functions.cancel_waiting()

    def _check_open(self) -> None:
        if self._closing:
            raise RuntimeError("cannot submit to an executor that was shut down")
        if self._jobs.broken is not None:
            raise RuntimeError(f"executor is broken: {self._jobs.broken}")

    def _wake(self) -> None:
        with suppress(OSError):  # the thread has ended
            os.write(self._wake_write, b"!")

    def _serve(self) -> None:
        """Be the background thread."""
        poll = self._poll
        poll.register(self._handle.fileno(), select.POLLIN)
        poll.register(self._wake_read, select.POLLIN)
        try:
            self._jobs.open()
            while not self._finished():
                lane = self._functions
                timeout = None if lane is None else lane.timeout()
                if self._handle.callbacks_due:
                    timeout = 0.0
                found = poll.poll(None if timeout is None else timeout * 1000)
                lane = self._functions  # the first call may have come meanwhile
                for fd, events in found:
                    if fd == self._wake_read:
                        os.read(fd, 4096)
                    elif lane is None or not lane.ready(fd, events):
                        self._handle.poll()
                self._handle.callbacks_run()
                while self._todo:
                    self._todo.popleft()()
                self._jobs.turn()
                if lane is not None:
                    self._turn_functions(lane)
        except BournError as error:
            self._jobs.fail(error)
            if self._functions is not None:
                self._functions.fail(error)
                self._turn_functions(self._functions)
        finally:
            if self._functions is not None:
                self._functions.close()
            self._handle.close()
            os.close(self._wake_read)
            write, self._wake_write = self._wake_write, -1
            os.close(write)

    def _turn_functions(self, lane: FunctionLane) -> None:
        while self._calls:
            lane.call(*self._calls.popleft())
        lane.turn()
        if self._queue:  # jobs of new workers
            self._jobs.turn()

    def _finished(self) -> bool:
        """Whether the executor was shut down and all work has ended; workers are let go when theirs has."""
        if not self._closing or self._todo or self._calls:
            return False
        lane = self._functions
        if lane is not None and lane.idle:
            lane.close()
        return (lane is None or lane.closed) and self._jobs.idle
