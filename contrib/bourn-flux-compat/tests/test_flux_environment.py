from bourn_flux_compat.command import adopt_environment, translate
from bourn_flux_compat.environment import FluxEnvironment

from bourn.shell.spec import ShellSpec
from bourn.testing import jobspec
from bourn.testing.shell import FakeShellJob, FakeShellTask
from bourn_shell_plugins.environment import Environment


def test_each_variable_has_its_twin(tmp_path):
    job = FakeShellJob(ShellSpec(jobspec()), str(tmp_path))
    plugins = (Environment(), FluxEnvironment())
    for plugin in plugins:
        plugin.init(job)
    task = FakeShellTask(job, 1, 1, env=job.env)
    for plugin in plugins:
        plugin.task_init(job, task)
    twins = {name: value for name, value in task.env.items() if name.startswith("BOURN_")}
    assert {"BOURN_" + name[5:]: task.env[name] for name in task.env if name.startswith("FLUX_")} == twins
    assert twins["BOURN_TASK_RANK"] == "1"


def test_it_comes_after_bourn_s_own():
    assert FluxEnvironment.priority < Environment.priority


def test_older_commands():
    assert translate(["mini", "run", "-n2", "x"]) == ["run", "-n2", "x"]
    assert translate(["mini", "jobs"]) == ["mini", "jobs"]
    assert translate(["jobs", "-a"]) == ["jobs", "-a"]


def test_the_address_of_the_instance(monkeypatch):
    monkeypatch.setenv("FLUX_URI", "local:///there")
    monkeypatch.delenv("BOURN_URI", raising=False)
    adopt_environment()
    monkeypatch.setenv("FLUX_URI", "local:///elsewhere")
    adopt_environment()
    import os

    assert os.environ["BOURN_URI"] == "local:///there"
