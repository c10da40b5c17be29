"""Conformance checks for queue, match, priority and distribution policies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import Factory, frozen

from bourn.hookspecs.match_policy import OrderPolicy, ScorePolicy, StatePolicy
from bourn.hookspecs.priority import MAX_PRIORITY
from bourn.hookspecs.queue_policy import Ask, Outcome
from bourn.testing.ensure import ensure, ensure_name
from bourn.testing.jobs import FakeJob
from bourn.testing.samples import alloc_request
from bourn.testing.workload import check_policies_at_work

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bourn.hookspecs.distribution import DistributionPolicy, DistributionPolicySpec
    from bourn.hookspecs.match_policy import MatchPolicySpec
    from bourn.hookspecs.priority import PriorityPolicySpec
    from bourn.hookspecs.queue_policy import QueuePolicy, QueuePolicySpec

__all__ = [
    "FakeChild",
    "FakeState",
    "FakeVertex",
    "check_distribution_policy",
    "check_match_policy",
    "check_priority_policy",
    "check_queue_policy",
]


@frozen
class FakeVertex:
    """A vertex for match policies; it satisfies `VertexView`."""

    type: str = "node"
    id: int = 0
    rank: int = 0
    size: int = 1
    properties: Mapping[str, str] = Factory(dict)
    parent: str = "/cluster0"

    @property
    def name(self) -> str:
        """Type and id."""
        return f"{self.type}{self.id}"

    @property
    def path(self) -> str:
        """Its place under the parent."""
        return f"{self.parent}/{self.name}"


@frozen
class FakeState:
    """A state for match policies; it satisfies `StateView`."""

    type: str = "node"
    cores_free: int = 4
    cores: int = 4
    properties: Mapping[str, str] = Factory(dict)

    @property
    def idle(self) -> bool:
        """Whether all cores are free."""
        return self.cores_free == self.cores

    def free(self, type: str) -> int:
        """Return the free cores; of nodes 1 if it is idle."""
        return self.cores_free if type == "core" else int(type == self.type and self.idle)

    def total(self, type: str) -> int:
        """Return the cores; of nodes 1."""
        return self.cores if type == "core" else int(type == self.type)


@frozen
class FakeChild:
    """A child instance for distribution policies; it satisfies `Child`."""

    index: int
    jobid: int = 0
    nnodes: int = 1
    ncores: int = 4
    ngpus: int = 0
    pending: int = 0
    running: int = 0
    cores_busy: int = 0


def check_queue_policy(spec: QueuePolicySpec, options: Mapping[str, Any] | None = None) -> None:
    """Run passes over queues of many lengths in a toy scheduler.

    Each pass must end; equal inputs must give equal decisions, with no memory from pass to pass; the order
    must be total and put a higher priority first; and nobody starves: while small jobs keep coming, a job as
    big as the whole machine must start in the end. Then it is put to work (`check_policies_at_work`).
    """
    what = ensure_name(spec, "queue policy")
    policy = spec.factory(options or {})
    low, high = alloc_request(1, priority=1), alloc_request(2, priority=31, t_submit=9.0)
    ensure(policy.order(high) < policy.order(low), f"{what}: order must put the higher priority first")
    first, second = alloc_request(3, t_submit=1.0), alloc_request(4, t_submit=2.0)
    ensure(policy.order(first) < policy.order(second), f"{what}: of equal priorities the earlier comes first")
    for length in (0, 1, 2, 50):
        queue = sorted((alloc_request(i, t_submit=float(i)) for i in range(length)), key=policy.order)
        for outcome in Outcome:
            decisions = [_pass(policy, queue, outcome, what) for _ in range(2)]
            ensure(decisions[0] == decisions[1], f"{what}: two equal passes differ: {decisions}")
    _starvation(policy, what)
    check_policies_at_work(queue=spec, options=options)


def _pass(policy: QueuePolicy, queue: Sequence[Any], outcome: Outcome, what: str) -> list[Ask]:
    """Run a pass in which everything tried has the same outcome."""
    one, decisions = policy.begin(), []
    for job in queue:
        decision = one.ask(job)
        ensure(isinstance(decision, Ask), f"{what}: ask must return an Ask, not {decision!r}")
        decisions.append(decision)
        if decision is Ask.STOP:
            break
        if decision is not Ask.SKIP:
            reserved_in_vain = outcome is Outcome.RESERVED and decision is Ask.ALLOCATE
            one.told(job, Outcome.BUSY if reserved_in_vain else outcome)
    return decisions


def _starvation(policy: QueuePolicy, what: str) -> None:
    """Let jobs of one core and two turns compete with one of all four cores, which came first."""
    cores, big = 4, alloc_request(0, t_submit=0.0)
    running: dict[int, int] = {100: 2}  # job -> the turn in which it ends; one core is busy at first
    waiting = [big]
    for turn in range(1, 200):
        running = {id: end for id, end in running.items() if end > turn}
        waiting.append(alloc_request(1000 + turn, t_submit=float(turn)))
        one, kept_from = policy.begin(), None
        for job in sorted(waiting, key=policy.order):
            decision = one.ask(job)
            if decision is Ask.STOP:
                break
            if decision is Ask.SKIP:
                continue
            if job is big:
                if not running:
                    return
                kept_from = max(running.values()) if decision is Ask.RESERVE else None
                one.told(job, Outcome.RESERVED if kept_from else Outcome.BUSY)
            elif len(running) < cores and (kept_from is None or turn + 2 <= kept_from):
                running[job.id] = turn + 2
                waiting.remove(job)
                one.told(job, Outcome.ALLOCATED)
            else:
                one.told(job, Outcome.RESERVED if decision is Ask.RESERVE else Outcome.BUSY)
    raise AssertionError(f"{what}: a job that needs the whole machine starves while small ones keep coming")


def check_match_policy(spec: MatchPolicySpec, options: Mapping[str, Any] | None = None) -> None:
    """Ask a match policy about vertices and states.

    It must have one of the three methods, and only one, for else it isn't clear how it wants to be asked; its
    answers must be sort keys that can be compared with each other, and the same when asked again. Then it is
    put to work (`check_policies_at_work`).
    """
    what = ensure_name(spec, "match policy")
    policy: Any = spec.factory(options or {})
    ways = [way for way in (OrderPolicy, StatePolicy, ScorePolicy) if isinstance(policy, way)]
    ensure(len(ways) == 1, f"{what}: must have exactly one of order, prefer and score; it has {len(ways)}")
    vertices = [
        FakeVertex(type, id, rank, properties=properties)
        for type in ("node", "core", "gpu")
        for id, rank, properties in ((0, 0, {}), (1, 0, {"perf_class": "3"}), (17, 5, {"fast": ""}))
    ]
    states = [FakeState("node", free, 4) for free in range(5)] + [FakeState("core", 1, 1)]
    asked = {
        "order": lambda: [policy.order(vertex) for vertex in vertices],
        "prefer": lambda: [policy.prefer(state) for state in states],
        "score": lambda: [policy.score(vertex, state) for vertex in vertices for state in states],
    }
    method = next(name for name in asked if hasattr(policy, name))
    keys = asked[method]()
    try:
        sorted(keys)
    except TypeError as error:
        raise AssertionError(f"{what}: {method} must return keys that can be sorted: {error}") from None
    ensure(keys == asked[method](), f"{what}: {method} answers differently when asked again")
    check_policies_at_work(match=spec, options=options)


def check_priority_policy(spec: PriorityPolicySpec, options: Mapping[str, Any] | None = None) -> None:
    """Ask a priority policy about jobs of all urgencies: 0..`MAX_PRIORITY` or None, and more urgent isn't
    less."""
    what = ensure_name(spec, "priority policy")
    ensure(spec.period is None or spec.period > 0, f"{what}: period must be above 0, not {spec.period}")
    policy = spec.factory(options or {})
    before = 0
    for urgency in range(1, 31):
        given = policy.priority(FakeJob(urgency, urgency=urgency), 2000.0)
        if given is None:
            continue
        ensure(
            isinstance(given, int) and not isinstance(given, bool) and 0 <= given <= MAX_PRIORITY,
            f"{what}: must give 0..{MAX_PRIORITY} or None, not {given!r}",
        )
        ensure(given >= before, f"{what}: urgency {urgency} gets {given}, less than urgency {urgency - 1}")
        before = given


def check_distribution_policy(
    spec: DistributionPolicySpec, options: Mapping[str, Any] | None = None, *, fairness: float = 1.6
) -> None:
    """Distribute jobs among one to five children.

    A choice must be a position that is there, or None, also when only some of the children are offered, as
    those that a job fits; idle children must be given something; and of equal ones none may get more than
    `fairness` times its share of the jobs (a policy that means to be unfair says so).
    """
    what = ensure_name(spec, "distribution policy")
    for number in range(1, 6):
        policy = spec.factory(options or {})
        jobs = 60 * number
        given = [0] * number
        for id in range(jobs):
            children = [FakeChild(i, jobid=i + 1, pending=n, cores_busy=n) for i, n in enumerate(given)]
            choice = _choose(policy, id, children, what)
            if choice is not None:
                given[choice] += 1
        ensure(any(given), f"{what}: of {number} idle children none was given any of {jobs} jobs")
        fair = fairness * sum(given) / number
        ensure(
            max(given) <= fair or number == 1,
            f"{what}: of {number} equal children one got {max(given)} of {jobs} jobs: {given}",
        )
    _check_subsets(spec.factory(options or {}), what)


def _check_subsets(policy: DistributionPolicy, what: str) -> None:
    """Offer other children each time, as when some are full or too small: positions, not places, count."""
    for id in range(64):
        children = [FakeChild(i, jobid=i + 1, ncores=1 << i) for i in range(6) if id >> i & 1]
        if children:
            _choose(policy, id, children, what)


def _choose(policy: DistributionPolicy, id: int, children: Sequence[FakeChild], what: str) -> int | None:
    choice = policy.choose(alloc_request(id), children)
    ensure(
        choice is None or (type(choice) is int and 0 <= choice < len(children)),
        f"{what}: must return a position below {len(children)} or None, not {choice!r}",
    )
    return choice
