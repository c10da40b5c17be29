"""What the host knows of a jobspec: taken apart once, used by all of its jobs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from bourn.errors import BournError, nearest, suggest
from bourn.model.idset import parse_mask

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from bourn.hookspecs.shell import ShellPlugin

ENVIRONMENT = "attributes.system.environment."
JOB_NAME = "attributes.system.job.name"
_CWD = os.getcwd()
CORE_OPTIONS = frozenset({"per-resource", "mpi", "isolate", "initrc", "userrc"})
"""What others than shell plugins see to: who splits a job by node, the MPI library itself, the host."""
# Set by the instance for its own processes; a job gets its own values.
_HOST_ONLY = ("BOURN_",)
# Left by the launcher of the instance, or of the user's shell: its descriptors mean nothing in a task.
_OUTER = ("PMI_FD", "PMI_RANK", "PMI_SIZE", "PMI_PORT", "PMI_ID", "PMI_SPAWNED")


class TaskGroup:
    """An entry of a jobspec's tasks: what they run, and how their environment differs."""

    def __init__(self, task: Mapping[str, Any]) -> None:
        command = task["command"]
        self.command: list[str] = [command] if isinstance(command, str) else list(command)
        self.environment: Mapping[str, str | None] = (task.get("attributes") or {}).get("environment") or {}
        """Variables to set, or with None to unset."""

    def vary(self, env: dict[str, str]) -> dict[str, str]:
        """Return the environment of one of these tasks."""
        if not self.environment:
            return env
        changed = {**env, **{name: text for name, text in self.environment.items() if text is not None}}
        return {name: text for name, text in changed.items() if self.environment.get(name, text) is not None}


class ShellSpec:
    """A jobspec from the shell's point of view, and the plugins that its jobs concern."""

    def __init__(self, jobspec: Mapping[str, Any]) -> None:
        system = jobspec.get("attributes", {}).get("system", {})
        command = jobspec["tasks"][0]["command"]
        self.jobspec = jobspec
        """RFC 14; not to be changed."""
        self.command: list[str] = [command] if isinstance(command, str) else list(command)
        self.groups = [TaskGroup(task) for task in jobspec["tasks"]] if len(jobspec["tasks"]) > 1 else []
        """What tasks run where not all run the same."""
        self.cwd: str = system.get("cwd") or _CWD
        self.name: str = system.get("job", {}).get("name") or os.path.basename(self.command[0])
        self.options: Mapping[str, Any] = system.get("shell", {}).get("options", {})
        """Shell options, nested as in the jobspec."""
        self.env = _environment(system.get("environment"))
        """The tasks' environment before anything is added to it."""
        self.data: dict[str, Any] = {}
        """What plugins keep for all jobs of this jobspec, by plugin name."""
        self.plugins: Sequence[ShellPlugin] = ()
        """All plugins of the host, in calling order."""
        self.programs: dict[tuple[str, str, str], str] = {}
        self.hooks: dict[str, tuple[Callable[..., None], ...]] = {}

    @property
    def single(self) -> bool:
        """Whether all its jobs have just one task."""
        resource, task = self.jobspec["resources"][0], self.jobspec["tasks"][0]
        return bool(
            not self.groups
            and len(self.jobspec["resources"]) == 1
            and resource["type"] == "slot"
            and resource["count"] == 1
            and task.get("count") in ({"per_slot": 1}, {"total": 1})
            and "per-resource" not in self.options
        )

    def option(self, name: str, default: Any = None) -> Any:
        """Return the value of a shell option by its dotted name."""
        value: Any = self.options
        for key in name.split("."):
            if not isinstance(value, dict) or key not in value:
                return default
            value = value[key]
        return value

    def words(self, name: str) -> list[str]:
        """Return the words of an option that takes several, as ``-o NAME=one,two``; none when not given."""
        value = self.option(name)
        if value is None:
            return []
        if value in (True, 1, ""):
            return ["on"]
        return ["off"] if value in (False, 0) else str(value).split(",")

    def switch(self, name: str, default: bool = False) -> bool:
        """Return an on-off option; `-o NAME` alone is on."""
        value = self.option(name)
        if value is None:
            return default
        if value in (True, 1, "1", "on", "true", "yes", ""):
            return True
        if value in (False, 0, "0", "off", "false", "no"):
            return False
        raise BournError(f"-o {name}={value}: right is on or off")

    def table(self, name: str, known: Collection[str]) -> Mapping[str, Any]:
        """Return the options below one, none where it is a single value; unknown ones are refused."""
        found = self.option(name)
        if not isinstance(found, dict):
            return {}
        for key in found:
            if key not in known:
                raise BournError(f"-o {name}.{key}: there is no such shell option{suggest(key, known)}")
        return found

    def ranks(self, name: str, default: str = "all") -> int:
        """Return the mask of the tasks that an option names; -1 for all of them."""
        text = self.option(name, default)
        try:
            return -1 if text == "all" else parse_mask(str(text))
        except BournError as error:
            raise BournError(f"-o {name}: {error.message}") from error

    def check_options(self, known: AbstractSet[str]) -> None:
        """Refuse an option that is neither known nor below a known one; of options that are known as
        NAME=WORD only, any other word."""
        names = {each.partition("=")[0] for each in known}
        for name in _leaves(self.options):
            parts = name.split(".")
            if not any(".".join(parts[:n]) in names for n in range(len(parts), 0, -1)):
                raise BournError(f"-o {name}: there is no such shell option{suggest(name, names)}")
        for name in names - known:
            right = sorted(each.partition("=")[2] for each in known if each.startswith(name + "="))
            for word in self.words(name):
                if word not in right:
                    allowed = " or ".join(filter(None, (", ".join(right[:-1]), right[-1])))
                    raise BournError(f"-o {name}={word}: right is {allowed}{nearest(word, right)}")


def choose_plugins(spec: ShellSpec, plugins: list[ShellPlugin]) -> None:
    """Check the options, let the plugins concerned validate, and note their callbacks in `spec.hooks`."""
    from bourn.hookspecs.shell import CALLBACKS
    from bourn.hookspecs.shell import ShellPlugin as Base

    spec.check_options(CORE_OPTIONS.union(*(plugin.options for plugin in plugins)))
    spec.plugins = plugins
    wanted = []
    for plugin in plugins:
        try:
            if plugin.wants(spec):
                plugin.validate(spec)
                wanted.append(plugin)
        except BournError:
            raise
        except Exception as error:
            raise BournError(blame(plugin, error)) from error
    for name in CALLBACKS:
        spec.hooks[name] = tuple(
            getattr(plugin, name)
            for plugin in wanted
            if getattr(type(plugin), name, None) not in (None, getattr(Base, name))
        )


def blame(plugin: object, error: Exception) -> str:
    """Return one line about an exception that a plugin raised."""
    if isinstance(error, BournError):
        return error.message
    name = getattr(plugin, "name", None) or type(plugin).__name__
    return f"shell plugin '{name}': {type(error).__name__}: {error}"


def _environment(given: Mapping[str, str | None] | None) -> dict[str, str]:
    # A jobspec with an environment states all of it; without one, tasks get the host's.
    if given is None:
        env = {k: v for k, v in os.environ.items() if not k.startswith(_HOST_ONLY)}
    else:
        env = {k: v for k, v in given.items() if v is not None}
    for name in _OUTER:
        env.pop(name, None)
    if "PMIX_RANK" in env:
        return {k: v for k, v in env.items() if not k.startswith("PMIX_")}
    return env


def _leaves(options: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in options.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key
