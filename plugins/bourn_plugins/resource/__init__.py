"""The stock resource module and the readers that it can't do without."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bourn.hookspecs import hookimpl
from bourn.hookspecs.modules import ModuleSpec
from bourn.hookspecs.resource_io import ResourceReader, Resources

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any


@hookimpl
def bourn_modules() -> Iterable[ModuleSpec]:
    """Register the module `resource`; inside Slurm `foreign-end` as well."""
    yield ModuleSpec("resource", "bourn_plugins.resource.module:Resource", ranks="0", requires=("store",))
    if "SLURM_JOB_ID" in os.environ and "BOURN_JOB_ID" not in os.environ:
        yield ModuleSpec(
            "foreign-end",
            "bourn_plugins.resource.following:Following",
            ranks="0",
            requires=("resource", "job-manager"),
        )


@hookimpl
def bourn_resource_readers() -> Iterable[ResourceReader]:
    """Register the readers `machine` and `R`."""
    yield ResourceReader("machine", _machine, live=True)
    yield ResourceReader("R", _read, suffixes=(".R", ".json"))


def _machine(content: bytes, options: Mapping[str, Any]) -> Resources:
    from bourn_plugins.resource.describe import read_machine

    return read_machine(content, options)


def _read(content: bytes, options: Mapping[str, Any]) -> Resources:
    from bourn_plugins.resource.describe import read_R

    return read_R(content, options)
