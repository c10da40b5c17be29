"""URI resolvers: from what a user knows of an instance to the address of its broker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from bourn.hookspecs import hookspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["UriResolver", "bourn_uri_resolvers"]


@frozen
class UriResolver:
    """Resolves one scheme."""

    scheme: str
    """What stands before the colon: ``pid`` of ``pid:4711``."""
    resolve: Callable[[str], str]
    """Takes what stands after the colon and returns ``local:///PATH`` or ``ssh://HOST/PATH``. It may take its
    time. Raises `BournError` with the reason when there is no such instance."""
    summary: str = ""

    @property
    def name(self) -> str:
        """The scheme: what ``bourn plugins`` shows."""
        return self.scheme


@hookspec
def bourn_uri_resolvers() -> Iterable[UriResolver]:
    """Register ways to find an instance.

    Called: when a client is given an address whose scheme the client library doesn't know by itself.
    Process: client (command line, Python API).
    Order: of two resolvers of a scheme the first registered is taken, and the clash is told.
    Errors: an exception leaves this plugin's resolvers out; an unknown scheme is an error that lists the
    known ones.
    Since: 0.1

    Example::

        from pathlib import Path

        from bourn.errors import BournError
        from bourn.hookspecs import hookimpl
        from bourn.hookspecs.uri import UriResolver


        def from_file(target):
            try:
                return Path(target).read_text().strip()
            except OSError as error:
                raise BournError(f"file:{target}: {error.strerror}") from None


        @hookimpl
        def bourn_uri_resolvers():
            yield UriResolver("file", from_file, "read the address from a file")
    """
    raise NotImplementedError
