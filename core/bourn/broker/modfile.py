"""A module in one Python file, as a user writes it."""

from __future__ import annotations

import errno
import sys
from types import ModuleType
from typing import TYPE_CHECKING

from bourn.broker.module import Module
from bourn.errors import PluginError
from bourn.hookspecs.modules import ModuleSpec

if TYPE_CHECKING:
    from pathlib import Path


def load_file(path: Path) -> ModuleSpec:
    """Run a Python file and return the one module that it defines; PluginError says what is wrong with it.

    The file is run anew each time, so a reload takes its changes.
    """
    if not path.is_file():
        raise PluginError(f"{path}: no such file", errno.ENOENT)
    if path.suffix != ".py":
        raise PluginError(f"{path}: not a Python file; its name must end in .py")
    import_name = f"bourn_module_file_{path.stem}"
    namespace = ModuleType(import_name)
    namespace.__file__ = str(path)
    sys.modules[import_name] = namespace
    try:
        # Not by an import: its bytecode cache takes a file changed within a second for the old one.
        exec(compile(path.read_bytes(), str(path), "exec"), vars(namespace))
    except (Exception, SystemExit) as error:
        raise PluginError(f"{path}: {_place(error, path)}{type(error).__name__}: {error}") from error
    finally:
        sys.modules.pop(import_name, None)
    found = [
        value
        for value in vars(namespace).values()
        if isinstance(value, type) and issubclass(value, Module) and value.__module__ == import_name
    ]
    if len(found) != 1:
        names = ", ".join(cls.__name__ for cls in found) or "none"
        raise PluginError(
            f"{path}: must define exactly one subclass of bourn.broker.module.Module, not {names}"
        )
    cls = found[0]
    name = cls.name or path.stem
    return ModuleSpec(name, cls, provides=tuple(cls.provides) or (name,), requires=tuple(cls.requires))


def _place(error: BaseException, path: Path) -> str:
    """Return `line N: ` for the last line of the file itself that the error passed through."""
    line = None
    if isinstance(error, SyntaxError):
        return ""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return f"line {line}: " if line is not None else ""
