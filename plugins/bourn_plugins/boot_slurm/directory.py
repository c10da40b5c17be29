"""Cards exchanged through a directory that all hosts see, and only this user can read or write."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import trio

from bourn.errors import BournError
from bourn.model.idset import IdSet

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

FIRST_LOOK, LAST_LOOK = 0.02, 0.5
"""How long to wait before looking again, at first and in the end (seconds)."""


class Shared:
    """A broker's part. `folder` is of this launch alone, and goes when all have read what they need."""

    def __init__(self, rank: int, size: int, folder: Path, timeout: float) -> None:
        self.rank = rank
        self.size = size
        self.attributes: Mapping[str, str] = {"boot.together": "1", "instance-id": folder.name}
        self._folder = folder
        self._timeout = timeout

    async def exchange(
        self, card: Mapping[str, Any], wanted: Collection[int]
    ) -> Mapping[int, Mapping[str, Any]]:
        """Write this rank's card, and read those that are wanted when they are there."""
        make_private(self._folder)
        self._write(f"card.{self.rank}", json.dumps(card))
        await self._until("card", wanted)
        found = {rank: self._read(rank) for rank in wanted}
        self._write(f"done.{self.rank}", "")
        if self.rank == 0:
            await self._until("done", range(self.size))
            shutil.rmtree(self._folder, ignore_errors=True)
        return found

    async def close(self, error: BournError | None = None) -> None:
        """Tell the others, if they are still there to be told, that this broker can't start."""
        if error is not None:
            with suppress(OSError):
                self._write(f"error.{self.rank}", error.message)

    async def _until(self, kind: str, ranks: Collection[int]) -> None:
        """Wait until each of these ranks has written a file of a kind."""
        delay, missing = FIRST_LOOK, IdSet(ranks)
        with trio.move_on_after(self._timeout):
            while True:
                missing = self._missing(kind, missing)
                if not missing:
                    return
                await trio.sleep(delay)
                delay = min(1.5 * delay, LAST_LOOK)
        raise BournError(
            f"rank {missing} hasn't come within {self._timeout:g} s ([bootstrap] timeout); do all hosts see "
            f"{self._folder.parent}? [bootstrap] directory names another directory",
            errno.ETIMEDOUT,
        )

    def _missing(self, kind: str, ranks: IdSet) -> IdSet:
        try:
            names = set(os.listdir(self._folder))
        except FileNotFoundError:
            return IdSet()  # rank 0 has removed it: all were done
        for name in names:
            if name.startswith("error."):
                rank = name.removeprefix("error.")
                raise BournError(f"rank {rank} can't start: {(self._folder / name).read_text()}")
        return IdSet(rank for rank in ranks if f"{kind}.{rank}" not in names)

    def _read(self, rank: int) -> dict[str, Any]:
        path = self._folder / f"card.{rank}"
        with open(path, encoding="utf-8") as file:
            if os.fstat(file.fileno()).st_uid != os.geteuid():
                raise BournError(f"{path}: belongs to another user", errno.EPERM)
            card: dict[str, Any] = json.load(file)
        return card

    def _write(self, name: str, text: str) -> None:
        """Write a file that is there as a whole or not at all."""
        part = self._folder / f".{name}"
        part.write_text(text, encoding="utf-8")
        part.replace(self._folder / name)


def make_private(folder: Path) -> None:
    """Make a directory that only this user can use, or see that it is one.

    Raises BournError: whoever can write there could take a broker's place.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise BournError(f"{folder}: can't be made: {error.strerror}", error.errno) from None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise BournError(
            f"{folder}: must be a directory of yours that nobody else can use (mode 700)", errno.EPERM
        )
