"""A session of `bourn resource-query`: a graph, a policy, a format, and the jobs that it has matched."""

from __future__ import annotations

import sys
import time
from typing import IO, TYPE_CHECKING, Any

from attrs import Factory, define

from bourn.errors import BournError
from bourn.hookspecs.resource_io import Selection
from bourn_plugins.sched_graph.request import compile_request, compile_variants
from bourn_plugins.sched_graph.resources import stock
from bourn_plugins.sched_graph.resources.graph import ResourceGraph
from bourn_plugins.sched_graph.walk.traverser import Op, Outcome, Result, Traverser

if TYPE_CHECKING:
    from bourn.hookspecs.resource_io import ResourceWriter, SelectedVertex
    from bourn.plugins import PluginManager

RULE = "INFO: ============================="


@define(eq=False)
class JobRecord:
    """A job that the session knows."""

    id: int
    state: str
    at: int
    file: str
    overhead: float

    @property
    def holds(self) -> bool:
        """Whether it has resources, now or later."""
        return self.state in ("ALLOCATED", "RESERVED")


@define(eq=False)
class Session:
    """What the commands work on. `out` takes matches and what belongs to them, standard output the rest."""

    traverser: Traverser
    writer: ResourceWriter
    out: IO[str]
    timed: bool = False
    flexible: bool = False
    puzzled: bool = False
    """Whether to tell of unknown commands: somebody types them."""
    over: bool = False
    next_job: int = 1
    jobs: dict[int, JobRecord] = Factory(dict)
    fastest: float = 0.0
    slowest: float = 0.0
    total_time: float = 0.0

    def say(self, *lines: str) -> None:
        """Print lines where matches go."""
        for line in lines:
            print(line, file=self.out)

    def write(self, vertices: list[SelectedVertex], start: int = 0, end: int = 0, queue: str = "") -> None:
        """Print what was selected in the session's format."""
        if vertices:
            attributes = {"queue": queue} if queue else {}
            subsystem = self.traverser.walker.subsystem
            self.out.write(self.writer.write(Selection(vertices, start, end, subsystem, attributes)))

    def match(self, op: Op, file: str) -> bool:
        """Run one match and print its answer; False if it found nothing."""
        text = read_file(file)
        begin = time.perf_counter()
        counts = op not in (Op.SATISFIABILITY, Op.DRY, Op.DRY_FUTURE)
        queue = ""
        try:
            jobspec = load_jobspec(text)
            requests = compile_variants(jobspec) if self.flexible else [compile_request(jobspec)]
            queue = requests[0].queue
            result = Result(Outcome.INVALID)
            for request in requests:
                result = self.traverser.match(request, op, self.next_job)
                if result.outcome is Outcome.MATCHED:
                    break
            if result.error:
                complain(f"match_allocate: ERROR: {file}: {result.error}")
                counts = counts and result.outcome is not Outcome.INVALID
        except (BournError, RecursionError) as error:
            reason = error.message if isinstance(error, BournError) else "is nested too deeply"
            complain(f"match_allocate: ERROR: Jobspec error for {self.next_job}: {file}: {reason}")
            result, counts = Result(Outcome.INVALID), False
        elapsed = time.perf_counter() - begin
        job = self.next_job
        if counts:
            self.next_job += 1
        matched = result.outcome is Outcome.MATCHED
        self.write(result.selected, result.at, result.end, queue)
        if op is Op.SATISFIABILITY:
            self.tell_satisfiable(matched, elapsed)
        else:
            dry = op in (Op.DRY, Op.DRY_FUTURE)
            self.tell_schedule(job, file, matched, result, elapsed, dry=dry)
        return matched

    def tell_satisfiable(self, satisfiable: bool, elapsed: float) -> None:
        """Print the answer to a satisfiability check."""
        self.say(RULE, f"INFO: {'Satisfiable' if satisfiable else 'Unsatisfiable'} request", RULE)
        self._tell_time(elapsed, sys.stdout)

    def tell_schedule(
        self, job: int, file: str, matched: bool, result: Result, elapsed: float, *, dry: bool = False
    ) -> None:
        """Print the answer to a match, and remember the job."""
        if not matched:
            self.say(RULE, "INFO: No matching resources found")
            if result.outcome is Outcome.UNSATISFIABLE:
                self.say("INFO: Unsatisfiable request")
            self.say(f"INFO: JOBID={job}")
            self._tell_time(elapsed, self.out)
            self.say(RULE)
            return
        state = "MATCHED" if dry else "RESERVED" if result.at else "ALLOCATED"
        self.say(RULE, f"INFO: JOBID={job}", f"INFO: RESOURCES={state}")
        self.say(f"INFO: SCHEDULED AT={result.at or 'Now'}")
        self._tell_time(elapsed, sys.stdout)
        self.say(RULE)
        if not dry:
            self.remember(JobRecord(job, state, result.at, file, elapsed))

    def remember(self, record: JobRecord) -> None:
        """Keep a job and what its match cost."""
        self.jobs[record.id] = record
        self.fastest = min(self.fastest or record.overhead, record.overhead)
        self.slowest = max(self.slowest, record.overhead)
        self.total_time += record.overhead

    def _tell_time(self, elapsed: float, out: IO[str]) -> None:
        if self.timed:
            print(f"INFO: ELAPSE={elapsed:f}", file=out)
            print(f"INFO: PREORDER VISIT COUNT={self.traverser.preorder}", file=out)
            print(f"INFO: POSTORDER VISIT COUNT={self.traverser.postorder}", file=out)


def complain(text: str) -> None:
    """Print an error; the session goes on."""
    sys.stdout.flush()
    print(text, file=sys.stderr)


def read_file(file: str) -> bytes:
    """Return a file's content."""
    try:
        with open(file, "rb") as stream:
            return stream.read()
    except OSError:
        raise BournError(f"can't open {file}") from None


def load_jobspec(text: bytes | str) -> Any:
    """Parse a jobspec in YAML or JSON; BournError has the line of a mistake."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return yaml.load(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise BournError(f"{place}{error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise BournError(" ".join(str(error).split())) from None


def load_graph(
    file: str, format: str, options: dict[str, Any], plugins: PluginManager | None = None
) -> ResourceGraph:
    """Read a graph from a file; BournError names the file and what is wrong in it.

    Without a format the file's name tells; where it doesn't, it is GRUG.
    """
    import gc

    reader = stock.reader(format, plugins) if format else stock.reader_of(file, plugins)
    content = b""
    if not reader.live:
        try:
            with open(file, "rb") as stream:
                content = stream.read()
        except OSError as error:
            raise BournError(f"{file}: {error.strerror}") from None
    graph = ResourceGraph()
    # A big graph is millions of objects and no garbage: collecting while it grows would double the time.
    enabled = gc.isenabled()
    gc.disable()
    try:
        resources = reader.read(content, options)
        if resources.build is not None:
            resources.build(graph)
        elif resources.R is not None:
            from bourn_plugins.graph_readers.rv1 import build_rv1

            build_rv1(graph, resources.R)
    except BournError as error:
        raise BournError(f"{file}: {error.message}") from None
    finally:
        if enabled:
            gc.enable()
    return graph
