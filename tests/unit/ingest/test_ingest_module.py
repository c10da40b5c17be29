from __future__ import annotations

import errno
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from bourn.errors import BournError, ConfigError
from bourn.hookspecs.ingest import Validator
from bourn.hookspecs.signing import Signed, SigningMechanism
from bourn_plugins.job_ingest.module import EPOCH, JobIngest
from tests.unit.ingest.fakes import OWNER_UID, USER, JobManager, Store, context, jobspec, submit, wrap

GUEST = 2000


def start(module: JobIngest) -> None:
    """Run the module until it is ready."""

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(lambda task_status: module.run(task_status=task_status))
            nursery.cancel_scope.cancel()

    trio.run(main)


def ready(
    *steps: Any, config: dict[str, Any] | None = None, **providers: Any
) -> tuple[JobIngest, JobManager, Store]:
    ctx = context(*steps, config=config, **providers)
    module = JobIngest(ctx)
    start(module)
    return module, ctx.known["job-manager"], ctx.known["store"].store


def one(**job: Any) -> dict[str, Any]:
    return {"jobspecs": [jobspec()], "jobs": [{"jobspec": 0, **job}]}


def test_jobs_are_answered_when_they_are_durable() -> None:
    module, manager, _ = ready()
    caller = submit(module, {"jobspecs": [jobspec()], "jobs": [{"jobspec": 0}, {"jobspec": 0, "urgency": 3}]})
    assert caller.answers == 0
    manager.land()
    assert caller.payload == {"ids": [job.id for job in manager.jobs]}
    assert caller.answers == 1
    first, second = manager.jobs
    assert first.id < second.id
    assert (first.userid, first.urgency, second.urgency) == (OWNER_UID, 16, 3)
    assert first.jobspec is second.jobspec
    assert first.t_submit > 0
    assert module.stats()["jobs"] == 2


def test_no_jobs_are_no_work() -> None:
    module, manager, _ = ready()
    assert submit(module, {"jobspecs": [], "jobs": []}).payload == {"ids": []}
    assert manager.dones == []


def test_settings_go_along() -> None:
    module, manager, _ = ready()
    setting = {"attributes.system.environment.N": "1"}
    submit(module, one(set=setting))
    assert manager.jobs[0].overrides == setting
    assert manager.jobs[0].jobspec.obj == jobspec()


def test_all_or_nothing_and_the_error_names_the_job() -> None:
    module, manager, _ = ready()
    bad = jobspec()
    bad["resources"][0]["count"] = 0
    caller = submit(module, {"jobspecs": [jobspec(), bad], "jobs": [{"jobspec": 0}, {"jobspec": 1}]})
    assert caller.error == (errno.EINVAL, "job 1: resources[0].count: 0 is less than 1")
    assert submit(module, {"jobspecs": [bad], "jobs": [{"jobspec": 0}]}).error == (
        errno.EINVAL,
        "resources[0].count: 0 is less than 1",
    )
    assert manager.jobs == []
    assert module.stats()["refused"] == 3


@pytest.mark.parametrize("payload", [None, [], {}, {"jobspecs": []}, {"jobspecs": {}, "jobs": []}])
def test_a_malformed_request_is_a_protocol_error(payload: object) -> None:
    module, _, _ = ready()
    error = submit(module, payload).error
    assert error is not None
    assert error[0] == errno.EPROTO


def test_the_same_key_is_the_same_job_in_flight_and_afterwards() -> None:
    module, manager, store = ready()
    first = submit(module, one(key="k"))
    retry = submit(module, one(key="k"))
    assert len(manager.jobs) == 1
    assert (first.answers, retry.answers) == (0, 0)
    manager.land()
    assert first.payload == retry.payload == {"ids": [manager.jobs[0].id]}
    store.keys[OWNER_UID, "k"] = manager.jobs[0].id
    assert submit(module, one(key="k")).payload == first.payload
    assert manager.jobs[0].key == "k"
    assert len(manager.jobs) == 1


def test_a_known_key_is_answered_though_the_jobspec_would_be_refused_now() -> None:
    module, manager, store = ready(Validator("v", lambda tree, info: "no more", default=True))
    store.keys[OWNER_UID, "k"] = 77
    assert submit(module, one(key="k")).payload == {"ids": [77]}
    assert submit(module, one(key="other")).error == (errno.EINVAL, "no more")
    assert manager.jobs == []


