"""From parsed options to a jobspec: each option's text is checked, converted and put in its place."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from bourn.errors import BournError, suggest
from bourn.model import jobspec_build as build
from bourn.model.duration import parse_duration

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Sequence

FLAGS = {"debug": 2, "waitable": 4, "novalidate": 8}
PER_TASK = ("ntasks", "cores_per_task", "gpus_per_task")
PER_RESOURCE = ("cores", "tasks_per_node", "tasks_per_core", "gpus_per_node")


def jobspec(args: Namespace, command: Sequence[str], environ: dict[str, str] | None = None) -> dict[str, Any]:
    """Return the jobspec of `command` under the options; `environ` is the caller's environment, captured
    once.
    """
    if not command:
        raise BournError("no command given")
    return assemble(args, lambda extra: _resources(args, command, extra), environ)


def assemble(
    args: Namespace, make: Callable[[build.Extra], dict[str, Any]], environ: dict[str, str] | None = None
) -> dict[str, Any]:
    """Return the jobspec that `make` builds, with what the options say besides the resources."""
    from bourn.cli import env_rules

    environ = dict(os.environ) if environ is None else environ
    environment, templates = env_rules.apply_rules(_env_rules(args), environ)
    obj = make(_extra(args, environment, templates))
    _options(args, obj)
    return obj


def urgency(args: Namespace) -> int:
    """Return the number that `--urgency` means."""
    return parse_urgency(args.urgency) if args.urgency else 16


def parse_urgency(text: str) -> int:
    """Return 0-31 for a number, `hold`, `expedite` or `default` (RFC 30)."""
    named = {"hold": 0, "default": 16, "expedite": 31}
    value = named.get(text.lower(), int(text) if text.isdecimal() else -1)
    if not 0 <= value <= 31:
        raise BournError(f"urgency {text}: must be 0 to 31, hold, expedite or default")
    return value


def flags(args: Namespace) -> int:
    """Return the mask of submission flags that `--flags` names."""
    mask = 0
    for name in (args.flags or "").split(","):
        if not name:
            continue
        if name not in FLAGS:
            raise BournError(f"--flags: no such flag '{name}'{suggest(name, FLAGS)}")
        mask |= FLAGS[name]
    return mask


def parse_value(text: str) -> Any:
    """Return the JSON value of an option's text, or the text itself when it isn't JSON."""
    if text[:1] not in '{["-0123456789tfn':
        return text
    import json

    try:
        return json.loads(text)
    except ValueError:
        return text


def _resources(args: Namespace, command: Sequence[str], extra: build.Extra) -> dict[str, Any]:
    nodes = _count(args, "nodes")
    per_task = [name for name in PER_TASK if getattr(args, name)]
    per_resource = [name for name in PER_RESOURCE if getattr(args, name)]
    if per_task and per_resource:
        raise BournError(f"--{_dashed(per_task[0])} and --{_dashed(per_resource[0])} can't be used together")
    if not per_resource:
        ntasks = _count(args, "ntasks") or nodes or 1
        if nodes and nodes > ntasks:
            raise BournError(f"--nodes={nodes} must not be greater than --ntasks={ntasks}")
        if args.exclusive and not nodes:
            raise BournError("--exclusive can only be set with a node count")
        each = _count(args, "cores_per_task") or 1
        gpus = _count(args, "gpus_per_task", least=0)
        return build.from_command(command, ntasks, each, gpus, nodes, args.exclusive, **extra)
    per_node, per_core = _count(args, "tasks_per_node"), _count(args, "tasks_per_core")
    if per_node and per_core:
        raise BournError("--tasks-per-node and --tasks-per-core can't be used together")
    cores = _count(args, "cores")
    gpus = _count(args, "gpus_per_node", least=0)
    kind, count = ("node", per_node) if per_node else ("core", per_core) if per_core else (None, None)
    if nodes and not cores and not args.exclusive:
        if not per_node:
            raise BournError("--nodes needs --cores, --tasks-per-node or --exclusive as well")
        # N tasks on each of N nodes, a core each: the same as -N nodes -n nodes*N
        return build.from_command(command, nodes * per_node, 1, None, nodes, **extra)
    return build.per_resource(command, cores, nodes, kind, count, gpus, args.exclusive, **extra)


def _extra(args: Namespace, environment: dict[str, str], templates: dict[str, str]) -> build.Extra:
    from bourn.cli import limits

    return {
        "duration": parse_time_limit(args.time_limit) if args.time_limit else None,
        "environment": environment,
        "env_expand": templates,
        "cwd": os.path.abspath(os.path.expanduser(args.cwd)) if args.cwd else os.getcwd(),
        "rlimits": limits.apply_rules(args.rlimit, limits.current_limits()) if args.rlimit else None,
        "name": args.job_name,
        "input": None if is_tasks(args.input) else args.input,
        "output": args.output,
        "error": args.error,
        "label_io": args.label_io,
        "unbuffered": args.unbuffered,
        "queue": args.queue,
        "bank": args.bank,
    }


def parse_time_limit(text: str) -> float:
    """Return seconds; a number without a unit is minutes."""
    try:
        return float(text) * 60 if text.replace(".", "", 1).isdigit() else parse_duration(text)
    except BournError as error:
        raise BournError(f"--time-limit: {error.message}") from None


def _options(args: Namespace, obj: dict[str, Any]) -> None:
    system = obj["attributes"]["system"]
    if args.taskmap:
        scheme, _, value = args.taskmap.partition(":")
        build.set_shell_option(obj, "taskmap", {"scheme": scheme, "value": value})
    if args.signal:
        build.set_shell_option(obj, "signal", parse_signal_option(args.signal))
    if args.dependency or args.begin_time:
        system["dependencies"] = [parse_dependency(text) for text in args.dependency]
        if args.begin_time:
            from bourn.cli.when import parse_when

            system["dependencies"].append({"scheme": "begin-time", "value": parse_when(args.begin_time)})
    if args.requires:
        from bourn.model.constraint import parse_requires

        rules = args.requires
        system["constraints"] = parse_requires(
            rules[0] if len(rules) == 1 else " and ".join(f"({rule})" for rule in rules)
        )
    if args.retries:
        from bourn.model.retry import MAX_LIMIT, parse_retry_on

        limit = _number("retries", args.retries, least=0)
        if limit > MAX_LIMIT:
            raise BournError(f"--retries={limit}: at most {MAX_LIMIT}")
        system["retry"] = {"limit": limit}
        if args.retry_on:
            system["retry"]["on"] = parse_retry_on(args.retry_on)
    elif args.retry_on:
        raise BournError("--retry-on needs --retries")
    for text in args.add_file:
        from bourn.cli.addfile import add_file

        add_file(obj, text)
    for text in args.setopt:
        name, equals, value = text.partition("=")
        build.set_shell_option(obj, name, parse_value(value) if equals else 1)
    for text in args.setattr:
        set_attribute(obj, text)


def set_attribute(obj: dict[str, Any], text: str) -> None:
    """Carry out `--setattr`: `NAME[=VALUE]`, or `^NAME=FILE` for a value that stands in a JSON file."""
    name, equals, value = text.partition("=")
    if name.startswith("^"):
        import json

        try:
            with open(value, encoding="utf-8") as file:
                build.set_attr(obj, _attribute(name[1:]), json.load(file))
        except (OSError, ValueError) as error:
            raise BournError(
                f"--setattr={text}: {value}: {getattr(error, 'strerror', None) or error}"
            ) from None
        return
    build.set_attr(obj, _attribute(name), parse_value(value) if equals else 1)


def parse_dependency(text: str) -> dict[str, Any]:
    """Return the dependency that an option means (RFC 26); short are `singleton`, `in:`, `out:`, `inout:`."""
    from bourn.model.dependency import parse_dependency

    scheme, _, value = text.partition(":")
    if text == "singleton":
        return {"scheme": "singleton", "value": ""}
    if scheme in ("in", "out", "inout"):
        return {"scheme": "string", "value": value, "type": scheme, "scope": "user"}
    return parse_dependency(text)


def parse_signal_option(text: str) -> dict[str, Any]:
    """Return the `signal` shell option of `[SIG][@TIME]`."""
    name, at, time = text.partition("@")
    option: dict[str, Any] = {}
    if name:
        option["signum"] = parse_signal(name)
    if at:
        option["timeleft"] = parse_duration(time)
    return option


def parse_signal(text: str) -> int:
    """Return the number of a signal given as `15`, `TERM` or `SIGTERM`."""
    import signal

    name = text.upper()
    if name.isdigit() and 0 < int(name) <= 64:
        return int(name)
    known = {s.name: s.value for s in signal.Signals}
    number = known.get(name if name.startswith("SIG") else f"SIG{name}")
    if number is None:
        raise BournError(f"no such signal '{text}'{suggest(name, known)}")
    return number


def _env_rules(args: Namespace) -> list[str]:
    if not (args.env or args.env_remove or args.env_file):
        return []
    removed = [f"-{pattern}" for pattern in args.env_remove]
    read = [f"^{path}" for path in args.env_file]
    return [*removed, *read, *args.env]


def _attribute(name: str) -> str:
    return f"attributes{name}" if name.startswith(".") else name


def number(args: Namespace, name: str, least: int = 1) -> int | None:
    """Return the number that an option says, None where it isn't given."""
    return _count(args, name, least)


def _count(args: Namespace, name: str, least: int = 1) -> int | None:
    text = getattr(args, name)
    return None if text is None else _number(f"--{_dashed(name)}", text, least)


def _number(what: str, text: str, least: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise BournError(f"{what}={text}: must be a whole number from {least}")
    return value


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def is_tasks(text: str | None) -> bool:
    """Whether `--input` names tasks (`all`, `0-3`) and no file."""
    return text is not None and (text == "all" or all(c in "0123456789,-[]" for c in text))
