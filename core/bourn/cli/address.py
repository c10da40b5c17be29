"""From what a user types for an instance to its address: an address, a path, `SCHEME:TARGET`, or a job id."""

from __future__ import annotations

import os

from bourn.errors import BournError


def resolve(target: str) -> str:
    """Return the address; a bare word is a job id, or ids from level to level joined by `/`.

    Raises BournError where there is no such instance.
    """
    scheme, colon, _ = target.partition(":")
    if colon and scheme in ("local", "ssh"):
        return target
    if target.startswith(("/", "./", "../")):
        path = os.path.abspath(target)
        if not os.path.exists(path):
            raise BournError(f"{target}: there is no such socket or run directory")
        return f"local://{os.path.join(path, 'local') if os.path.isdir(path) else path}"
    from bourn.plugins.uri import resolve_uri

    return resolve_uri(target if colon and scheme.isidentifier() else f"jobid:{target}")


def local(uri: str) -> str:
    """Return the address as one for this host."""
    if uri.startswith("ssh://"):
        _, _, path = uri.removeprefix("ssh://").partition("/")
        return f"local:///{path}"
    return uri


def remote(uri: str) -> str:
    """Return the address as one that tells the host as well."""
    from bourn.broker.nesting import remote_uri

    return uri if uri.startswith("ssh://") else remote_uri(uri)