def test_keys_mix_with_new_jobs_in_order_and_within_a_request() -> None:
    module, manager, store = ready()
    store.keys[OWNER_UID, "old"] = 5
    jobs = [{"jobspec": 0, "key": k} if k else {"jobspec": 0} for k in ("a", None, "old", "a", "b")]
    caller = submit(module, {"jobspecs": [jobspec()], "jobs": jobs})
    manager.land()
    new = [job.id for job in manager.jobs]
    assert len(new) == 3
    assert caller.payload == {"ids": [new[0], new[1], 5, new[0], new[2]]}
    assert [job.key for job in manager.jobs] == ["a", None, "b"]


def test_keys_of_two_users_are_two_keys() -> None:
    signer = SigningMechanism("test", lambda options: Trusting())
    module, manager, _ = ready(signer, config={"signing": {"allowed": ["none", "test"]}})
    submit(module, one(key="k"))
    submit(module, {"jobspecs": [signed(GUEST)], "jobs": [{"jobspec": 0, "key": "k"}]}, GUEST, USER)
    assert len({job.id for job in manager.jobs}) == 2


def test_a_failed_commit_fails_those_who_wait_and_frees_the_key() -> None:
    module, manager, _ = ready()
    first, retry = submit(module, one(key="k")), submit(module, one(key="k"))
    manager.land(BournError("No space left on /state", errno.ENOSPC))
    assert first.error == retry.error == (errno.ENOSPC, "No space left on /state")
    submit(module, one(key="k"))
    assert len(manager.jobs) == 2


def test_the_job_manager_s_refusal_is_the_answer() -> None:
    module, manager, _ = ready()
    manager.refusal = BournError("queue 'debug' is disabled: closed for the night")
    caller = submit(module, one(key="k"))
    assert caller.error == (errno.EINVAL, "queue 'debug' is disabled: closed for the night")
    assert caller.answers == 1
    assert module.stats()["keys-in-flight"] == 0
    manager.refusal = ZeroDivisionError("bug")
    with pytest.raises(ZeroDivisionError):
        submit(module, one(key="k"))
    assert module.stats()["keys-in-flight"] == 0


def test_without_a_job_manager_nothing_is_taken() -> None:
    module, _, _ = ready(**{"job-manager": None})
    assert submit(module, one()).error == (
        errno.EAGAIN,
        "the job manager isn't running; jobs can't be submitted now",
    )


def test_feasibility_asks_the_scheduler() -> None:
    def check(tree: Any, info: Any) -> str | None:
        reason: str | None = info.feasibility(tree)
        return reason

    validator = Validator("feasibility", check, default=True)
    scheduler = SimpleNamespace(feasibility=lambda tree: "needs 3 nodes, the instance has 1")
    module, _, _ = ready(validator, sched=scheduler)
    assert submit(module, one()).error == (errno.EINVAL, "needs 3 nodes, the instance has 1")
    module, manager, _ = ready(validator)
    submit(module, one())
    assert len(manager.jobs) == 1


def test_the_number_of_jobs_in_a_request_can_be_limited() -> None:
    module, _, _ = ready(config={"ingest": {"max-jobs": 1}})
    caller = submit(module, {"jobspecs": [jobspec()], "jobs": [{"jobspec": 0}] * 2})
    assert caller.error == (errno.E2BIG, "2 jobs in one request; [ingest] max-jobs is 1")


class Trusting:
    """A signer that believes the header."""

    def sign(self, payload: bytes, userid: int, recipient: str) -> str:
        raise NotImplementedError

    def verify(self, token: str, userid: int) -> Signed:
        import base64

        return Signed(base64.b64decode(token.split(".")[1]), userid, "test")


def signed(userid: int) -> str:
    import base64
    import json

    header = base64.b64encode(json.dumps({"version": 1, "mechanism": "test"}).encode()).decode()
    return f"{header}.{wrap(jobspec(), userid).split('.')[1]}.sig"


def test_a_signed_jobspec_is_checked_and_passed_on() -> None:
    module, manager, _ = ready()
    token = wrap(jobspec(), OWNER_UID)
    submit(module, {"jobspecs": [token], "jobs": [{"jobspec": 0}]})
    assert manager.jobs[0].signed == token
    assert manager.jobs[0].jobspec.obj == jobspec()
    error = submit(module, {"jobspecs": [signed(OWNER_UID)], "jobs": [{"jobspec": 0}]}).error
    assert error == (errno.EPERM, "jobs signed by 'test' are refused; allowed: none")


def test_without_the_plugin_of_a_mechanism_its_jobs_are_refused() -> None:
    module, _, _ = ready()
    module.ctx.plugins.named = lambda hook: {}
    assert submit(module, one()).error == (
        errno.EPERM,
        "jobs signed by 'none' are refused; no plugin has a mechanism that [signing] allows",
    )


