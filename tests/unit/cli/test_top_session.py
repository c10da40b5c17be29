"""What `bourn top` asks for and when, of an instance that a script plays."""

import errno
import time
from collections import deque

import pytest

from bourn.cli.top import session as module
from bourn.cli.top.session import BLIND, Session, gauges
from bourn.errors import BournError, RPCError

STATS = {
    "job_states": {"depend": 0, "priority": 0, "sched": 0, "run": 1, "cleanup": 0},
    "successful": 0,
    "failed": 0,
    "canceled": 0,
    "timeout": 0,
}
RUNNING = {"id": 1, "userid": 0, "name": "sim", "state": 16, "t_run": 1.0}


class Answer:
    """A future that is ready with what was scripted, then with an error."""

    def __init__(self, values, error, streaming):
        self.values, self.error, self.streaming = deque(values), error, streaming
        self.cancelled = False

    def is_ready(self):
        return bool(self.values) or self.error is not None

    def get(self):
        if self.values:
            return self.values[0]
        raise self.error

    def reset(self):
        self.values.popleft()

    def cancel(self):
        self.cancelled = True


class Instance:
    """Stands for the handle; `journal` is the error or the replies of the journal."""

    uri = "local:///played"

    def __init__(self, journal):
        self.asked = []
        self.journal = journal
        self.gone = False

    def rpc(self, topic, payload=None, streaming=False):
        if self.gone:
            raise BournError("lost the connection", errno.ECONNRESET)
        self.asked.append(topic)
        end = RPCError(errno.ENODATA, "end", topic)
        if topic == "job-manager.journal":
            if isinstance(self.journal, BournError):
                return Answer([], self.journal, streaming)
            self.stream = Answer([{"sentinel": True}], None, streaming)
            return self.stream
        if topic == "job-list.list":
            wanted = payload["constraint"]["states"][0]
            return Answer([{"jobs": [RUNNING]}] if wanted & 16 else [], end, streaming)
        if topic == "job-list.list-id":
            return Answer([{"jobs": [{**RUNNING, "id": id} for id in payload["ids"]]}], None, streaming)
        reply = {"job-list.stats": STATS, "broker.uptime": {"size": 1}, "sched.resource-status": {}}[topic]
        return Answer([reply], None, streaming)

    def close(self):
        pass


@pytest.fixture
def play(monkeypatch):
    def play(journal=None):
        instance = Instance(journal)
        monkeypatch.setattr(module, "Handle", lambda uri: instance)
        session = Session(None)
        for _ in range(4):
            session.pump()
            session.work()
        return session, instance

    return play


def test_the_first_picture(play):
    session, instance = play()
    assert session.loaded
    assert [job["name"] for job in session.model.rows()] == ["sim"]
    assert session.model.counts["running"] == 1
    assert instance.asked.count("job-list.stats") == 1
    # Nothing happens, so that nothing is asked.
    before = len(instance.asked)
    session.pump()
    assert session.work() is None
    assert len(instance.asked) == before


def test_events_change_the_model_and_ask_for_what_they_do_not_tell(play):
    session, instance = play()
    context = {"userid": 0, "urgency": 16}
    now = time.time()
    events = [{"id": 2, "entry": {"name": "submit", "timestamp": now + 1, "context": context}}]
    instance.stream.values.append({"events": events})
    session.pump()
    assert session.model.counts["pending"] == 1
    assert session.work() is not None  # the counts will be compared
    assert instance.asked[-1] == "job-list.list-id"
    session.pump()
    assert session.model.jobs[2]["name"] == "sim"
    assert session.model.wanted() == []


def test_without_the_journal_there_is_a_new_picture_now_and_then(play):
    session, instance = play(RPCError(errno.EPERM, "not yours", "job-manager.journal"))
    assert session.loaded
    assert 0 < session.work() < BLIND + 1
    session._last_load -= 10 * BLIND
    session.work()
    session.pump()
    session.pump()
    assert instance.asked.count("job-list.stats") == 2


def test_an_instance_that_ends_is_noted_wherever_it_shows(play):
    session, instance = play()
    instance.gone = True
    session.model.refresh()
    session._dirty, session._last_load = True, 1.0
    session.work()
    assert session.ended == "lost the connection"
    session.shut()

    session, instance = play()
    instance.stream.error = BournError("lost it", errno.ECONNRESET)
    session.pump()
    assert session.ended == "lost it"


def test_gauges():
    def R(ranks, nodes):
        lite = [{"rank": ranks, "children": {"core": "0-3", "gpu": "0"}}]
        execution = {"R_lite": lite, "nodelist": nodes, "starttime": 0, "expiration": 0}
        return {"version": 1, "execution": execution}

    found = gauges({"all": R("0-3", ["n[0-3]"]), "allocated": R("0", ["n0"]), "down": R("3", ["n3"])})
    assert found == {"nodes": (1, 3, 4), "cores": (4, 12, 16), "gpus": (1, 3, 4)}
