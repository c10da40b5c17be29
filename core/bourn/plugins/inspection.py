"""What is found when a plugin is looked at: its code, its hooks, what these return, how they fail."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import TYPE_CHECKING, Any

from bourn.errors import BournError, suggest
from bourn.hookspecs import HOOKS

if TYPE_CHECKING:
    import pluggy

__all__ = ["checked", "describe", "implementations", "import_plugin", "one_line"]


def import_plugin(value: str) -> object:
    """Import ``package.module`` or ``package.module:attribute``."""
    module, _, attribute = value.partition(":")
    found: object = import_module(module)
    for part in attribute.split(".") if attribute else ():
        found = getattr(found, part)
    return found


def implementations(plugin: object) -> tuple[tuple[str, ...], str]:
    """Return the names of the hooks that a plugin implements, or what is wrong with it."""
    hooks: list[str] = []
    newer = False
    for name in dir(plugin):
        value = getattr(plugin, name, None)
        options = getattr(value, "bourn_impl", None)
        if not (name in HOOKS or isinstance(options, dict)) or not inspect.isroutine(value):
            continue
        if options is None:
            if name in HOOKS and not hasattr(value, "bourn_spec"):
                return (), f"{name} lacks the decorator @hookimpl"
            continue
        hook = options.get("specname") or name
        if options.get("wrapper") or options.get("hookwrapper"):
            return (), f"{name}: hooks here register objects, there is nothing to wrap"
        if inspect.iscoroutinefunction(value):
            return (), f"{name}: a hook is synchronous; what waits belongs into the objects that it returns"
        if hook in HOOKS:
            hooks.append(hook)
        elif options.get("optionalhook"):
            newer = True
        else:
            return (), f"no such hook: {hook}{suggest(hook, HOOKS)}"
    return tuple(sorted(hooks)), "" if hooks or newer else "it implements no hook"


def checked(hook: str, value: Any) -> Any:
    """Return a registered object if it is what the hook asks for."""
    point, type_name = HOOKS[hook]
    expected = getattr(import_module(f"bourn.hookspecs.{point}"), type_name)
    if not getattr(expected, "_is_protocol", False) and not isinstance(value, expected):
        raise TypeError(f"it must return {type_name} objects, not {type(value).__name__}: {value!r:.60}")
    name = getattr(value, "name", None)
    if not isinstance(name, str) or not name:
        raise TypeError(f"the {type_name} that it returns needs a name, which is a text that isn't empty")
    return value


def describe(error: BaseException) -> str:
    """Return an error in one line, without a traceback."""
    if isinstance(error, BournError):
        return error.message
    if isinstance(error, SystemExit):
        return f"it called sys.exit({error.code!r})"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def one_line(error: pluggy.PluginValidationError) -> str:
    """Return pluggy's message in one line."""
    return " ".join(line.strip() for line in str(error).splitlines() if line.strip())
