import pytest

from bourn.client.progress import ProgressTable, describe, exitcode


def feed(table, id, *events):
    for name, context in events:
        table.event(id, {"timestamp": 1.0, "name": name, "context": context})


RUN = [("submit", {}), ("start", {})]


def test_counts_follow_the_events():
    table = ProgressTable([7, 8, 9])
    assert (table.pending, table.left) == (3, 3)
    feed(table, 7, *RUN)
    assert (table.pending, table.running) == (2, 1)
    feed(table, 7, ("finish", {"status": 0}), ("clean", {}))
    feed(table, 8, *RUN, ("finish", {"status": 3 << 8}), ("clean", {}))
    feed(table, 9, ("submit", {}), ("exception", {"type": "cancel", "severity": 0}), ("clean", {}))
    assert (table.completed, table.failed, table.running, table.pending, table.left) == (1, 2, 0, 0, 0)
    assert table.exitcode == 3
    assert table.jobs[9].exitcode == 1


def test_another_event_may_be_waited_for():
    table = ProgressTable([7], wanted="start")
    feed(table, 7, *RUN)
    assert table.left == 0


def test_a_job_that_ends_without_the_event_is_done_too():
    table = ProgressTable([7], wanted="memo")
    feed(table, 7, *RUN, ("finish", {"status": 0}), ("clean", {}))
    assert table.left == 0


def test_jobs_of_others_and_harmless_exceptions_are_ignored():
    table = ProgressTable([7])
    assert table.event(99, {"timestamp": 1.0, "name": "clean"}) is None
    feed(
        table,
        7,
        *RUN,
        ("exception", {"type": "note", "severity": 3}),
        ("finish", {"status": 0}),
        ("clean", {}),
    )
    assert (table.completed, table.exitcode) == (1, 0)


@pytest.mark.parametrize(
    ("status", "code", "text"),
    [
        (0, 0, ""),
        (256, 1, "task(s) exited with exit code 1"),
        (9, 137, "task(s) Killed"),
        (15, 143, "task(s) Terminated"),
    ],
)
def test_wait_statuses(status, code, text):
    assert (exitcode(status), describe(status)) == (code, text)
