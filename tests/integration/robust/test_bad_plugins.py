"""A plugin that raises, wherever: it is named with its version, and the instance goes on or says why not."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from bourn.testing.distributions import fake_distribution
from tests.integration.robust.program import BOURN, FOUR, Instance, start

if TYPE_CHECKING:
    from pathlib import Path

IMPORT = """
import os


def bad(place):
    if os.environ.get("BAD") == place:
        raise RuntimeError(f"oops in {place}")
"""
BROKER = (
    IMPORT
    + """
bad("import")
import trio
from bourn.broker.module import Module, ModuleSpec, method
from bourn.hookspecs import hookimpl
from bourn.hookspecs.exec_method import ExecMethodSpec
from bourn.hookspecs.ingest import Frobnicator, Validator
from bourn.hookspecs.job_plugins import JobPlugin
from bourn.hookspecs.resource_io import ResourceReader


class Site(Module):
    def __init__(self, ctx):
        super().__init__(ctx)
        bad("module init")

    async def run(self, *, task_status=trio.TASK_STATUS_IGNORED):
        bad("module run")
        task_status.started()
        if os.environ.get("BAD") == "module later":
            await trio.sleep(0.05)
            bad("module later")

    @method()
    def hit(self, request):
        bad("module method")
        return {}

    @method()
    async def slow(self, request):
        bad("module async method")
        return {}

    def stats(self):
        bad("module stats")
        return {}

    def disconnect(self, client):
        bad("module disconnect")

    async def cleanup(self):
        bad("module cleanup")


def check(jobspec, info):
    bad("validator")


def apply(jobspec, info):
    bad("frobnicator")
    return jobspec


class Job(JobPlugin):
    name = "site"
    default = True


def callback(name):
    def call(self, *args):
        bad(f"job {name}")

    return call


for name in ("load", "conf_update", "create", "validate", "new", "depend", "priority", "priority_get",
             "sched", "run", "cleanup", "inactive", "inactive_add", "destroy"):
    setattr(Job, name, callback(name))


def read(content, options):
    bad("reader")


@hookimpl
def bourn_modules():
    bad("registration")
    yield ModuleSpec("site", Site)


@hookimpl
def bourn_validators():
    bad("validator registration")
    yield Validator("site", check, default=True)


@hookimpl
def bourn_frobnicators():
    yield Frobnicator("site", apply, default=True)


@hookimpl
def bourn_job_plugins():
    yield Job()


@hookimpl
def bourn_resource_readers():
    yield ResourceReader("site", read, suffixes=(".site",))


class Exec:
    def __init__(self, port):
        bad("exec open")
        self.port = port

    def start(self, jobs):
        bad("exec start")

    def reattach(self, jobs):
        bad("exec reattach")

    def kill(self, jobs):
        bad("exec kill")

    def expiration(self, id, t): ...
    def stdin(self, id, ranks, data, eof, taken): ...

    def close(self):
        bad("exec close")


@hookimpl
def bourn_exec_methods():
    yield ExecMethodSpec("site", Exec)
"""
)
SHELL = (
    IMPORT
    + """
bad("shell import")
from bourn.hookspecs import hookimpl
from bourn.hookspecs.shell import CALLBACKS, ShellPlugin


class Shell(ShellPlugin):
    name = "site-shell"


def callback(name):
    def call(self, *args):
        bad(f"shell {name}")
        return True

    return call


for name in ("wants", "validate", *CALLBACKS):
    setattr(Shell, name, callback(name))


@hookimpl
def bourn_shell_plugins():
    bad("shell registration")
    yield Shell()
