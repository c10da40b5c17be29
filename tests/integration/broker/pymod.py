"""A user's own module: a service that submits jobs, as one would write it in a file of one's own."""

from __future__ import annotations

from typing import Any

from bourn.broker.module import Module, Request, method
from bourn.model.jobspec import Jobspec


class Pymod(Module):
    """Submits a job for whoever asks, and tells the world."""

    name = "pymod"
    requires = ("job-ingest",)

    @method(name="new_job")
    async def new_job(self, request: Request) -> dict[str, Any]:
        """`{command}` -> `{id}`."""
        jobspec = Jobspec.from_command(request.get("command", list)).to_dict()
        reply = await self.ctx.rpc("job-ingest.submit", {"jobspecs": [jobspec], "jobs": [{"jobspec": 0}]})
        self.ctx.publish("pymod.submitted", {"id": reply["ids"][0]})
        return {"id": reply["ids"][0]}
