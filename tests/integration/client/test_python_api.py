"""The programs that the founding documents show, against a real instance of four made-up cores."""

from __future__ import annotations

import concurrent.futures
from typing import TYPE_CHECKING

import pytest

import bourn
from bourn import Jobspec
from tests.integration.instance import Instance

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def uri() -> Iterator[str]:
    with Instance(None, '--conf=resource.config=[{hosts="node0",cores="0-3"}]') as instance:
        yield instance.uri


@pytest.fixture
def h(uri: str) -> Iterator[bourn.Handle]:
    with bourn.Handle(uri) as handle:
        yield handle


@pytest.fixture
def executor(uri: str) -> Iterator[bourn.Executor]:
    with bourn.Executor(uri) as found:
        yield found


def sh(script: str, **options) -> Jobspec:
    return Jobspec.from_command(["sh", "-c", script], **options)


def test_wait_in_order(h):
    ids = [bourn.job.submit(h, sh(f"exit {i}"), waitable=True) for i in range(3)]
    results = [bourn.job.wait(h, id) for id in ids]
    assert [result.jobid for result in results] == ids
    assert [result.success for result in results] == [True, False, False]
    assert results[2].errstr == "task(s) exited with exit code 2"


def test_wait_any(h):
    ids = {bourn.job.submit(h, sh("true"), waitable=True) for _ in range(5)}
    assert {bourn.job.wait(h).jobid for _ in ids} == ids
    with pytest.raises(bourn.RPCError, match="no more waitable jobs"):
        bourn.job.wait(h)


def test_sliding_window(h):
    waiting, done = 20, 0
    for _ in range(4):
        bourn.job.submit(h, sh("true"), waitable=True)
        waiting -= 1
    while done < 20:
        assert bourn.job.wait(h).success
        done += 1
        if waiting:
            bourn.job.submit(h, sh("true"), waitable=True)
            waiting -= 1


def test_partitioning_runs_jobs_side_by_side(h):
    """Two jobs on two of four cores each run at the same time, on different cores."""
    ids = bourn.job.submit_many(h, [sh("sleep 60", num_tasks=2)] * 2)
    for id in ids:
        bourn.job.event_wait(h, id, "start")
    cores = [bourn.job.lookup(h, id, "R")["execution"]["R_lite"][0]["children"]["core"] for id in ids]
    assert sorted(cores) == ["0-1", "2-3"]
    assert bourn.resource.resource_list(h).free.ncores == 0
    for id in ids:
        bourn.job.cancel(h, id, "seen enough")
        assert bourn.job.result(h, id).inactive_reason == "Canceled: seen enough"


def test_one_job_per_file_with_cores_by_size(h, tmp_path):
    for size in (10, 2000):
        (tmp_path / f"{size}.dat").write_bytes(b"x" * size)
    specs = [
        Jobspec.from_command(["gzip", str(file)], cores_per_task=1 + (file.stat().st_size > 1000))
        for file in sorted(tmp_path.iterdir())
    ]
    for id in bourn.job.submit_many(h, specs):
        assert bourn.job.result(h, id).returncode == 0
    assert {file.name for file in tmp_path.iterdir()} == {"10.dat.gz", "2000.dat.gz"}


def test_events_and_output_of_a_job(h):
    id = bourn.job.submit(h, sh("echo out; echo err >&2; exit 3"))
    names = [event.name for event in bourn.job.event_watch(h, id)]
    assert names[0] == "submit"
    assert names[-1] == "clean"
    output = {piece.stream: piece.data for piece in bourn.job.output_watch(h, id) if piece.data}
    assert output == {"stdout": b"out\n", "stderr": b"err\n"}
    info = bourn.job.job_list_id(h, id)
    assert (info.status, info.returncode, info.ntasks, str(info.id)) == ("FAILED", 3, 1, str(id))
    assert bourn.job.get_job(h, id)["waitstatus"] == 3 << 8


