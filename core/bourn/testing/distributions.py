"""Distributions that look installed: to test how plugins are found, refused and loaded, without pip."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["fake_distribution", "forget_modules"]


def fake_distribution(
    folder: Path,
    name: str = "example",
    version: str = "1.0",
    *,
    plugins: Mapping[str, Mapping[str, str]],
    modules: Mapping[str, str] | None = None,
    requires: Iterable[str] = (),
) -> Path:
    """Write a distribution's metadata and modules into `folder`, which is then to be put on `sys.path`.

    Args:
        plugins: entry points: group -> name -> ``module`` or ``module:attribute``.
        modules: module name -> source text.
        requires: lines of ``Requires-Dist``.
    Returns the metadata directory.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for module, source in (modules or {}).items():
        path = folder.joinpath(*module.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    fields = ["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}"]
    fields += [f"Requires-Dist: {line}" for line in requires]
    (info / "METADATA").write_text("\n".join(fields) + "\n\nMade by a test.\n", encoding="utf-8")
    sections = [
        f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in entries.items())
        for group, entries in plugins.items()
    ]
    (info / "entry_points.txt").write_text("\n".join(sections), encoding="utf-8")
    return info


def forget_modules(folder: Path) -> None:
    """Drop the modules that were imported from `folder`, so that a later test may have others of their
    names."""
    for name, module in list(sys.modules.items()):
        origin = getattr(module, "__file__", None)
        if origin and str(folder) in origin:
            del sys.modules[name]
