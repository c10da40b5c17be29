"""The pages of `bourn top` and what the keys do there, without a terminal."""

import os

from bourn.cli.format import plain
from bourn.cli.top.app import App, Job
from bourn.cli.top.model import TopModel
from bourn.cli.top.view import View, detail, summary
from bourn.model.jobid import JobID

STATS = {
    "job_states": {"depend": 0, "priority": 0, "sched": 1, "run": 2, "cleanup": 0},
    "successful": 5,
    "failed": 1,
    "canceled": 0,
    "timeout": 0,
}


def record(id, state, name, **more):
    record = {"id": id, "userid": os.getuid(), "state": state, "name": name, "ntasks": 1, "duration": 0.0}
    return {**record, "priority": 16, "urgency": 16, **more}


def app(**info):
    model = TopModel(os.getuid())
    model.info |= info
    model.load(
        [
            record(1 << 24, 16, "sim", t_run=2.0, nnodes=1, nodelist="n0"),
            record(2 << 24, 16, "inner", t_run=1.0, annotations={"user": {"uri": "local:///inner"}}),
            record(3 << 24, 8, "wait", annotations={"sched": {"reason_pending": "no cores free"}}),
        ],
        STATS,
    )
    return App(model, [])


def texts(found):
    return [line.text.rstrip() for line in found]


def test_the_list():
    found = app(size=3)
    found.model.resources = {"nodes": (1, 2, 3), "cores": (4, 8, 12), "gpus": (0, 0, 0)}
    lines = found.screen(90, 12)
    assert len(lines) == 12
    assert lines[0].text.split() == ["bourn", "top", "3", "brokers"]
    gauges = "nodes [|||||||       xxxxxxx] 1/2 (1 down)   cores [|||||||       xxxxxxx] 4/8 (4 down)"
    assert texts(lines)[1] == gauges
    assert texts(lines)[2] == "1 pending, 2 running, 5 completed, 1 failed"
    assert lines[4].style == "heading"
    assert [line.style for line in lines[5:8]] == ["cursor", "instance", "state-sched"]
    assert "no cores free" in lines[7].text
    assert "sim" in lines[5].text
    assert lines[-1].style == "note"


def test_a_small_window_scrolls_and_says_what_is_below():
    found = app()
    lines = found.screen(60, 8)
    assert len(lines) == 8
    assert all(len(line.text) <= 60 for line in lines)
    assert "sim" in lines[5].text
    assert "1 more below" in found.screen(100, 8)[-1].text
    found.key("G")
    assert any("wait" in line.text for line in found.screen(60, 8))
    assert found.screen(5, 2)  # whatever the size


def test_a_job_known_by_its_events_alone_has_a_row():
    found = app()
    found.model.event(9 << 24, {"timestamp": 1.0, "name": "submit", "context": {"userid": 0, "urgency": 16}})
    assert any(line.text.endswith(f"{JobID(9 << 24)} ...") for line in found.screen(90, 20))


def test_names_cannot_steer_the_terminal():
    assert plain("a\x1b[2Jb\n") == "a?[2Jb?"
    found = app()
    found.model.jobs[1 << 24]["name"] = "\x1b]0;x\x07"
    assert all(line.text.isprintable() for line in found.screen(90, 12))


def test_enter_descends_into_an_instance_and_opens_other_jobs():
    found = app()
    found.key("down")
    found.key("enter")
    assert found.wishes == [("descend", JobID(2 << 24), "local:///inner")]
    found.wishes.clear()
    found.key("d")
    assert found.wishes == [("open", JobID(2 << 24))]
    found.wishes.clear()
    found.key("q")
    found.key("k")
    found.key("enter")
    assert found.wishes == [("close",), ("open", JobID(1 << 24))]
    found.job.add(found.job.events, "0.000 submit")
    found.job.add(found.job.output, "hello")
    lines = texts(found.screen(90, 24))
    assert lines[0] == f"Job {JobID(1 << 24)}  sim"
    assert {"Events", "0.000 submit", "Output", "hello"} <= set(lines)
    found.key("backspace")
    assert found.job is None
    found.key("backspace")
    assert found.wishes[-1] == ("ascend",)


def test_cancel_asks_first():
    found = app()
    found.key("c")
    assert "cancel" in found.screen(90, 12)[-1].text
    assert found.cursor is not None
    found.key("n")
    assert found.wishes == []
    assert found.screen(90, 12)[-1].text == f"{JobID(1 << 24)} goes on"
    found.key("c")
    found.key("y")
    assert found.wishes == [("cancel", JobID(1 << 24))]
    found.model.jobs[1 << 24]["state"] = 64
    found.model.set_filter("inactive")
    found.key("c")
    assert found.screen(90, 12)[-1].text == f"{JobID(1 << 24)} has ended already"


def test_the_filter_is_typed():
    found = app()
    for key in ("f", "w", "x", "backspace", "a", "enter"):
        found.key(key)
    assert found.model.filter.text == "wa"
    assert [job["name"] for job in found.model.rows()] == ["wait"]
    for key in ("/", "clear", *"nam=1", "enter"):
        found.key(key)
    last = found.screen(90, 12)[-1]
    assert last.style == "error"
    assert last.text.startswith("no filter 'nam'")
    assert found.model.filter.text == "wa"
    found.key("escape")
    assert found.model.filter.text == ""
    assert found.wishes == []
    for key in ("f", "z", "escape"):
        found.key(key)
    assert found.model.filter.text == ""


def test_sort_reverse_all_help_and_unknown_keys():
    found = app()
    found.key("s")
    assert found.model.sort == "id"
    assert "sort: id" in found.screen(90, 12)[2].text
    found.key("r")
    assert "sort: id reversed" in found.screen(90, 12)[2].text
    found.key("S")
    assert (found.model.sort, found.model.reverse) == ("state", False)
    found.key("a")
    assert found.model.filter.text == "state=active,inactive"
    found.key("a")
    assert found.model.filter.text == ""
    found.key("h")
    assert found.screen(90, 30)[0].text == "Keys"
    found.key("q")
    assert found.wishes == []
    found.key("z")
    assert found.screen(90, 12)[-1].text.startswith("no key 'z'")
    found.key("Q")
    assert found.wishes == [("quit",)]


def test_an_empty_list_takes_every_key():
    found = App(TopModel(), [])
    for key in ("up", "down", "home", "end", "pageup", "pagedown", "enter", "d", "c", "s", "r", "a"):
        found.key(key)
        assert len(found.screen(80, 24)) == 24
    assert found.wishes == []


def test_details_fit_any_height():
    job = Job(record(1, 64, "x" * 200, result=2, waitstatus=256, t_run=1.0, t_cleanup=2.0, cwd="/tmp"))
    job.output = [str(i) for i in range(50)]
    for height in range(4, 40):
        lines = detail(job.record, ["1 submit"] * 30, job.output, 70, height)
        assert len(lines) == height
        assert all(len(line.text) <= 70 for line in lines)
    assert any(line.text.split() == ["inactive-reason", "Exit", "1"] for line in lines)
    assert lines[-2].text == "49"


def test_other_columns_by_a_format():
    found = app()
    found.view = View("{id.f58:>12} {name}")
    assert found.screen(80, 12)[5].text.split() == [str(JobID(1 << 24)), "sim"]
    assert summary(found.model, ["ƒ1", "ƒ2"], 80)[0].text == "bourn top / ƒ1 / ƒ2"
