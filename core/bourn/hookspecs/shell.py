"""The job shell: what happens around the tasks of a job, on its nodes, as its user.

A shell host runs the shells of all jobs of a user on a rank. A plugin is one object per host; a job and its
tasks are handed to each call. Stock behaviour (output, input, environment, limits, binding) is made of such
plugins.

In the order of a job's life:

==================== =========================================================== ============================
callback             when                                                        typical use
==================== =========================================================== ============================
``validate(spec)``   once per distinct jobspec, before its first job             refuse wrong options
``init(job)``        the job has arrived at this node; ``job.hold()`` keeps its  job-wide environment
                     tasks until what takes longer is done
``task_init(job,t)`` before each task is started                                 files, environment, CPUs
``task_fork(job,t)`` the task is running                                         note its pid
``start(job)``       all tasks of this node are running                          timers
``resource_update``  the end of the time limit has moved                         timers
``task_exit(job,t)`` a task has ended: ``task.status``, ``task.usage``           end the others
``peer_exit``        all tasks of another node of the job have ended             the same
``finish(job)``      all tasks have ended and their output has been read         last words into logs
``exit(job)``        always the last, also after a failure                       remove what was made
==================== =========================================================== ============================
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn.hookspecs import hookspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from bourn.model.taskmap import TaskMap
    from bourn.shell.job import ShellJob
    from bourn.shell.spec import ShellSpec
    from bourn.shell.task import ShellTask

__all__ = ["CALLBACKS", "ShellPlugin", "bourn_shell_plugins"]

CALLBACKS = (
    "init",
    "task_init",
    "task_fork",
    "start",
    "resource_update",
    "task_exit",
    "peer_exit",
    "finish",
    "exit",
)
"""The callbacks per job and task; those that a class doesn't override are never called."""


class ShellPlugin:
    """Subclass it and override what you need; ``name`` is all that must be given.

    Calls are plain and must be quick: the host has one thread. An exception fails the job with the plugin's
    name and the message (`bourn.errors.BournError`: the message alone), or, if the plugin isn't `fatal`, is
    noted with the job; it harms neither other jobs nor the host.
    """

    name: str = ""
    """Unique; messages about the plugin say it."""
    options: tuple[str, ...] = ()
    """The ``-o`` options that it takes, dotted, as ``output.limit``; what lies below an option belongs to it.
    An option that no plugin takes fails the job. As ``pmi=simple``, it is a word that the option may have,
    perhaps with others after commas; other plugins may take other words of the same option."""
    priority: int = 0
    """Plugins of higher priority are called first; equal ones in plugin order."""
    taskmaps: Mapping[str, Callable[[TaskMap, str, str], TaskMap]] = {}
    """Further schemes of ``-o taskmap=NAME:VALUE``: (the map that fills one node after the other, the value,
    the hostlist of the job's nodes) -> the map to use. Each node works it out by itself."""
    fatal: bool = True
    """Whether an exception in a callback ends the job. If not, it is an exception of severity 3 in the job's
    eventlog, and the job goes on."""

    def wants(self, spec: ShellSpec) -> bool:
        """Return whether jobs of this jobspec concern the plugin; asked once per distinct jobspec.

        By default: when one of its options is given, or when it has none.
        """
        return not self.options or any(_given(spec, each) for each in self.options)

    def validate(self, spec: ShellSpec) -> None:
        """Check the jobspec, and prepare in ``spec.data[self.name]`` what all its jobs share."""

    def init(self, job: ShellJob) -> None:
        """The job has arrived; ``job.env`` may be added to.

        What takes time is begun here, and ``job.hold()`` keeps the tasks from starting until it is done. The
        tasks of a job on several nodes start when all nodes have come that far.
        """

    def task_init(self, job: ShellJob, task: ShellTask) -> None:
        """A task is about to be started: set its argv, env, cwd, stdin, stdout, stderr, affinity, rlimits."""

    def task_fork(self, job: ShellJob, task: ShellTask) -> None:
        """A task has been started; ``task.pid`` is also its process group."""

    def start(self, job: ShellJob) -> None:
        """All tasks of this node have been started."""

    def resource_update(self, job: ShellJob) -> None:
        """``job.place.expiration`` has changed."""

    def task_exit(self, job: ShellJob, task: ShellTask) -> None:
        """A task has ended."""

    def peer_exit(self, job: ShellJob, nodeid: int, status: int) -> None:
        """All tasks of another node of the job have ended; `status` is the worst of their wait statuses.

        Called for the first such node, and for the first that failed.
        """

    def finish(self, job: ShellJob) -> None:
        """All tasks have ended, all output has been read; ``job.status`` is the job's wait status."""

    def exit(self, job: ShellJob) -> None:
        """The job leaves the host."""


def _given(spec: ShellSpec, option: str) -> bool:
    name, equals, word = option.partition("=")
    return word in spec.words(name) if equals else spec.option(name) is not None


@hookspec
def bourn_shell_plugins() -> Iterable[ShellPlugin]:
    """Register what happens around tasks.

    Called: once, when a shell host starts. Entry points of the group ``bourn.shell_plugins`` are loaded there
    only.
    Process: shell host, as the user who runs the job.
    Order: `ShellPlugin.priority`, then plugin order, in every callback alike.
    Errors: an exception in the hook leaves this plugin out and is told in the broker's log. One in a callback
    fails the job that it was called for with an ``exec`` exception that names the plugin, unless the plugin
    says that it isn't `fatal`.
    Since: 0.1

    Example::

        from bourn.errors import BournError
        from bourn.hookspecs import hookimpl
        from bourn.hookspecs.shell import ShellPlugin


        class Greeting(ShellPlugin):
            name = "greeting"
            options = ("greeting",)

            def validate(self, spec):
                if not isinstance(spec.option("greeting"), str):
                    raise BournError("-o greeting: give a text, as -o greeting=hello")

            def init(self, job):
                job.env["GREETING"] = job.spec.option("greeting")


        @hookimpl
        def bourn_shell_plugins():
            yield Greeting()
    """
    raise NotImplementedError
