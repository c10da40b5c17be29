"""Boot method `single`: one broker that is its own instance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.hookspecs import hookimpl
from bourn.hookspecs.boot import BootMethod

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from bourn.config import Config
    from bourn.errors import BournError


class Single:
    """Rank 0 of 1; there is nobody to meet."""

    rank = 0
    size = 1

    def __init__(self) -> None:
        self.attributes: Mapping[str, str] = {}

    async def exchange(
        self, card: Mapping[str, Any], wanted: Collection[int]
    ) -> Mapping[int, Mapping[str, Any]]:
        """Return nothing: there is nobody else."""
        return {}

    async def close(self, error: BournError | None = None) -> None:
        """Nobody waits to be told."""


def _detect(environ: Mapping[str, str], config: Config) -> bool:
    return True


def _open(environ: Mapping[str, str], config: Config) -> Single:
    return Single()


@hookimpl
def bourn_boot_methods() -> Iterable[BootMethod]:
    """Register `single`, which is taken if no other method detects itself."""
    yield BootMethod("single", _detect, _open, priority=-100)