def test_guests_must_sign() -> None:
    module, manager, _ = ready()
    error = submit(module, one(), GUEST, USER).error
    assert error == (errno.EPERM, "the jobspec must be signed; [signing] allowed names no mechanism for that")
    signer = SigningMechanism("test", lambda options: Trusting())
    module, manager, _ = ready(signer, config={"signing": {"allowed": ["none", "test"]}})
    for source in (jobspec(), wrap(jobspec(), GUEST)):
        error = submit(module, {"jobspecs": [source], "jobs": [{"jobspec": 0}]}, GUEST, USER).error
        assert error == (errno.EPERM, "the jobspec must be signed; allowed: test")
    payload = {"jobspecs": [signed(GUEST)], "jobs": [{"jobspec": 0, "urgency": 16}]}
    submit(module, payload, GUEST, USER)
    assert manager.jobs[0].userid == GUEST
    payload["jobs"] = [{"jobspec": 0, "urgency": 20}]
    error = submit(module, payload, GUEST, USER).error
    assert error is not None
    assert error[0] == errno.EPERM


def test_a_jobspec_may_come_as_json_text() -> None:
    module, manager, _ = ready()
    submit(module, {"jobspecs": ['{"version":1}'], "jobs": []})
    assert submit(module, {"jobspecs": ['{"version":1}'], "jobs": [{"jobspec": 0}]}).error == (
        errno.EINVAL,
        "misses the key 'attributes'",
    )
    caller = submit(module, {"jobspecs": ["{"], "jobs": [{"jobspec": 0}]})
    assert caller.error is not None
    assert "is not JSON" in caller.error[1]
    assert manager.jobs == []


def test_ids_count_from_the_instance_s_epoch_and_never_repeat() -> None:
    module, manager, store = ready()
    submit(module, one())
    assert store.facts[EPOCH] > 1_600_000_000_000
    assert manager.jobs[0].id >> 24 < 60_000
    # A restart, with a clock that stands an hour before the last id.
    last = (3_600_000 << 24) + 5
    again = Store()
    again.facts = store.facts
    again.last = last
    module, manager, _ = ready(store=SimpleNamespace(store=again))
    submit(module, one())
    assert manager.jobs[0].id > last


def test_a_new_configuration_is_taken_and_a_wrong_one_refused() -> None:
    module, _, _ = ready(Validator("v", lambda tree, info: "no", default=True))
    assert submit(module, one()).error == (errno.EINVAL, "no")
    module.reconfigure(context(config={"ingest": {"validators": []}}).config)
    assert submit(module, one()).error is None
    with pytest.raises(ConfigError, match="there is no 'w'; there are: v"):
        module.reconfigure(context(config={"ingest": {"validators": ["w"]}}).config)
    assert module.stats()["validators"] == []


def test_jobspecs_share_environments_that_stand_beside_them() -> None:
    module, manager, _ = ready()
    specs: list[Any] = [jobspec(environment=index, cwd=f"/{n}") for n, index in enumerate((0, 0, 1))]
    payload = {
        "jobspecs": [*specs, jobspec(environment={"A": "1"}, cwd="/3")],
        "environments": [{"A": "1"}, {"A": "2"}],
        "jobs": [{"jobspec": n} for n in range(4)],
    }
    submit(module, payload)
    given = [job.jobspec.environment for job in manager.jobs]
    assert given[0] is given[1] is given[3]
    assert [job.jobspec.system["environment"]["A"] for job in manager.jobs] == ["1", "1", "2", "1"]
    assert {job.jobspec.system["cwd"] for job in manager.jobs} == {"/0", "/1", "/2", "/3"}


@pytest.mark.parametrize(
    ("index", "environments", "reason"),
    [
        (2, [{}, {}], "attributes.system.environment: 2 is no index into environments, of which there are 2"),
        (-1, [{}], "attributes.system.environment: -1 is no index into environments, of which there are 1"),
        (0, [], "attributes.system.environment: must be"),
        (0, ["A=1"], "attributes.system.environment: must be"),
        (0, [{"A": 1}], "attributes.system.environment.A: must be"),
    ],
)
def test_an_environment_that_is_not_there_refuses_the_job(
    index: int, environments: list[Any], reason: str
) -> None:
    module, manager, _ = ready()
    payload = {
        "jobspecs": [jobspec(environment=index)],
        "environments": environments,
        "jobs": [{"jobspec": 0}],
    }
    error = submit(module, payload).error
    assert error is not None
    assert error[1].startswith(reason)
    assert manager.jobs == []