"""
)


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    folder = tmp_path / "site-packages"
    fake_distribution(
        folder,
        "bad-site",
        "2.5",
        plugins={"bourn.plugins": {"site": "bad_site"}, "bourn.shell_plugins": {"site-shell": "bad_shell"}},
        modules={"bad_site": BROKER, "bad_shell": SHELL},
    )
    old = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": f"{folder}:{old}" if old else str(folder), "TMPDIR": str(tmp_path)}


def run(env: dict[str, str], place: str, script: str = f"{BOURN} run true", *words: str) -> tuple[int, str]:
    found = start(FOUR, *words, "--", "sh", "-c", script, env={**env, "BAD": place})
    text = found.stdout + found.stderr
    assert "Traceback" not in text, text
    return found.returncode, text


def test_one_that_is_well(env: dict[str, str]) -> None:
    assert run(env, "", f"{BOURN} run echo hi") == (0, "hi\n")


@pytest.mark.parametrize("place", ["import", "registration", "validator registration"])
def test_one_that_can_not_be_loaded_is_named_and_left_out(env: dict[str, str], place: str) -> None:
    status, text = run(env, place, f"{BOURN} run true; {BOURN} plugins site")
    assert status == 0, text
    assert "bad-site" in text
    assert "2.5" in text
    assert f"oops in {place}" in text


@pytest.mark.parametrize("place", ["module init", "module run", "module later"])
def test_a_module_that_crashes_says_so_when_it_is_asked(env: dict[str, str], place: str) -> None:
    status, text = run(env, place, f"{BOURN} run sleep 0.1 && {BOURN} ping -c1 site; {BOURN} module list")
    assert status == 0, text
    assert f"oops in {place}" in text
    assert "module 'site'" in text


@pytest.mark.parametrize("place", ["module method", "module async method"])
def test_a_method_that_raises_answers_with_an_error(env: dict[str, str], place: str) -> None:
    name = "slow" if "async" in place else "hit"
    code = f"import bourn; bourn.Handle().rpc('site.{name}').get()"
    with_api = f'{BOURN.removesuffix("bourn")}python -c "{code}" 2>&1 | tail -1; {BOURN} run true'
    found = start(FOUR, "--", "sh", "-c", with_api, env={**env, "BAD": place})
    assert found.returncode == 0
    assert f"module 'site' failed in site.{name}: RuntimeError: oops in {place}" in found.stdout


@pytest.mark.parametrize("place", ["module stats", "module disconnect", "module cleanup"])
def test_a_module_that_fails_in_other_callbacks_harms_nobody(env: dict[str, str], place: str) -> None:
    status, text = run(env, place, f"{BOURN} module stats site; {BOURN} run true")
    assert status == 0, text
    assert "site" in text
    assert f"oops in {place}" in text


@pytest.mark.parametrize("place", ["validator", "frobnicator"])
def test_a_step_of_ingest_that_raises_refuses_jobs(env: dict[str, str], place: str) -> None:
    status, text = run(env, place)
    assert status == 1, text
    assert f"{place} 'site'" in text
    assert "bad-site 2.5" in text
    assert f"oops in {place}" in text


@pytest.mark.parametrize(
    "name",
    ["load", "conf_update", "create", "validate", "new", "depend", "priority", "priority_get", "sched", "run",
     "cleanup", "inactive", "inactive_add", "destroy"],
)  # fmt: skip
def test_a_job_plugin_that_raises(env: dict[str, str], name: str) -> None:
    status, text = run(env, f"job {name}", f"{BOURN} run true; {BOURN} jobs -a; exit 0")
    assert "bad-site 2.5" in text, text
    assert f"oops in job {name}" in text
    assert status == 0 or name in ("load", "conf_update")


def test_a_reader_that_raises_stops_the_start(env: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "cluster.site"
    path.write_text("x")
    found = start(f'--conf=resource.path="{path}"', "--", "true", env={**env, "BAD": "reader"})
    assert found.returncode == 1
    assert "oops in reader" in found.stderr
    assert str(path) in found.stderr
    assert "Traceback" not in found.stderr


@pytest.mark.parametrize("place", ["exec open", "exec start"])
def test_an_exec_method_that_raises_fails_its_jobs(env: dict[str, str], place: str) -> None:
    status, text = run(env, place, f"{BOURN} run true", '--conf=exec.method="site"')
    assert status == 1, text
    assert "bad-site 2.5" in text
    assert f"oops in {place}" in text


@pytest.mark.parametrize(
    "name", ["wants", "validate", "init", "task_init", "task_fork", "start", "task_exit", "finish", "exit"]
)
def test_a_shell_plugin_that_raises_fails_the_job(env: dict[str, str], name: str) -> None:
    status, text = run(env, f"shell {name}", f"{BOURN} run true; echo $?; {BOURN} jobs -a")
    assert status == 0, text
    assert "site-shell" in text
    assert f"oops in shell {name}" in text


@pytest.mark.parametrize("place", ["shell import", "shell registration"])
def test_a_shell_plugin_that_can_not_be_loaded_is_left_out(env: dict[str, str], place: str) -> None:
    status, text = run(env, place, f"{BOURN} run echo hi")
    assert status == 0, text
    assert "hi\n" in text
    assert "bad-site 2.5" in text
    assert f"oops in {place}" in text


def test_the_shell_host_serves_others_after_a_bad_plugin(env: dict[str, str], tmp_path: Path) -> None:
    with Instance(tmp_path, env={**env, "BAD": "shell task_exit"}) as instance:
        assert [instance.bourn("run true").returncode != 0 for _ in range(3)] == [True] * 3
        with instance.handle() as handle:
            (host,) = handle.rpc("shell-manager.stats").get()["hosts"]
        assert host["jobs"] == 0
        assert instance.end() == 0
