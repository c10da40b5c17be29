"""A broker module of one's own: a service that takes requests and answers with the id of a job.

bourn module load ./job_service.py
python ask_job_service.py sleep 1
"""

from bourn.broker.module import Module, Request, method
from bourn.model.jobspec import Jobspec


class JobService(Module):
    """Runs a command for whoever asks."""

    name = "job-service"
    requires = ("job-ingest",)

    @method()
    async def run_command(self, request: Request) -> dict[str, int]:
        """`{command}` -> `{id}`."""
        jobspec = Jobspec.from_command(request.get("command", list)).to_dict()
        payload = {"jobspecs": [jobspec], "jobs": [{"jobspec": 0}]}
        reply = await self.ctx.rpc("job-ingest.submit", payload)
        self.ctx.publish("job-service.submitted", {"id": reply["ids"][0]})
        return {"id": reply["ids"][0]}
