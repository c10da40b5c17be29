"""The model of `bourn top`: what events and records make of the counts and the list."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bourn.cli.top.model import PENDING_KEPT, JobFilter, TopModel, instance_uri
from bourn.client.jobfields import username
from bourn.errors import BournError

STATS = {
    "job_states": dict.fromkeys(("depend", "priority", "sched", "run", "cleanup"), 0),
    "successful": 0,
    "failed": 0,
    "canceled": 0,
    "timeout": 0,
}


def entry(name, t=1.0, **context):
    return {"timestamp": t, "name": name, "context": context}


def submit(model, id, t=1.0):
    model.event(id, entry("submit", t, userid=os.getuid(), urgency=16, flags=0))


def record(id, state, **more):
    return {"id": id, "userid": os.getuid(), "name": f"job{id}", "state": state, **more}


def stats(**states):
    return {**STATS, "job_states": {**STATS["job_states"], **states}}


def life(id, end, ran=True):
    """Return the events of a job's whole life."""
    events = [entry("submit", id, userid=0, urgency=16), entry("validate"), entry("depend")]
    events.append(entry("priority", priority=16))
    if ran:
        events += [entry("alloc", id + 0.5), entry("start")]
    if end == "cancel":
        events.append(entry("exception", type="cancel", severity=0, note="enough"))
    if end == "timeout":
        events.append(entry("exception", type="timeout", severity=0))
    if ran:
        events += [entry("finish", status={"completed": 0, "failed": 256}.get(end, 15)), entry("free")]
    return [*events, entry("clean", id + 9)]


def test_a_job_from_submission_to_end():
    model = TopModel()
    submit(model, 7)
    assert model.counts["pending"] == 1
    assert model.wanted() == [7]
    model.details([record(7, 2, name="sim", queue="batch")])
    assert model.wanted() == []
    model.event(7, entry("alloc", 3.0))
    assert (model.counts["pending"], model.counts["running"]) == (0, 1)
    assert (model.rows()[0]["t_run"], model.rows()[0]["name"]) == (3.0, "sim")
    model.event(7, entry("memo", uri="local:///x"))
    assert instance_uri(model.chosen) == "local:///x"
    model.event(7, entry("finish", 4.0, status=0))
    model.event(7, entry("clean", 5.0))
    assert model.counts == {**dict.fromkeys(model.counts, 0), "completed": 1}
    assert list(model.rows()) == []
    model.set_filter("completed")
    assert [job["id"] for job in model.rows()] == [7]
    assert instance_uri(model.chosen) == ""


def test_events_that_the_records_have_told_of_change_nothing():
    model = TopModel()
    model.load([record(1, 16, t_run=2.0)], stats(run=1))
    submit(model, 1)
    model.event(1, entry("priority", priority=16))
    model.event(1, entry("alloc", 2.0))
    assert (model.counts["pending"], model.counts["running"]) == (0, 1)
    model.event(1, entry("finish", status=256))
    model.event(1, entry("clean"))
    model.event(1, entry("clean"))
    assert (model.counts["running"], model.counts["failed"]) == (0, 1)


ENDS = [("completed", True), ("failed", True), ("cancel", True), ("cancel", False), ("timeout", True)]


@given(st.lists(st.sampled_from(ENDS), max_size=6), st.randoms(use_true_random=False))
def test_counts_are_those_of_the_jobs_however_events_interleave(ends, random):
    """Each job's events come in order, those of several mixed; the end is the same."""
    model = TopModel()
    lives = {id: life(id, *end) for id, end in enumerate(ends)}
    left = [id for id, events in lives.items() for _ in events]
    random.shuffle(left)
    for id in left:
        model.event(id, lives[id].pop(0))
        assert min(model.counts.values()) >= 0
        active = [job for job in model.jobs.values() if job["state"] != 64]
        assert model.counts["pending"] + model.counts["running"] == len(active)
    names = {"cancel": "canceled"}
    wanted = dict.fromkeys(model.counts, 0)
    for end, _ in ends:
        wanted[names.get(end, end)] += 1
    assert model.counts == wanted


