"""The programs of docs/examples, as their readers would run them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from .conftest import EXAMPLES

if TYPE_CHECKING:
    from .conftest import Site


def test_waiting_in_order_and_for_any(site: Site) -> None:
    lines = site.lines("wait_for_jobs.py")
    assert lines[:3] == ["in order: True True completed"] * 3
    assert set(lines[3:]) == {"any: True completed", "any: False task(s) exited with exit code 1"}


def test_a_sliding_window(site: Site) -> None:
    assert site.ok("sliding_window.py") == "20 jobs, at most 4 at a time"


def test_a_callback_for_every_state(site: Site) -> None:
    assert site.lines("watch_states.py") == ["DEPEND", "PRIORITY", "SCHED", "RUN", "CLEANUP", "INACTIVE"]


def test_a_job_per_file_with_cores_by_size(site: Site) -> None:
    files = site.cwd / "files"
    files.mkdir()
    (files / "big").write_bytes(b"x" * (2 << 20))
    (files / "small").write_bytes(b"x")
    assert site.lines("compress_files.py", files) == ["big 4 COMPLETED", "small 1 COMPLETED"]
    assert {file.name for file in files.iterdir()} == {"big.gz", "small.gz"}


def test_partitioning_and_overlapping(site: Site) -> None:
    partitioned, overlapping = site.lines("partition.py")
    first, _, second = partitioned.removeprefix("partitioned: nodes ").partition(" and ")
    assert first != second
    assert overlapping == "overlapping: nodes [0, 1] in common, cores in common: 0"


def test_an_event_of_ones_own(site: Site) -> None:
    assert site.ok("node_down.py") == "node_down 3 fan"


def test_a_module_of_ones_own_answers_with_a_job(site: Site) -> None:
    site.ok("bourn", "module", "load", EXAMPLES / "job_service.py")
    assert site.ok("ask_job_service.py", "sh", "-c", "exit 0") == "COMPLETED"
    assert site.ok("ask_job_service.py", "false") == "FAILED"
    site.ok("bourn", "module", "remove", "job-service")


def test_jobs_of_two_instances_work_together(site: Site) -> None:
    """A service, a watched key and an event between a job of one instance and a job of another."""
    talk = EXAMPLES / "talk.py"
    ids = {
        role: site.ok("bourn", "batch", "-n1", "--wrap", f"bourn run python3 {talk} {role}")
        for role in ("learn", "simulate")
    }
    site.ok("bourn", "queue", "drain")
    output = {role: (site.cwd / f"bourn-{id}.out").read_text().splitlines() for role, id in ids.items()}
    assert output["learn"] == ["trained 3 times"]
    assert output["simulate"] == [f"step {n} with model {n - 1} made model {n}" for n in (1, 2, 3)]


def test_another_language_by_the_protocol_alone(site: Site) -> None:
    perl = shutil.which("perl")
    if perl is None or site(perl, "-MJSON::PP", "-MIO::Socket::UNIX", "-e", "1").returncode:
        pytest.skip("needs perl with JSON::PP")
    done = site(perl, EXAMPLES / "submit.pl", "sh", "-c", "exit 3")
    assert (done.returncode, done.stderr) == (3, "")
    lines = done.stdout.split()
    assert (lines[0], lines[-1]) == ("submit", "clean")
    refused = site(perl, EXAMPLES / "submit.pl")
    assert refused.returncode != 0
    assert refused.stderr.startswith("job-ingest.submit: tasks[0].command: must be")
