"""Submit jobs, then wait: for each in order, and for whichever ends next."""

import bourn
from bourn import Jobspec

with bourn.Handle() as h:
    spec = Jobspec.from_command(["sleep", "0.1"], num_nodes=1, num_tasks=2)
    ids = [bourn.job.submit(h, spec, waitable=True) for _ in range(3)]
    for id in ids:
        jobid, success, errstr = bourn.job.wait(h, id)
        print("in order:", jobid == id, success, errstr or "completed")

    for status in (0, 1):
        bourn.job.submit(h, Jobspec.from_command(["sh", "-c", f"exit {status}"]), waitable=True)
    for _ in range(2):
        jobid, success, errstr = bourn.job.wait(h)
        print("any:", success, errstr or "completed")
