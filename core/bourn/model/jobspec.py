"""The jobspec as users of the Python API handle it: the tree of RFC 14, with helpers for version 1."""

from __future__ import annotations

import json
from functools import wraps
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload

import attrs

from bourn.errors import BournError, JobspecError
from bourn.model import jobspec_build as build
from bourn.model.counts import Counts, jobspec_counts
from bourn.model.jobspec_check import check_jobspec, check_v1

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator
    from typing import IO


T = TypeVar("T")
P = ParamSpec("P")


class _Field(Generic[T]):
    """A part of a jobspec that `bourn.model.jobspec_build` sets, here as there."""

    def __init__(self, name: str, doc: str) -> None:
        self._name = name
        self.__doc__ = doc

    @overload
    def __get__(self, jobspec: None, owner: type[Jobspec]) -> _Field[T]: ...

    @overload
    def __get__(self, jobspec: Jobspec, owner: type[Jobspec]) -> T | None: ...

    def __get__(self, jobspec: Jobspec | None, owner: type[Jobspec]) -> _Field[T] | T | None:
        return self if jobspec is None else build.get_field(jobspec.obj, self._name)

    def __set__(self, jobspec: Jobspec, value: Any) -> None:
        build.set_field(jobspec.obj, self._name, value)


class _Maker(Generic[P]):
    """A way to make a jobspec, with the arguments and the help that it has in `bourn.model.jobspec_build`."""

    def __init__(self, function: Callable[P, dict[str, Any]]) -> None:
        self._function = function

    def __get__(self, jobspec: Jobspec | None, owner: type[Jobspec]) -> Callable[P, Jobspec]:
        @wraps(self._function)
        def make(*args: P.args, **kwargs: P.kwargs) -> Jobspec:
            return owner(self._function(*args, **kwargs))

        return make


@attrs.define
class Jobspec:
    """A jobspec; `obj` is the tree, which the setters change in place."""

    obj: dict[str, Any]

    @classmethod
    def from_dict(cls, obj: dict[str, Any]) -> Jobspec:
        """Check a tree and wrap it; JobspecError names the path of a bad field."""
        check_jobspec(obj)
        return cls(obj)

    @classmethod
    def from_json(cls, text: str | bytes) -> Jobspec:
        """Check and take JSON text."""
        try:
            obj = json.loads(text)
        except ValueError as err:
            raise JobspecError("", f"not JSON: {err}") from None
        return cls.from_dict(obj)

    @classmethod
    def from_yaml_stream(cls, stream: IO[str] | IO[bytes] | str, name: str = "jobspec") -> Jobspec:
        """Check and take YAML text or an open file; `name` is for error messages."""
        import yaml

        try:
            obj = yaml.safe_load(stream)
        except yaml.YAMLError as err:
            mark = getattr(err, "problem_mark", None)
            where = f"{name}: line {mark.line + 1}" if mark else name
            raise BournError(f"{where}: not YAML: {getattr(err, 'problem', None) or err}") from None
        try:
            return cls.from_dict(obj)
        except JobspecError as err:
            raise JobspecError(err.path, f"{err.reason} ({name})") from None

    @classmethod
    def from_yaml_file(cls, filename: str | os.PathLike[str]) -> Jobspec:
        """Check and take a YAML (or JSON) file."""
        try:
            with open(filename, encoding="utf-8") as stream:
                return cls.from_yaml_stream(stream, str(filename))
        except (OSError, UnicodeDecodeError) as err:
            raise BournError(f"{filename}: {getattr(err, 'strerror', None) or err}") from None

    from_command = _Maker(build.from_command)
    per_resource = _Maker(build.per_resource)
    from_nest_command = _Maker(build.from_nest_command)
    from_batch_command = _Maker(build.from_batch_command)

    def validate(self, v1: bool = False) -> None:
        """Raise JobspecError if the tree is not a jobspec; `v1` also holds it to RFC 25."""
        check_jobspec(self.obj)
        if v1:
            check_v1(self.obj)

    def to_dict(self) -> dict[str, Any]:
        """Return the tree itself, not a copy."""
        return self.obj

    def dumps(self, indent: int | None = None) -> str:
        """Return JSON text, compact unless `indent` is given."""
        separators = (",", ":") if indent is None else None
        return json.dumps(self.obj, ensure_ascii=False, indent=indent, separators=separators)

    def setattr(self, key: str, value: object) -> None:
        """Set an attribute by dotted key, `queue` or `system.queue` or `user.tag`."""
        build.set_attr(self.obj, key, value)

    def getattr(self, key: str) -> Any:
        """Return an attribute by dotted key; KeyError when there is none."""
        return build.get_attr(self.obj, key)

    def setattr_shell_option(self, key: str, value: object) -> None:
        """Set a job shell option by dotted key, as `-o` on the command line does."""
        build.set_shell_option(self.obj, key, value)

    def add_file(self, name: str, data: object, perms: int = 0o600, encoding: str | None = None) -> None:
        """Put a file into the job: text, or an object that is stored as JSON (RFC 37)."""
        build.add_file(self.obj, name, data, perms, encoding)

    def counts(self) -> Counts:
        """Return nodes, slots, cores, GPUs and tasks."""
        return jobspec_counts(self.obj)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the resource vertices, parents before children."""
        stack = list(reversed(self.resources))
        while stack:
            vertex = stack.pop()
            yield vertex
            stack.extend(reversed(vertex.get("with") or ()))

    @property
    def resources(self) -> list[dict[str, Any]]:
        """The `resources` section."""
        resources: list[dict[str, Any]] = self.obj["resources"]
        return resources

    @property
    def tasks(self) -> list[dict[str, Any]]:
        """The `tasks` section."""
        tasks: list[dict[str, Any]] = self.obj["tasks"]
        return tasks

    @property
    def attributes(self) -> dict[str, Any]:
        """The `attributes` section."""
        attributes: dict[str, Any] = self.obj["attributes"]
        return attributes

    @property
    def version(self) -> int:
        """The `version`."""
        version: int = self.obj["version"]
        return version

    # The names of the builders' arguments; None where the tree has none.
    duration = _Field[float]("duration", "Time limit in seconds, 0 for none; takes what `from_command` does.")
    cwd = _Field[str]("cwd", "Working directory.")
    environment = _Field[dict[str, "str | None"]]("environment", "Variables; a value of None unsets.")
    queue = _Field[str]("queue", "Name of the queue.")
    bank = _Field[str]("bank", "Name of the bank.")
    name = _Field[str]("name", "Name of the job.")
    input = stdin = _Field[str]("input", "Path that standard input is read from.")
    output = stdout = _Field[str]("output", "Path that standard output is written to.")
    error = stderr = _Field[str]("error", "Path that standard error is written to.")

    @property
    def unbuffered(self) -> bool:
        """Whether output is written as soon as it comes."""
        try:
            return all(
                self.getattr(f"shell.options.output.{s}.buffer.type") == "none" for s in ("stdout", "stderr")
            )
        except KeyError:
            return False

    @unbuffered.setter
    def unbuffered(self, value: bool) -> None:
        if value:
            build.set_unbuffered(self.obj)
        else:
            build.clear_unbuffered(self.obj)
