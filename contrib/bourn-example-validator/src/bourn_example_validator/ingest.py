"""The validator `has-project`, which runs in the broker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from bourn.errors import suggest
from bourn.hookspecs import hookimpl
from bourn.hookspecs.ingest import SubmitInfo, Validator

if TYPE_CHECKING:
    from collections.abc import Iterable


@frozen
class ProjectTable:
    """The table ``[plugin.has-project]``."""

    projects: tuple[str, ...] = ()
    """The projects that there are; empty = any will do."""


def has_project(jobspec: dict[str, Any], info: SubmitInfo) -> str | None:
    """Refuse a job that names no project, or one that the site doesn't have."""
    project = jobspec["attributes"]["system"].get("project")
    if not project:
        return "name a project, as --ex-project=NAME"
    known = info.config.table("plugin.has-project", ProjectTable).projects
    if known and project not in known:
        return f"there is no project '{project}'{suggest(project, known)}"
    return None


@hookimpl
def bourn_validators() -> Iterable[Validator]:
    """Register it; a site switches it on by naming it under ``[ingest] validators``."""
    yield Validator("has-project", has_project, pure=True)
