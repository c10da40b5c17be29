"""Execution: the module `job-exec`, and the methods `shell` (real processes) and `mock`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.hookspecs import hookimpl
from bourn.hookspecs.exec_method import ExecMethodSpec
from bourn.hookspecs.modules import ModuleSpec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bourn.hookspecs.exec_method import ExecMethod, ExecPort


@hookimpl
def bourn_modules() -> Iterable[ModuleSpec]:
    """Register the module `job-exec`."""
    yield ModuleSpec(
        "job-exec",
        "bourn_plugins.job_exec.module:JobExec",
        ranks="0",
        requires=("job-manager", "shell-manager", "store"),
        after=("hierarchy",),
    )


@hookimpl
def bourn_exec_methods() -> Iterable[ExecMethodSpec]:
    """Register the methods `shell` and `mock`."""
    yield ExecMethodSpec("shell", _shell)
    yield ExecMethodSpec("mock", _mock)


def _shell(port: ExecPort) -> ExecMethod:
    from bourn_plugins.job_exec.shell_method import ShellMethod

    return ShellMethod(port)


def _mock(port: ExecPort) -> ExecMethod:
    from bourn_plugins.job_exec.mock_method import MockMethod

    return MockMethod(port)
