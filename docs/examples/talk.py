"""Jobs of two instances work together through the instance above both: ROLE (learn | simulate).

    bourn batch --wrap 'bourn run python talk.py learn'
    bourn batch --wrap 'bourn run python talk.py simulate'

The learner serves a model and watches a key. The simulation asks for the model, puts a result under the key,
and hears by an event that there is a better one.
"""

import sys
import threading

import bourn

STEPS = 3
KEY = "talk.result"


def above():
    """Return a handle of the parent of the instance that this job runs in."""
    with bourn.Handle() as inner:
        return bourn.Handle(inner.attr_get("parent-uri"))


def learn():
    """Serve the model; train it with each result, until the last."""
    model = {"version": 0}
    # It answers until the program ends: a handle isn't closed while another thread waits on it.
    server = above()
    server.service_register("model", {"get": lambda request: dict(model)})
    threading.Thread(target=server.reactor_run, daemon=True).start()
    with above() as h:
        # A service is found by those below its broker; others name its rank.
        bourn.kvs.put(h, "talk.server", int(h.attr_get("rank")), namespace="primary")
        bourn.kvs.commit(h, namespace="primary")
        for entry in bourn.kvs.watch(h, KEY, namespace="primary", waitcreate=True):
            step = bourn.kvs.parse_value(entry["value"])["step"]
            model["version"] += 1
            h.event_publish("model.trained", dict(model))
            if step == STEPS:
                break
        print("trained", model["version"], "times")


def simulate():
    """Put results, each made with the newest model."""
    with above() as h:
        entry = next(bourn.kvs.watch(h, "talk.server", namespace="primary", waitcreate=True))
        server = bourn.kvs.parse_value(entry["value"])
        h.event_subscribe("model.trained")
        for step in range(1, STEPS + 1):
            version = h.rpc("model.get", nodeid=server).get()["version"]
            bourn.kvs.put(h, KEY, {"step": step, "model": version}, namespace="primary")
            bourn.kvs.commit(h, namespace="primary")
            trained = h.event_recv().payload
            print("step", step, "with model", version, "made model", trained["version"])


if __name__ == "__main__":
    {"learn": learn, "simulate": simulate}[sys.argv[1]]()
