"""Boot method `single`: one broker that is its own instance."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from bourn.errors import BournError
from bourn.hookspecs import hookimpl
from bourn.hookspecs.boot import BootMethod

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from bourn.config import Config


class Single:
    """Rank 0 of 1; there is nobody to meet."""

    rank = 0
    size = 1

    def __init__(self) -> None:
        self.attributes: Mapping[str, str] = {}

    async def exchange(self, card: Mapping[str, Any]) -> Callable[[int], Mapping[str, Any]]:
        """Return a look-up that knows rank 0."""

        def look_up(rank: int) -> Mapping[str, Any]:
            if rank != 0:
                raise BournError(f"there is no rank {rank}: the instance has one broker", errno.EHOSTUNREACH)
            return card

        return look_up

    async def close(self) -> None:
        """Nobody waits to be told."""


def _detect(environ: Mapping[str, str], config: Config) -> bool:
    return True


def _open(environ: Mapping[str, str], config: Config) -> Single:
    return Single()


@hookimpl
def bourn_boot_methods() -> Iterable[BootMethod]:
    """Register `single`, which is taken if no other method detects itself."""
    yield BootMethod("single", _detect, _open, priority=-100)
