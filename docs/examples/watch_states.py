"""Be called back with every change of a job's state, while the reactor runs."""

import bourn
from bourn import Jobspec

with bourn.Handle() as h:

    def changed(event):
        """Print the states of our job."""
        for jobid, state, _timestamp in event.payload["transitions"]:
            if jobid == id:
                print(state)
                if state == "INACTIVE":
                    h.reactor_stop()

    h.event_subscribe("job-state", changed)
    id = bourn.job.submit(h, Jobspec.from_command(["true"]))
    h.reactor_run()
