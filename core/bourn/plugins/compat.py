"""Whether a distribution may be used with this Bourn, judged by its metadata and before any of it is
imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn._version import __version__

if TYPE_CHECKING:
    from bourn.plugins.discovery import EntryPoint

__all__ = ["incompatibility"]


def incompatibility(entry: EntryPoint, version: str = __version__) -> str:
    """Return why the entry point's distribution can't be used with Bourn `version`, or "" if it can.

    Looks at each ``Requires-Dist: bourn...`` whose environment marker holds here. Extras are left aside: a
    requirement of an extra that wasn't asked for doesn't bind.
    """
    from bourn.plugins.discovery import metadata

    wanted = [
        value for key, value in metadata(entry) if key == "requires-dist" and value[:5].lower() == "bourn"
    ]
    if not wanted:
        return ""
    # Imported late: it takes 20 ms, and only third parties' plugins need it.
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    for text in wanted:
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            return (
                f"{entry.owner} has a requirement that can't be read: {text!r}: {str(error).splitlines()[0]}"
            )
        if canonicalize_name(requirement.name) != "bourn":
            continue
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            return f"{entry.owner} needs bourn{requirement.specifier}, this is bourn {version}"
    return ""
