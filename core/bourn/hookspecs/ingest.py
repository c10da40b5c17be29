"""Ingest: what is filled in for, and refused of, the jobs that users submit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from bourn.hookspecs import hookspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bourn.config import Config

__all__ = ["Frobnicator", "SubmitInfo", "Validator", "bourn_frobnicators", "bourn_validators"]


@frozen
class SubmitInfo:
    """What is known about a submission besides its jobspec."""

    userid: int
    """The user, as the kernel told the broker; never the client's own word."""
    rolemask: int
    """Roles of RFC 12: OWNER 1, USER 2, LOCAL 4, ADMIN 8."""
    urgency: int
    """0-31 (RFC 30)."""
    flags: int
    """Submission flags (RFC 18, as bits)."""
    config: Config = field(repr=False)
    """The instance's configuration, for example ``info.config.table("queues", dict)``."""
    feasibility: Callable[[dict[str, Any]], str | None] = field(default=lambda jobspec: None, repr=False)
    """Asks the scheduler whether a jobspec could ever run here: the reason why not, or None."""


@frozen
class Frobnicator:
    """Fills in or rewrites a jobspec before it is validated."""

    name: str
    """Unique; what ``[ingest] frobnicators`` names."""
    apply: Callable[[dict[str, Any], SubmitInfo], dict[str, Any]]
    """Returns the jobspec to go on with. It gets a tree of its own, so it may change that in place. Raise
    `bourn.errors.JobspecError` to refuse the job with a reason."""
    default: bool = False
    """Whether it is in use when the configuration has no ``[ingest] frobnicators``."""
    pure: bool = False
    """Whether the result hangs on nothing but the jobspec, the info and the configuration, so that it may be
    kept for equal jobspecs of later requests."""
    ignores: tuple[str, ...] = ()
    """Dotted prefixes of what it neither reads nor writes, as ``attributes.system.environment.``: jobs of a
    request that differ only there share one call and one stored jobspec."""


@frozen
class Validator:
    """Looks at a jobspec and accepts or refuses it."""

    name: str
    """Unique; what ``[ingest] validators`` names."""
    check: Callable[[dict[str, Any], SubmitInfo], str | None]
    """None accepts; a text refuses, and is what the user reads. It must not change the jobspec."""
    default: bool = False
    """Whether it is in use when the configuration has no ``[ingest] validators``."""
    pure: bool = False
    """Whether the verdict hangs on nothing but the jobspec, the info and the configuration, so that it may be
    kept for equal jobspecs of later requests."""
    ignores: tuple[str, ...] = ()
    """Dotted prefixes of what it doesn't look at, as ``attributes.system.environment.``: jobs of a request
    that differ only there share one call."""


@hookspec
def bourn_frobnicators() -> Iterable[Frobnicator]:
    """Register functions that fill in what a submitted jobspec leaves open.

    Called: once, when the job-ingest module starts. The objects are used for each distinct jobspec of a
    submit request: a thousand equal jobs cost one call.
    Process: broker, every rank.
    Order: as ``[ingest] frobnicators`` lists them; without it, those with `default`, in plugin order.
    Errors: an exception in the hook leaves this plugin's frobnicators out, and a name that the configuration
    then misses refuses the start. A frobnicator that raises refuses the submission; the message names it.
    Since: 0.1

    Example::

        from bourn.hookspecs import hookimpl
        from bourn.hookspecs.ingest import Frobnicator


        def default_project(jobspec, info):
            jobspec["attributes"]["system"].setdefault("project", "misc")
            return jobspec


        @hookimpl
        def bourn_frobnicators():
            yield Frobnicator("default-project", default_project)
    """
    raise NotImplementedError


@hookspec
def bourn_validators() -> Iterable[Validator]:
    """Register functions that refuse jobs, each with a reason that the user reads.

    Called: once, when the job-ingest module starts. The objects are used for each distinct jobspec of a
    submit request, after the frobnicators: a thousand equal jobs cost one call.
    Process: broker, every rank.
    Order: as ``[ingest] validators`` lists them; without it, those with `default`, in plugin order. The first
    refusal ends the check.
    Errors: an exception in the hook leaves this plugin's validators out, and a name that the configuration
    then misses refuses the start: a site's rule is never dropped in silence. A validator that raises refuses
    the submission; the message names it.
    Since: 0.1

    Example::

        from bourn.hookspecs import hookimpl
        from bourn.hookspecs.ingest import Validator


        def has_project(jobspec, info):
            if jobspec["attributes"]["system"].get("project"):
                return None
            return "name a project: -S project=NAME"


        @hookimpl
        def bourn_validators():
            yield Validator("has-project", has_project)
    """
    raise NotImplementedError
