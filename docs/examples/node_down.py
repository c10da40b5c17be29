"""Publish an event of one's own and receive it: what a monitor tells those whom it concerns."""

import bourn

with bourn.Handle() as monitor, bourn.Handle() as job:
    job.event_subscribe("node_down")
    monitor.event_publish("node_down", {"rank": 3, "reason": "fan"})
    event = job.event_recv()
    print(event.topic, event.payload["rank"], event.payload["reason"])
