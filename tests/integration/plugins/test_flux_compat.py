"""The compatibility layer, installed by pip into a fresh environment: scripts and programs for Flux."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.integration.plugins.environment import CONTRIB, Environment, needs_pip

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = needs_pip
FOUR = 'resource.config=[{hosts="here",cores="0-3"}]'
API = """
import flux
import flux.job
import flux.kvs
import flux.resource
from flux.constants import FLUX_JOB_RESULT_COMPLETED, FLUX_JOB_STATE_INACTIVE
from flux.job import FluxExecutor, JobList, JobspecV1

handle = flux.Flux()
specs = [JobspecV1.from_command(["sh", "-c", f"exit {n}"], num_tasks=1) for n in range(3)]
ids = [flux.job.submit(handle, spec, waitable=True) for spec in specs]
ended = {result.jobid: result.success for result in (flux.job.wait(handle) for _ in ids)}
assert [ended[id] for id in ids] == [True, False, False]
text = flux.job.submit(handle, specs[0].dumps(), waitable=True)
assert flux.job.wait_async(handle, text).get_status().success
assert flux.job.event_wait(handle, ids[1], "finish").context["status"] == 256
assert flux.job.result(handle, ids[2]).returncode == 2
assert flux.resource.resource_list(handle).get().all.ncores == 4
assert sorted(job.returncode for job in JobList(handle, filters=["failed"]).jobs()) == [1, 2]
found = flux.job.job_list(handle, states=FLUX_JOB_STATE_INACTIVE, results=FLUX_JOB_RESULT_COMPLETED)
assert len(found.get_jobs()) == 2
assert list(flux.job.job_kvs_lookup(handle, ids[0], ("R",))) == ["id", "R"]
assert flux.job.id_parse(flux.job.id_encode(ids[0], "dothex")) == ids[0]
try:
    flux.job.event_wait(handle, flux.job.submit(handle, JobspecV1.from_command(["nosuch"])), "debug.x")
except flux.job.JobException as error:
    assert (error.type, error.severity) == ("exec", 0)
else:
    raise AssertionError("the exception of the job was overlooked")
with FluxExecutor(threads=2) as executor:
    futures = [executor.submit(spec) for spec in specs]
    assert [future.result() for future in futures] == [0, 1, 2]
flux.kvs.put(handle, "a.b", {"x": 1})
flux.kvs.commit(handle)
assert flux.kvs.get(handle, "a.b") == {"x": 1}
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment(tmp_path_factory.mktemp("compat"), "bourn-flux-compat")


def flux(environment: Environment, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command in an instance of four cores, as a user with the environment activated."""
    bin = environment.folder / "venv" / "bin"
    environ = {**environment.environ, "PATH": f"{bin}:{environment.environ['PATH']}"}
    return subprocess.run(
        [str(bin / "flux"), "start", f"--conf={FOUR}", "--", *words],
        env=environ,
        cwd=environment.folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_script(environment: Environment, tmp_path: Path) -> None:
    script = """
        id=$(flux submit -n1 true) && flux job attach $id && flux jobs -no '{status}' $id
        flux mini run -n2 printenv FLUX_TASK_RANK FLUX_JOB_SIZE
        flux run sh -c 'test $FLUX_JOB_ID = $BOURN_JOB_ID && test -d $FLUX_JOB_TMPDIR && flux getattr size'
        env -u BOURN_URI FLUX_URI=$BOURN_URI flux resource list -no '{state} {ncores}'
    """
    done = flux(environment, "sh", "-ec", script)
    assert done.returncode == 0, done.stderr
    first, *ranks, size, free, allocated, down = done.stdout.splitlines()
    assert first == "COMPLETED"
    assert sorted(ranks) == ["0", "1", "2", "2"]
    assert [size, free, allocated, down] == ["1", "free 4", "allocated 0", "down 0"]


def test_the_python_package(environment: Environment) -> None:
    done = flux(environment, environment.python, "-c", API)
    assert done.returncode == 0, done.stderr


def test_the_example_of_its_page(environment: Environment) -> None:
    page = (CONTRIB / "bourn-flux-compat" / "README.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    done = flux(environment, environment.python, "-c", program)
    assert done.stdout == "True\n[0, 1, 2]\n", done.stderr


def test_its_own_tests(environment: Environment) -> None:
    environment.run(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", str(CONTRIB / "bourn-flux-compat" / "tests")
    )