def test_a_queue_longer_than_what_is_kept():
    model = TopModel()
    for id in range(PENDING_KEPT + 50):
        submit(model, id)
    assert (len(model.rows()), model.uncounted, model.starved) == (PENDING_KEPT, 50, False)
    model.event(PENDING_KEPT + 7, entry("alloc", 2.0))  # a job that was only counted
    assert model.rows()[0]["id"] == PENDING_KEPT + 7
    assert (model.counts["pending"], model.counts["running"]) == (PENDING_KEPT + 49, 1)
    for id in range(PENDING_KEPT // 2 + 1):
        model.event(id, entry("alloc", 2.0))
    assert model.starved
    model.event(PENDING_KEPT + 9, entry("clean"))
    assert model.counts["canceled"] == 1


def test_order_and_sorting():
    model = TopModel()
    records = [record(1, 8, priority=16, nnodes=4), record(2, 8, priority=31, nnodes=1)]
    records += [record(3, 16, t_run=5.0, nnodes=2), record(4, 32, t_run=9.0), record(5, 64, t_inactive=9.0)]
    model.load(records, stats(sched=2, run=1, cleanup=1))

    def ids():
        return [job["id"] for job in model.rows()]

    assert ids() == [4, 3, 2, 1]
    model.set_sort("nodes")
    assert ids() == [1, 3, 2, 4]
    model.set_sort("name", reverse=True)
    assert ids() == [4, 3, 2, 1]
    model.set_sort("time")
    assert ids() == [3, 4, 2, 1]
    with pytest.raises(BournError, match="can't sort by 'nods'; did you mean 'nodes'"):
        model.set_sort("nods")


def test_the_chosen_job_stays_chosen_where_it_moves():
    model = TopModel()
    model.load([record(id, 8, priority=16) for id in range(1, 6)], stats(sched=5))
    model.move(2)
    assert model.chosen["id"] == 3
    model.event(5, entry("alloc", 2.0))  # goes to the top
    assert (model.chosen["id"], model.place) == (3, 3)
    for name in ("alloc", "finish", "clean"):
        model.event(3, entry(name, status=0))
    assert (model.chosen["id"], model.place) == (4, 3)  # what stands there now
    model.move(-100)
    assert model.place == 0
    model.move(100)
    assert model.place == 3
    model.set_filter("name=nothing")
    assert (model.chosen, model.place) == (None, 0)


def test_scrolling_keeps_the_chosen_row_in_the_window():
    model = TopModel()
    model.load([record(id, 8, priority=16) for id in range(50)], stats(sched=50))
    model.move(30)
    model.scroll(10)
    assert model.first == 21
    model.move(-5)
    model.scroll(10)
    assert model.first == 21
    model.move(-20)
    model.scroll(10)
    assert model.first == 5
    model.scroll(100)
    assert model.first == 0


def test_filters():
    me = username({"userid": os.getuid()})
    job = record(1, 16, queue="batch")
    for text in ("", "running", "state=run,failed", "name=job", "ob1", f"user={me}", "user=me queue=batch"):
        assert JobFilter(text, os.getuid()).wants(job), text
    for text in ("pending", "failed", "name=x", "user=nobody", "queue=debug", "queue=batch x"):
        assert not JobFilter(text, os.getuid()).wants(job), text
    ended = record(2, 64, result=2)
    assert JobFilter("failed").wants(ended)
    assert not JobFilter("completed").wants(ended)
    assert not JobFilter("job2").wants(ended)
    with pytest.raises(BournError, match="no filter 'stat'; did you mean 'state'"):
        JobFilter("stat=run")
    with pytest.raises(BournError, match="'runing' is no job state"):
        JobFilter("state=runing")


def test_a_filter_by_name_asks_for_the_details_of_all():
    model = TopModel()
    for id in range(300):
        submit(model, id)
    model.scroll(10)
    model.set_filter("name=x")
    assert len(model.rows()) == 0
    assert len(model.wanted()) == 200


def test_forgotten_jobs_leave_the_list():
    model = TopModel()
    submit(model, 1)
    model.forget([1])
    assert list(model.rows()) == []
    assert model.wanted() == []


def test_members_of_arrays_are_counted_before_they_are_jobs():
    model = TopModel()
    model.load([], stats(sched=100), t=50.0)
    submit(model, 1, t=40.0)  # of an array that was submitted before the picture
    submit(model, 2, t=60.0)
    assert (model.counts["pending"], len(model.rows())) == (101, 2)


def test_a_job_that_is_tried_again_waits_again():
    model = TopModel()
    submit(model, 1)
    for entry_ in (entry("alloc", 2.0), entry("finish", 3.0, status=256), entry("retry", 3.0, attempt=2)):
        model.event(1, entry_)
    assert (model.counts["pending"], model.counts["running"]) == (1, 0)
    assert "t_run" not in model.rows()[0]
    for entry_ in (entry("alloc", 4.0), entry("finish", 5.0, status=0), entry("clean", 5.0)):
        model.event(1, entry_)
    assert model.counts == {**dict.fromkeys(model.counts, 0), "completed": 1}
