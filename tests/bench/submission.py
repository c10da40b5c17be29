"""Jobs submitted by one client and acknowledged durable, with nothing started."""

from __future__ import annotations

import subprocess
import time

import bourn
from tests.bench import bare, report
from tests.bench.instance import MOCK, bourn_command, instance, jobspec, submit

COUNT = 2000


def main() -> None:
    """Print jobs/s by one request, by many requests under way at once, of unlike jobs, and by command."""
    loop = bare.sqlite_rows()
    with instance(MOCK) as (handle, _):
        handle.rpc("job-manager.queue-stop", {"all": True, "reason": "benchmark"}).get()
        begin = time.perf_counter()
        submit(handle, jobspec("true"), COUNT)
        one = COUNT / (time.perf_counter() - begin)

        begin = time.perf_counter()
        replies = [
            handle.rpc("job-ingest.submit", {"jobspecs": [jobspec("true")], "jobs": [{"jobspec": 0}]})
            for _ in range(COUNT)
        ]
        for reply in replies:
            reply.get()
        many = COUNT / (time.perf_counter() - begin)

        specs = [jobspec("echo", str(number)) for number in range(COUNT)]
        begin = time.perf_counter()
        jobs = [{"jobspec": number} for number in range(COUNT)]
        handle.rpc("job-ingest.submit", {"jobspecs": specs, "jobs": jobs}).get()
        unlike = COUNT / (time.perf_counter() - begin)

        specs = [jobspec("echo", str(number)) for number in range(COUNT)]
        begin = time.perf_counter()
        bourn.job.submit_many(handle, specs)
        by_api = COUNT / (time.perf_counter() - begin)

        command = bourn_command("submit", f"--cc=1-{COUNT}", "--quiet", "true")
        begin = time.perf_counter()
        subprocess.run(command, check=True, env={"BOURN_URI": handle.uri, "PATH": "/usr/bin:/bin"})
        by_command = COUNT / (time.perf_counter() - begin)
        handle.rpc("job-manager.raiseall", {"type": "cancel", "severity": 0}).get()
    for what, rate in (
        ("one request, equal jobs", one),
        ("a request each, all under way", many),
        ("one request, unlike jobs", unlike),
        ("`submit_many`, unlike jobs", by_api),
        ("`submit --cc`", by_command),
    ):
        report.rate(f"submission: {what}", rate, "jobs/s", loop, "bare SQLite rows")
