"""What an instance has: `resource_list(handle).get().free.ncores`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn import ResourceSet
from bourn.client.resource import ResourceListing
from bourn.client.resource import resource_list as listing

if TYPE_CHECKING:
    from flux import Flux

__all__ = ["ResourceListing", "ResourceSet", "resource_list"]


class Reply:
    """A response that is there."""

    def __init__(self, found: ResourceListing) -> None:
        self._found = found

    def get(self) -> ResourceListing:
        """Return it."""
        return self._found


def resource_list(flux_handle: Flux) -> Reply:
    """Ask the scheduler what it has."""
    return Reply(listing(flux_handle))
