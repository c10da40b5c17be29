"""Build jobspecs as plain dictionaries (RFC 14, RFC 25).

It imports nothing heavy: the command line's fast path goes through here. `bourn.model.jobspec.Jobspec` has
the same as methods of a class.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bourn.errors import BournError
from bourn.model.duration import parse_duration

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterable, Mapping
    from typing import Any, TypeAlias, TypedDict, Unpack

    Obj: TypeAlias = dict[str, Any]
    Path: TypeAlias = str | os.PathLike[str]

    class Extra(TypedDict, total=False):
        """What every builder takes besides the resources; see `from_command`."""

        duration: float | str | datetime.timedelta | None
        environment: Mapping[str, str | None] | None
        env_expand: Mapping[str, str] | None
        cwd: Path | None
        rlimits: Mapping[str, int] | None
        name: str | None
        input: Path | None
        output: Path | None
        error: Path | None
        label_io: bool
        unbuffered: bool
        queue: str | None
        bank: str | None
        retries: int
        retry_on: Iterable[str] | None


_EXTRA = (
    "duration", "environment", "env_expand", "cwd", "rlimits", "name", "input", "output", "error", "label_io",
    "unbuffered", "queue", "bank", "retries", "retry_on",
)  # fmt: skip


def from_command(
    command: Iterable[str],
    num_tasks: int = 1,
    cores_per_task: int = 1,
    gpus_per_task: int | None = None,
    num_nodes: int | None = None,
    exclusive: bool = False,
    **extra: Unpack[Extra],
) -> Obj:
    """Return the V1 jobspec of `num_tasks` copies of `command`.

    `num_nodes` spreads the tasks over that many nodes, `exclusive` takes those nodes whole. `duration` is
    seconds, an RFC 23 string or a timedelta. `environment` defaults to this process's; {} for none.
    A job that fails is run again up to `retries` times, after what `retry_on` lists (`bourn.model.retry`).
    `rlimits` maps names to values, -1 for unlimited. `input`, `output` and `error` are paths (`none` and
    `kvs` leave the default), `label_io` prefixes file output with the task's rank.
    """
    _count("num_tasks", num_tasks)
    _count("cores_per_task", cores_per_task)
    _count("gpus_per_task", gpus_per_task, least=0)
    _count("num_nodes", num_nodes)
    if num_nodes is None:
        if exclusive:
            raise BournError("exclusive can only be set with a node count")
        return _assemble(command, slot(num_tasks, cores_per_task, gpus_per_task), {"per_slot": 1}, extra)
    if num_nodes > num_tasks:
        raise BournError(f"num_nodes {num_nodes} must not be greater than num_tasks {num_tasks}")
    # An uneven spread leaves some slots without a task.
    per_node, uneven = divmod(num_tasks, num_nodes)
    node = _node(num_nodes, slot(per_node + bool(uneven), cores_per_task, gpus_per_task), exclusive)
    return _assemble(command, node, {"total": num_tasks} if uneven else {"per_slot": 1}, extra)


def per_resource(
    command: Iterable[str],
    ncores: int | None = None,
    nnodes: int | None = None,
    per_resource_type: str | None = None,
    per_resource_count: int | None = None,
    gpus_per_node: int | None = None,
    exclusive: bool = False,
    **extra: Unpack[Extra],
) -> Obj:
    """Return the V1 jobspec of a count of nodes or cores with so many tasks on each of them.

    `per_resource_type` is `node` or `core`; nodes without `ncores` are whole nodes and need `exclusive`.
    """
    if (per_resource_type is None) != (per_resource_count is None):
        raise BournError("per_resource_type and per_resource_count go together")
    if per_resource_type not in (None, "node", "core"):
        raise BournError(f"per_resource_type '{per_resource_type}' must be 'node' or 'core'")
    _count("per_resource_count", per_resource_count)
    _count("ncores", ncores)
    _count("nnodes", nnodes)
    _count("gpus_per_node", gpus_per_node, least=0)
    if nnodes is None:
        if exclusive or gpus_per_node:
            what = "exclusive" if exclusive else "gpus_per_node"
            raise BournError(f"{what} can only be set with a node count")
        if ncores is None:
            raise BournError("a count of nodes or cores must be given")
        obj = _assemble(command, slot(ncores), {"per_slot": 1}, extra)
    else:
        if ncores is None and not exclusive:
            raise BournError("a node count needs a core count as well, or exclusive")
        if ncores is not None and ncores % nnodes:
            raise BournError(f"ncores {ncores} can't be divided evenly by nnodes {nnodes}")
        node = _node(nnodes, slot(1, ncores // nnodes if ncores else 1, gpus_per_node), exclusive)
        obj = _assemble(command, node, {"per_slot": 1}, extra)
    if per_resource_type is not None:
        set_shell_option(obj, "per-resource", {"type": per_resource_type, "count": per_resource_count})
    return obj


def from_nest_command(
    command: Iterable[str],
    num_slots: int = 1,
    cores_per_slot: int = 1,
    gpus_per_slot: int | None = None,
    num_nodes: int | None = None,
    broker_opts: Iterable[str] | None = None,
    exclusive: bool = False,
    conf: Obj | str | None = None,
    **extra: Unpack[Extra],
) -> Obj:
    """Return the jobspec of a nested instance, one broker a node, that runs `command` as its program.

    An empty command is an instance with an interactive shell. `conf` is a configuration for it: a dictionary,
    or TOML or JSON text.
    """
    opts = list(broker_opts or ())
    if conf is not None:
        opts.append("--config-path={{tmpdir}}/conf." + ("toml" if _is_toml(conf) else "json"))
    argv = ["bourn", "start", *opts]
    if isinstance(command, str) or (command := list(command)):
        argv += ["--", *_command(command)]
    if num_nodes is not None and exclusive and num_slots < num_nodes:
        num_slots = num_nodes
    obj = from_command(argv, num_slots, cores_per_slot, gpus_per_slot, num_nodes, exclusive, **extra)
    set_shell_option(obj, "per-resource", {"type": "node", "count": 1})
    set_shell_option(obj, "mpi", "none")
    # An instance that has lost a broker goes on.
    set_shell_option(obj, "exit-timeout", "none")
    if conf is not None:
        if _is_toml(conf):
            add_file(obj, "conf.toml", conf)
        else:
            import json

            add_file(obj, "conf.json", json.loads(conf) if isinstance(conf, str) else conf)
    return obj


def from_batch_command(
    script: str,
    jobname: str,
    args: Iterable[str] | None = None,
    num_slots: int = 1,
    cores_per_slot: int = 1,
    gpus_per_slot: int | None = None,
    num_nodes: int | None = None,
    broker_opts: Iterable[str] | None = None,
    exclusive: bool = False,
    conf: Obj | str | None = None,
    **extra: Unpack[Extra],
) -> Obj:
    """Return the jobspec of a nested instance that runs `script`, a text with a `#!` line, with `args`."""
    if not script.startswith("#!"):
        raise BournError("a batch script must start with '#!' and the path of its interpreter")
    if "\0" in script:
        raise BournError("a batch script must be text; this one has a null byte")
    if extra.get("name") is None:
        extra["name"] = jobname
    obj = from_nest_command(
        ["{{tmpdir}}/script", *(args or ())],
        num_slots,
        cores_per_slot,
        gpus_per_slot,
        num_nodes,
        broker_opts,
        exclusive,
        conf,
        **extra,
    )
    add_file(obj, "script", script, perms=0o700)
    return obj


def slot(count: int, cores: int = 1, gpus: int | None = None, label: str = "task") -> Obj:
    """Return a slot vertex of `cores` cores and `gpus` GPUs."""
    children: list[Obj] = [{"type": "core", "count": cores}]
    if gpus:
        children.append({"type": "gpu", "count": gpus})
    return {"type": "slot", "count": count, "with": children, "label": label}


_STREAMS = {"input": "stdin", "output": "stdout", "error": "stderr"}
_PATHS = {
    "duration": "duration",
    "cwd": "cwd",
    "environment": "environment",
    "name": "job.name",
    "queue": "queue",
    "bank": "bank",
    "input": "shell.options.input.stdin.path",
    "output": "shell.options.output.stdout.path",
    "error": "shell.options.output.stderr.path",
}
"""Where the builders' arguments stand."""


