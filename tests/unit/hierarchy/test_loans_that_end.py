"""A borrower whose loan ends while it waits for the brokers on its nodes."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from bourn.errors import BournError
from bourn.model.idset import IdSet
from bourn.model.rset import ResourceSet
from bourn_plugins.hierarchy.elastic import Elastic, Loan

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator


def nodes(*ranks: int) -> ResourceSet:
    return ResourceSet.from_nodes((rank, f"n{rank}", IdSet("0-1"), IdSet()) for rank in ranks)


class Instance:
    """The borrower's services, as far as they are asked, in place of a context."""

    def __init__(self) -> None:
        self.attrs = {"jobid": "f1", "parent-uri": "local:///nowhere"}
        self.R = nodes(0, 1, 2)
        self.asked: list[tuple[str, Any]] = []

    async def rpc(self, topic: str, payload: Any = None) -> Any:
        self.asked.append((topic, payload))
        if topic == "resource.allot":
            self.R = ResourceSet.from_dict(payload["R"])
        return {"R": self.R.to_dict()}

    @asynccontextmanager
    async def stream(self, topic: str, payload: Any) -> AsyncIterator[AsyncGenerator[dict[str, str], None]]:
        async def members() -> AsyncGenerator[dict[str, str], None]:
            yield {"members": "0-1"}
            await trio.sleep_forever()

        found = members()
        try:
            yield found
        finally:
            await found.aclose()


async def test_nobody_waits_for_brokers_of_a_loan_that_has_ended() -> None:
    instance = Instance()
    elastic = Elastic(instance, None)  # type: ignore[arg-type]
    loan, other = Loan(7, nodes(2), whole=True), Loan(8, nodes(1), whole=True)
    elastic._loans += [loan, other]
    await elastic._wait_for(other)
    begin = trio.current_time()
    async with trio.open_nursery() as nursery:

        async def wait() -> None:
            with pytest.raises(BournError, match=r"the loan .* has ended before its brokers were up"):
                await elastic._wait_for(loan)

        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        await elastic._drop(loan, wait=False, force=True)
    assert trio.current_time() == begin
    assert str(instance.R.ranks) == "0-1"
    assert instance.asked[-1] == ("overlay.release", {"ranks": "2"})
