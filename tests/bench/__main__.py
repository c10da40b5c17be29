"""`python -m tests.bench [NAME ... | all]`."""

from __future__ import annotations

import sys
from importlib import import_module

BENCHMARKS = {
    "throughput": "real no-op jobs, against a bare spawn loop",
    "mocked": "jobs with execution mocked, 2,000 and 64,000, against bare SQLite rows",
    "submission": "2,000 jobs submitted and acknowledged durable, against bare SQLite rows",
    "rpc": "round trips from Python, against a bare socket echo",
    "functions": "function calls through warm workers, against ProcessPoolExecutor",
    "kvs": "put and commit, one at a time, and get, against bare SQLite commits",
    "nested": "an instance in an instance: to its first job; 2,000 jobs through two, against one level",
    "hierarchy": "2,000 jobs through trees of depth 1, 2 and 3, submitted to the root",
    "levels": "CPU time of a job on each level of a tree, as `bourn simulate --tree` takes it",
    "startup": "start an instance, run `true`, stop, against starting Python",
    "overlay": "start of 4 to 256 brokers; RPC over 1 to 3 hops; an event to 64 brokers; memory",
    "run_true": "`bourn run true` in a warm instance, against starting Python",
    "jobs_list": "`bourn jobs -a` over 2,000 finished jobs, against starting Python",
    "memory": "the broker at start, after 2,500 and after 100,000 finished jobs",
    "job_manager": "the job manager alone: microseconds a job",
    "shell_host": "the shell host alone: jobs/s, against a bare spawn loop",
    "tasks": "1,000 tasks in one job, against a bare spawn loop",
    "output": "a job's output to a file, the store and a client: MB/s, against a bare pipe",
    "pmi": "PMI-1 exchange of 64 tasks",
    "match": "the graph scheduler's matcher alone: matches/s",
}


def main() -> int:
    """Run the named benchmarks, each of which prints its own lines."""
    names = sys.argv[1:]
    if not names:
        for name, what in BENCHMARKS.items():
            print(f"{name:12} {what}")
        return 0
    names = list(BENCHMARKS) if names == ["all"] else names
    for name in names:
        if name not in BENCHMARKS:
            print(f"tests.bench: no benchmark '{name}'; there are: {', '.join(BENCHMARKS)}", file=sys.stderr)
            return 2
    for name in names:
        import_module(f"tests.bench.{name}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main())