def test_journal_from_the_past_to_the_present(h):
    id = bourn.job.submit(h, sh("true"))
    bourn.job.result(h, id)
    with bourn.JournalConsumer(h, full=True, include_sentinel=True) as journal:
        past = []
        while (event := journal.poll()) is not None:
            past.append(event)
        assert [event.name for event in past if event.jobid == id][-1] == "clean"
        later = bourn.job.submit(h, sh("true"))
        event = journal.poll()
        assert (event.jobid, event.name, event.seq) == (later, "submit", 0)
        assert event.jobspec["tasks"][0]["command"] == ["sh", "-c", "true"]


def test_journal_by_callback(h):
    seen = []
    with bourn.JournalConsumer(h, full=False, allow=["clean"]) as journal:

        def arrived(event):
            seen.append(event.jobid)
            if event.jobid == id:
                h.reactor_stop()

        journal.set_callback(arrived)
        id = bourn.job.submit(h, sh("true"))
        h.reactor_run()
    assert id in seen


def test_a_retry_with_the_same_key_is_the_same_job(h):
    assert bourn.job.submit(h, sh("true"), key="k1") == bourn.job.submit(h, sh("true"), key="k1")


def test_executor_results(executor):
    futures = [executor.submit(sh(f"exit {i % 3}")) for i in range(12)]
    done = [future.result() for future in concurrent.futures.as_completed(futures)]
    assert sorted(done) == [0] * 4 + [1] * 4 + [2] * 4
    assert len({future.jobid() for future in futures}) == 12
    assert executor.submit(sh("kill -9 $$")).result() == -9


def test_executor_refusals(executor):
    good = executor.submit(sh("true"))
    assert "needs 99 cores" in str(executor.submit(sh("true", num_tasks=99)).exception())
    bad = executor.submit({"resources": []})
    assert isinstance(bad.exception(), OSError)
    with pytest.raises(OSError, match="attributes"):
        bad.jobid()
    assert good.result() == 0


def test_executor_events_and_callbacks(executor):
    named, ended = [], []
    future = executor.submit(sh("true"))
    future.add_jobid_callback(lambda f: named.append(f.jobid()))
    future.add_event_callback("finish", lambda f, event: ended.append(event.context["status"]))
    assert future.result() == 0
    assert named == [future.jobid()]
    everything = []
    future.add_event_callback("*", lambda f, event: everything.append(event.name))
    assert everything[0] == "submit"
    executor.shutdown()
    assert everything[-1] == "clean"
    assert ended == [0]
    with pytest.raises(RuntimeError, match="shut down"):
        executor.submit(sh("true"))


def test_executor_cancels(executor, h):
    running = [executor.submit(sh("sleep 60", num_tasks=2)) for _ in range(2)]
    for future in running:
        bourn.job.event_wait(h, future.jobid(), "start")
    pending = executor.submit(sh("true"))
    pending.jobid()
    assert pending.cancel()
    assert concurrent.futures.wait([pending]).done == {pending}
    bourn.job.cancel(h, running[0].jobid(), "enough")
    error = running[0].exception()
    assert (error.type, error.severity, error.note) == ("cancel", 0, "enough")
    bourn.job.kill(h, running[1].jobid(), 15)
    assert running[1].result() == -15


def test_executor_attaches_to_jobs_of_others(executor, h):
    id = bourn.job.submit(h, sh("exit 7"))
    future = executor.attach(id)
    assert future.result() == 7
    assert future.jobid() == id
    assert isinstance(executor.attach(12345).exception(), ValueError)


def test_executor_shutdown_cancels_what_waits(uri, h):
    executor = bourn.Executor(uri)
    blocker = executor.submit(sh("sleep 60", num_tasks=4))
    bourn.job.event_wait(h, blocker.jobid(), "start")
    waiting = executor.submit(sh("true"))
    waiting.jobid()
    executor.shutdown(wait=False, cancel_futures=True)
    assert concurrent.futures.wait([waiting]).done == {waiting}
    assert waiting.cancelled()
    bourn.job.cancel(h, blocker.jobid())
    executor.shutdown()
    assert blocker.done()
