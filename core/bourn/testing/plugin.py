"""Fixtures for authors of plugins: ``pytest_plugins = ["bourn.testing.plugin"]`` in a conftest.py.

`plugin_manager` is empty; `installed` makes distributions that look installed, for `PluginManager.load` to
find.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bourn.testing.distributions import fake_distribution, forget_modules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from bourn.plugins import PluginManager

__all__ = ["Installed", "installed", "plugin_manager"]


class Installed:
    """Distributions that look installed. Call it to add one; `path` is where they are, also on `sys.path`."""

    def __init__(self, folder: Path, prepend: Callable[[str], None]) -> None:
        self._folder = folder
        self._prepend = prepend
        self.path: list[str] = []

    def __call__(
        self,
        source: str | None = None,
        *,
        name: str = "example",
        version: str = "1.0",
        plugin: str = "",
        group: str = "bourn.plugins",
        module: str = "",
        requires: tuple[str, ...] = (),
        plugins: Mapping[str, Mapping[str, str]] | None = None,
    ) -> Path:
        """Add a distribution with one plugin, whose module has this source; or with the entry points
        `plugins`."""
        folder = self._folder / f"site{len(self.path)}"
        module = module or f"module_of_{name.replace('-', '_')}"
        info = fake_distribution(
            folder,
            name,
            version,
            plugins=plugins or {group: {plugin or name: module}},
            modules={} if source is None else {module: source},
            requires=requires,
        )
        self.path.append(str(folder))
        self._prepend(str(folder))
        return info


@pytest.fixture
def plugin_manager() -> PluginManager:
    """A manager without any plugin; `PluginManager.register` takes a module, a class or an object."""
    from bourn.plugins import PluginManager

    return PluginManager()


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installed]:
    """Distributions that look installed for the time of a test."""
    made = Installed(tmp_path / "installed", monkeypatch.syspath_prepend)
    yield made
    forget_modules(tmp_path)