def set_field(obj: Obj, name: str, value: Any) -> None:
    """Set what a builder's argument of this name sets."""
    if name == "duration":
        set_duration(obj, value)
    elif name in _STREAMS:
        set_stdio(obj, _STREAMS[name], value)
    elif name == "environment":
        set_attr(obj, name, dict(value))
    else:
        set_attr(obj, _PATHS[name], os.fspath(value) if name == "cwd" else value)


def get_field(obj: Obj, name: str) -> Any:
    """Return what `set_field` sets, None where it isn't set."""
    try:
        return get_attr(obj, _PATHS[name])
    except KeyError:
        return None


def set_attr(obj: Obj, key: str, value: object) -> None:
    """Set an attribute by dotted key; `queue` is short for `attributes.system.queue`."""
    set_path(obj, attr_key(key), value)


def get_attr(obj: Obj, key: str) -> Any:
    """Return an attribute by dotted key; KeyError when there is none."""
    value: Any = obj
    for part in attr_key(key).split("."):
        if not isinstance(value, dict):
            raise KeyError(key)
        value = value[part]
    return value


def set_shell_option(obj: Obj, key: str, value: object) -> None:
    """Set a job shell option by dotted key, as `-o` does."""
    set_path(obj, "attributes.system.shell.options." + key, value)


def attr_key(key: str) -> str:
    """Return the full dotted path of an attribute key."""
    if key.startswith("attributes."):
        return key
    return f"attributes.{key}" if key.startswith(("system.", "user.")) else f"attributes.system.{key}"


