"""Resolving addresses of instances by the installed URI resolvers."""

from __future__ import annotations

import errno

from bourn.errors import BournError, suggest

__all__ = ["resolve_uri"]


def resolve_uri(uri: str) -> str:
    """Return the address that ``SCHEME:TARGET`` stands for; raise `BournError` with the known schemes, or the
    reason.

    Loads the plugins of the command line, so it is for addresses that the client doesn't know by itself.
    """
    from bourn.hookspecs import CLI_GROUP
    from bourn.hookspecs.uri import bourn_uri_resolvers
    from bourn.plugins.manager import PluginManager

    scheme, _, target = uri.partition(":")
    manager = PluginManager()
    manager.load(groups=[CLI_GROUP])
    known = manager.named(bourn_uri_resolvers)
    if scheme not in known:
        raise BournError(
            f"'{uri}': no way is known to find an instance by '{scheme}'{suggest(scheme, ['local', *known])}",
            errno.EINVAL,
        )
    record, resolver = known[scheme].record, known[scheme].value
    try:
        return resolver.resolve(target)
    except BournError:
        raise
    except Exception as error:
        raise BournError(manager.report(record, f"resolving {uri}", error)) from error
