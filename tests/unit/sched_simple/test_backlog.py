from hypothesis import given
from hypothesis import strategies as st

from bourn_plugins.sched_simple.backlog import Backlog, Waiting
from bourn_plugins.sched_simple.pool import Ask, Node, Pool


def job(jobid: int, priority: int = 16, cores: int = 1, queue: str = "") -> Waiting:
    return Waiting(jobid, priority, queue, Ask(1, cores), 0.0)


def pool(cores: int) -> Pool:
    made = Pool([Node(0, "n0", (1 << cores) - 1, 0)])
    made.set_up([0], True)
    return made


def ids(jobs: list[Waiting]) -> list[int]:
    return [job.id for job in jobs]


def granted(backlog: Backlog, cores: int) -> list[int]:
    return ids([job for job, _ in backlog.schedule(pool(cores)).granted])


def test_priority_goes_before_age() -> None:
    backlog = Backlog()
    for waiting in (job(3), job(1), job(2, priority=20)):
        backlog.add(waiting)
    assert granted(backlog, 4) == [2, 1, 3]
    assert not backlog


def test_the_first_that_does_not_fit_holds_back_its_queue_only() -> None:
    backlog = Backlog()
    for waiting in (job(1, cores=3, queue="a"), job(2, queue="a"), job(3, queue="b")):
        backlog.add(waiting)
    result = backlog.schedule(pool(2))
    assert ids([job for job, _ in result.granted]) == [3]
    assert ids(result.blocked) == [1]
    assert 2 in backlog


def test_a_changed_priority_counts() -> None:
    backlog = Backlog()
    backlog.add(job(1))
    backlog.add(job(2))
    backlog.prioritize(2, 17)
    backlog.prioritize(99, 1)
    assert granted(backlog, 1) == [2]


def test_a_job_that_was_taken_out_is_not_served() -> None:
    backlog = Backlog()
    backlog.add(job(1))
    backlog.add(job(2))
    assert backlog.remove(1) is not None
    assert backlog.remove(1) is None
    assert granted(backlog, 2) == [2]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3), st.booleans()), max_size=30))
def test_it_serves_in_order_whatever_happened_before(steps: list[tuple[int, int, bool]]) -> None:
    backlog = Backlog()
    model: dict[int, int] = {}
    for jobid, priority, remove in steps:
        if remove:
            backlog.remove(jobid)
            model.pop(jobid, None)
        else:
            backlog.add(job(jobid, priority))
            model[jobid] = priority
    assert len(backlog) == len(model)
    assert granted(backlog, 100) == sorted(model, key=lambda i: (-model[i], i))