def set_path(obj: Obj, path: str, value: object) -> None:
    """Set a value by dotted path, making dictionaries on the way; BournError where one isn't a dictionary."""
    *parents, last = path.split(".")
    if not last or "" in parents:
        raise BournError(f"key '{path}' has an empty part")
    here = obj
    for part in parents:
        here = here.setdefault(part, {})
        if not isinstance(here, dict):
            raise BournError(f"key '{path}': '{part}' is a value, not a table")
    here[last] = value


def set_duration(obj: Obj, duration: float | str | datetime.timedelta) -> None:
    """Set the time limit; 0 means none."""
    total = getattr(duration, "total_seconds", None)
    seconds = parse_duration(total() if total is not None else duration)  # type: ignore[arg-type]
    if seconds == float("inf"):
        seconds = 0.0
    set_attr(obj, "duration", seconds)


def set_stdio(obj: Obj, stream: str, path: Path) -> None:
    """Send `stdin`, `stdout` or `stderr` from or to a file."""
    key = f"{'input' if stream == 'stdin' else 'output'}.{stream}"
    set_shell_option(obj, f"{key}.type", "file")
    set_shell_option(obj, f"{key}.path", os.fspath(path))


def set_unbuffered(obj: Obj) -> None:
    """Write output as soon as it comes."""
    set_shell_option(obj, "output.stdout.buffer.type", "none")
    set_shell_option(obj, "output.stderr.buffer.type", "none")
    set_shell_option(obj, "output.batch-timeout", 0.05)
    set_shell_option(obj, "input.batch-timeout", 0.0)


def clear_unbuffered(obj: Obj) -> None:
    """Take back what `set_unbuffered` set."""
    try:
        options = get_attr(obj, "shell.options")
    except KeyError:
        return
    for io, stream in (("output", "stdout"), ("output", "stderr"), ("input", "")):
        table = options.get(io, {})
        if stream in table:
            table[stream].pop("buffer", None)
        if table.get("batch-timeout") in (0.05, 0.0):
            del table["batch-timeout"]


def add_file(obj: Obj, name: str, data: object, perms: int = 0o600, encoding: str | None = None) -> None:
    """Put a file into the job (RFC 37): text, or an object that is stored as JSON."""
    entry: Obj = {"mode": 0o100000 | perms, "data": data}
    if isinstance(data, str):
        entry["encoding"] = encoding or "utf-8"
    obj["attributes"]["system"].setdefault("files", {})[name] = entry


def check_extra(extra: Iterable[str]) -> None:
    """Refuse an argument that no builder takes."""
    for key in extra:
        if key not in _EXTRA:
            from bourn.errors import suggest

            raise BournError(f"unknown argument '{key}'{suggest(key, _EXTRA)}")


def _assemble(command: Iterable[str], resource: Obj, count: Obj, extra: Extra) -> Obj:
    obj: Obj = {
        "resources": [resource],
        "tasks": [{"command": _command(command), "slot": "task", "count": count}],
        "attributes": {"system": {"duration": 0}},
        "version": 1,
    }
    check_extra(extra)
    environment = extra.get("environment")
    set_field(obj, "environment", os.environ if environment is None else environment)
    for name in ("duration", "cwd", "name", "queue", "bank"):
        value = extra.get(name)
        if value is not None:
            set_field(obj, name, value)
    retries = extra.get("retries", 0)
    if retries or extra.get("retry_on"):
        _count("retries", retries, least=1)
        retry: Obj = {"limit": retries}
        if on := extra.get("retry_on"):
            retry["on"] = [on] if isinstance(on, str) else list(on)
        set_attr(obj, "retry", retry)
    if env_expand := extra.get("env_expand"):
        set_shell_option(obj, "env-expand", dict(env_expand))
    if rlimits := extra.get("rlimits"):
        set_shell_option(obj, "rlimit", dict(rlimits))
    for name in ("input", "output", "error"):
        path = extra.get(name)
        if path is not None and path not in ("none", "kvs"):
            set_field(obj, name, path)
            if extra.get("label_io") and name != "input":
                set_shell_option(obj, f"output.{_STREAMS[name]}.label", True)
    if extra.get("unbuffered"):
        set_unbuffered(obj)
    return obj


def _command(command: Iterable[str]) -> list[str]:
    if isinstance(command, str):
        raise BournError(f"command must be a list of strings, such as {command.split()!r}")
    argv = [os.fspath(arg) if isinstance(arg, os.PathLike) else arg for arg in command]
    for i, arg in enumerate(argv):
        if not isinstance(arg, str):
            raise BournError(f"command[{i}] must be a string, not {type(arg).__name__}")
    if not argv:
        raise BournError("command must not be empty")
    return argv


def _node(count: int, child: Obj, exclusive: bool) -> Obj:
    node: Obj = {"type": "node", "count": count, "with": [child]}
    if exclusive:
        node["exclusive"] = True
    return node


def _count(name: str, value: object, least: int = 1) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
        raise BournError(f"{name} must be an integer >= {least}, not {value!r}")


def _is_toml(conf: Obj | str) -> bool:
    return isinstance(conf, str) and not conf.lstrip().startswith("{")
