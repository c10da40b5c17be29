"""Who uses shell hosts, as the shell-manager sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bourn.shell.wire import FromHost


class ReportSink(Protocol):
    """Who uses the hosts: an exec method."""

    def host_report(
        self, report: FromHost, mark: dict[str, object], durable: Callable[[], None], rank: int
    ) -> None:
        """Take a report from a rank. `mark` is to be made durable with what it says, by the store's `meta`;
        then call `durable`."""
        ...

    def host_fences(self, fences: Sequence[tuple[int, int, str, dict[str, str]]]) -> None:
        """Take parts of exchanges among jobs' nodes; see `bourn.shell.fences`."""
        ...

    def host_ready(self, ids: Sequence[int], rank: int) -> None:
        """These jobs, which were to be held, could start on a rank."""
        ...

    def host_found(
        self, rank: int, userid: int, greeting: FromHost, reason: str, *, node: bool = False
    ) -> None:
        """A host that was sought, or was out of reach, has told what it has: `greeting.jobs`, and which of
        them are held. Where there is none any more, `reason` says what is known of that; `node`: it went with
        its broker."""
        ...

    def host_lost(self, jobs: Sequence[int], reason: str, rank: int, *, node: bool) -> None:
        """A host ended without being told to; these jobs' processes there are gone. `node`: so is the
        broker."""
        ...
