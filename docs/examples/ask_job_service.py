"""Ask the module of job_service.py for a job: COMMAND..."""

import sys

import bourn

with bourn.Handle() as h:
    h.event_subscribe("job-service")
    id = h.rpc("job-service.run-command", {"command": sys.argv[1:]}).get()["id"]
    assert h.event_recv().payload == {"id": id}
    print(bourn.job.result(h, id).result)
