"""Kills for want of memory are told from others by the control group's count."""

import pytest

from bourn.errors import BournError
from bourn.shell.spec import ShellSpec
from bourn.testing.samples import jobspec
from bourn.testing.shell import FakeShellJob, FakeShellTask
from bourn_shell_plugins.oom import OutOfMemory, count_file

KILLED = 9
SHELL_SAYS_KILLED = 137 << 8


@pytest.fixture
def group(tmp_path):
    (tmp_path / "own").write_text("4:cpu:/x\n0::/my/group\n")
    folder = tmp_path / "my" / "group"
    folder.mkdir(parents=True)
    (folder / "memory.events").write_text("low 0\noom 3\noom_kill 3\noom_group_kill 0\n")
    return folder / "memory.events"


@pytest.fixture
def plugin(tmp_path, group):
    return OutOfMemory(str(tmp_path), str(tmp_path / "own"))


def job_with(plugin, tmp_path, options=None):
    spec = ShellSpec(jobspec(system={"shell.options": options or {}}))
    assert plugin.wants(spec)
    plugin.validate(spec)
    return FakeShellJob(spec, str(tmp_path))


def exit_of(plugin, job, status):
    task = FakeShellTask(job, 1, 1, status=status)
    plugin.task_exit(job, task)


@pytest.mark.parametrize("status", [KILLED, SHELL_SAYS_KILLED])
def test_a_kill_that_the_kernel_counts_is_recorded_once(plugin, group, tmp_path, status):
    job = job_with(plugin, tmp_path)
    exit_of(plugin, job, status)
    assert job.exceptions == []
    group.write_text("oom_kill 4\n")
    exit_of(plugin, job, status)
    exit_of(plugin, job, status)
    ((note, kind, severity),) = job.exceptions
    assert (kind, severity) == ("oom", 1)
    assert note.startswith("task 1 on ")


def test_other_ends_don_t_count(plugin, group, tmp_path):
    job = job_with(plugin, tmp_path)
    group.write_text("oom_kill 4\n")
    exit_of(plugin, job, 0)
    exit_of(plugin, job, 15)
    assert job.exceptions == []


def test_the_file_of_either_version(tmp_path, group):
    root = tmp_path / "one"
    (root / "memory").mkdir(parents=True)
    (root / "memory" / "memory.oom_control").write_text("under_oom 0\noom_kill 1\n")
    (tmp_path / "own1").write_text("4:memory:/of/the/host\n0::/\n")
    # As in a container: the path is unknown there.
    assert count_file(str(root), str(tmp_path / "own1")) == str(root / "memory" / "memory.oom_control")
    assert count_file(str(tmp_path), str(tmp_path / "own")) == str(group)
    assert count_file(str(tmp_path), str(tmp_path / "nothing")) == ""


@pytest.mark.parametrize("value", [-1001, 1001, "much", True, 1.5])
def test_a_wrong_adjustment(plugin, tmp_path, value):
    with pytest.raises(BournError, match=r"-o oom.adjust=.*: right is a number from -1000 to 1000"):
        job_with(plugin, tmp_path, {"oom": {"adjust": value}})
