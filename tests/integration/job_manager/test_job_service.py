from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import pytest
import trio

from bourn.broker.roles import Role
from bourn.errors import RPCError
from bourn.model.jobid import JobID
from tests.integration.job_manager.served import instance, jobspec, submit

if TYPE_CHECKING:
    from pathlib import Path

    from bourn.testing.broker import MemoryBroker

LIFE = "submit validate depend priority alloc start finish release free clean"
LONG = 3600.0


async def watch(broker: MemoryBroker, id: int, path: str = "eventlog") -> str:
    """Follow a log to its end; return the names of its events."""
    import json

    names = []
    async with broker.stream("job-info.eventlog-watch", {"id": id, "path": path}) as replies:
        async for reply in replies:
            names += [json.loads(line)["name"] for line in reply["event"].rstrip("\n").split("\n")]
    return " ".join(names)


async def state_of(broker: MemoryBroker, id: int) -> str:
    engine = broker.provider("job-manager").engine  # type: ignore[union-attr, attr-defined]
    return str(engine.jobs[id].state.name)


async def until_running(broker: MemoryBroker, id: int) -> None:
    async with broker.stream("job-info.eventlog-watch", {"id": id}) as replies:
        async for reply in replies:
            if '"name":"start"' in reply["event"]:
                return


async def refused(broker: MemoryBroker, topic: str, payload: Any = None) -> str:
    with pytest.raises(RPCError) as caught:
        await broker.rpc(topic, payload)
    return f"{errno.errorcode[caught.value.errnum]}: {caught.value.message}"


async def test_jobs_run_and_drain_waits_for_them() -> None:
    async with instance() as broker:
        ids = await submit(broker, 50)
        await broker.rpc("job-manager.drain")
        for id in ids:
            assert await watch(broker, id) == LIFE
        stats = await broker.rpc("job-manager.stats")
        assert stats["inactive"]["completed"] == 50
        assert stats["pending"] == stats["running"] == 0


async def test_watch_follows_a_job_to_its_end() -> None:
    async with instance(duration=5.0) as broker:
        (id,) = await submit(broker)
        assert await watch(broker, id) == LIFE


async def test_watch_without_follow_ends_at_once() -> None:
    async with instance(duration=LONG) as broker:
        (id,) = await submit(broker)
        await until_running(broker, id)
        async with broker.stream("job-info.eventlog-watch", {"id": id, "follow": False}) as replies:
            text = "".join([reply["event"] async for reply in replies])
        assert text.count("\n") == 6


async def test_a_log_that_is_too_long_for_one_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bourn_plugins.job_info.module.LONGEST", 100)
    async with instance() as broker:
        [id] = await submit(broker, 1)
        await broker.rpc("job-manager.drain")
        assert (
            await refused(broker, "job-info.lookup", {"id": id, "keys": ["eventlog"]})
            == f"EFBIG: 'eventlog' of job {JobID(id)} is too long for one answer; "
            "job-info.eventlog-watch sends it in pieces"
        )
        assert await watch(broker, id) == LIFE


async def test_lookup() -> None:
    async with instance() as broker:
        (id,) = await submit(broker)
        await broker.rpc("job-manager.drain")
        found = await broker.rpc("job-info.lookup", {"id": id, "keys": ["jobspec", "R", "eventlog", "J"]})
        assert found["jobspec"]["tasks"][0]["command"] == ["true"]
        assert found["R"]["execution"]["R_lite"] == [{"rank": "0", "children": {"core": "0"}}]
        assert found["eventlog"].count("\n") == 10
        assert found["J"] is None
        assert "unknown key 'jobspecs'; did you mean 'jobspec'?" in await refused(
            broker, "job-info.lookup", {"id": id, "keys": ["jobspecs"]}
        )
        assert (
            await refused(broker, "job-info.lookup", {"id": 999, "keys": ["R"]}) == "ENOENT: no such job ƒJE"
        )


@pytest.mark.parametrize(
    ("topic", "payload", "text"),
    [
        ("urgency", {"id": 1, "urgency": 5}, "ENOENT: no such job ƒ2"),
        ("raise", {"id": 1}, "ENOENT: no such job ƒ2"),
        ("kill", {"id": 1, "signum": 15}, "ENOENT: no such job ƒ2"),
        ("memo", {"id": 1, "memo": {}}, "ENOENT: no such job ƒ2"),
        ("update", {"id": 1, "updates": {"a": 1}}, "ENOENT: no such job ƒ2"),
        ("urgency", {"urgency": 1}, "EPROTO: job-manager.urgency: payload lacks 'id'"),
        ("raise", {"ids": ["x"]}, "EPROTO: 'x' is no job id: it must be an integer"),
        ("raise", {"id": 1, "severity": 8}, "EINVAL: exception severity 8 is not from 0 to 7"),
        ("raise", {"id": 1, "type": "a b"}, "EINVAL: exception type 'a b' must be a word"),
        ("purge", {}, "EINVAL: purge: give 'ids', 'age_limit' or 'num_limit'"),
        ("purge", {"ids": [1]}, "ENOENT: no such job ƒ2"),
        ("queue-enable", {"name": "x"}, "ENOENT: no such queue 'x': this instance has no named queues"),
        (
            "plugin-query",
            {"name": "begintim"},
            "ENOENT: no such job plugin 'begintim'; did you mean 'begin-time'?",
        ),
        ("sched-reply", {"success": []}, "EPROTO: send sched-hello first: you aren't the scheduler in use"),
        ("wait", {}, "ECHILD: there are no more waitable jobs"),
    ],
)
async def test_what_is_wrong_is_said(topic: str, payload: Any, text: str) -> None:
    async with instance() as broker:
        assert await refused(broker, f"job-manager.{topic}", payload) == text


async def test_requests_in_the_wrong_state() -> None:
    async with instance(duration=LONG) as broker:
        (id,) = await submit(broker)
        await until_running(broker, id)
        assert "has its resources already" in await refused(
            broker, "job-manager.urgency", {"id": id, "urgency": 3}
        )
        assert "is active: only inactive jobs are purged" in await refused(
            broker, "job-manager.purge", {"ids": [id]}
        )
        (held,) = await submit(broker, urgency=0)
        assert "is not running" in await refused(broker, "job-manager.kill", {"id": held, "signum": 9})
        await broker.rpc("job-manager.raise", {"ids": [id, held]})
        await broker.rpc("job-manager.drain")
        assert "is inactive" in await refused(broker, "job-manager.raise", {"id": id})
        assert await watch(broker, held) == "submit validate depend priority exception clean"


async def test_urgency_and_hold() -> None:
    async with instance() as broker:
        (id,) = await submit(broker, urgency=0)
        assert await state_of(broker, id) == "SCHED"
        assert await broker.rpc("job-manager.urgency", {"id": id, "urgency": 7}) == {"old_urgency": 0}
        await broker.rpc("job-manager.drain")
        assert await watch(broker, id) == LIFE.replace("priority", "priority urgency priority")


async def test_guests_reach_their_own_jobs_only() -> None:
    async with instance() as broker:
        (id,) = await submit(broker, urgency=0)
        async with broker.client(userid=12345, rolemask=int(Role.USER)) as guest:
            for topic, payload in (
                ("job-manager.urgency", {"id": id, "urgency": 1}),
                ("job-manager.raise", {"id": id}),
                ("job-manager.update", {"id": id, "updates": {"x": 1}}),
                ("job-info.lookup", {"id": id, "keys": ["R"]}),
            ):
                with pytest.raises(RPCError, match="belongs to") as caught:
                    await guest.rpc(topic, payload)
                assert caught.value.errnum == errno.EPERM
            for topic in ("job-manager.drain", "job-manager.queue-stop", "job-manager.purge"):
                with pytest.raises(RPCError, match="not allowed"):
                    await guest.rpc(topic, {})
            with pytest.raises(RPCError, match="their own jobs only"):
                await guest.rpc("job-manager.raiseall", {"userid": 0})
            assert (await guest.rpc("job-manager.raiseall", {}))["count"] == 0
        assert await state_of(broker, id) == "SCHED"


async def test_raiseall_by_filter() -> None:
    async with instance() as broker:
        await submit(broker, 3, urgency=0)
        await submit(broker, 2, jobspec(job={"name": "other"}), urgency=0)
        query = {"name": "other", "dry_run": True}
        assert (await broker.rpc("job-manager.raiseall", query))["count"] == 2
        assert (await broker.rpc("job-manager.raiseall", {"name": "other"}))["count"] == 2
        assert (await broker.rpc("job-manager.stats"))["pending"] == 3


async def test_update_of_a_pending_and_of_a_running_job() -> None:
    async with instance(duration=LONG) as broker:
        (running,) = await submit(broker, spec=jobspec(duration=100.0))
        (pending,) = await submit(broker, urgency=0)
        await until_running(broker, running)
        updates = {"attributes.system.duration": 7200.0}
        for id in (running, pending):
            assert await broker.rpc("job-manager.update", {"id": id, "updates": updates}) == {
                "updates": updates
            }
            found = await broker.rpc("job-info.lookup", {"id": id, "keys": ["jobspec"]})
            assert found["jobspec"]["attributes"]["system"]["duration"] == 7200.0
        log = (await broker.rpc("job-info.lookup", {"id": running, "keys": ["eventlog"]}))["eventlog"]
        assert '"resource-update"' in log
        assert "is not supported; did you mean 'attributes.system.duration'" in await refused(
            broker, "job-manager.update", {"id": running, "updates": {"attributes.system.durations": 1}}
        )


async def test_memo_is_merged_and_kept() -> None:
    async with instance() as broker:
        (id,) = await submit(broker, urgency=0)
        await broker.rpc("job-manager.memo", {"id": id, "memo": {"a": 1, "b": 2}})
        await broker.rpc("job-manager.memo", {"id": id, "memo": {"b": None}})
        job = broker.provider("job-manager").engine.jobs[id]  # type: ignore[union-attr, attr-defined]
        assert job.memo == {"a": 1}


async def test_wait_reports_each_waitable_job_once() -> None:
    async with instance(duration=1.0) as broker:
        first, second = await submit(broker, 2, flags=4)
        await submit(broker)
        report = await broker.rpc("job-manager.wait", {"id": second})
        assert report == {"id": second, "success": True, "errstr": "", "status": 0}
        assert (await broker.rpc("job-manager.wait"))["id"] == first
        assert "no more waitable jobs" in await refused(broker, "job-manager.wait")
        assert "can't be waited for" in await refused(broker, "job-manager.wait", {"id": second})


async def test_wait_tells_of_failure() -> None:
    spec = jobspec(exec={"test": {"wait_status": 256, "run_duration": 0.0}})
    async with instance() as broker:
        (id,) = await submit(broker, spec=spec, flags=4)
        report = await broker.rpc("job-manager.wait", {"id": id})
        assert (report["success"], report["errstr"]) == (False, "task(s) exited with exit code 1")
        (id,) = await submit(broker, urgency=0, flags=4)
        await broker.rpc("job-manager.raise", {"id": id, "note": "enough"})
        report = await broker.rpc("job-manager.wait", {"id": id})
        assert report["errstr"] == "Fatal exception type=cancel enough"


async def test_queues_stop_start_disable_enable() -> None:
    async with instance({"queues": {"a": {}, "b": {}}}) as broker:
        await broker.rpc("job-manager.queue-stop", {"name": "a", "reason": "later"})
        (waits,) = await submit(broker, spec=jobspec(queue="a"))
        (goes,) = await submit(broker, spec=jobspec(queue="b"))
        assert await watch(broker, goes) == LIFE
        assert await state_of(broker, waits) == "SCHED"
        status = await broker.rpc("job-manager.queue-status", {"name": "a"})
        assert (status["start"], status["stop_reason"]) == (False, "later")
        await broker.rpc("job-manager.idle")
        await broker.rpc("job-manager.queue-start", {})
        await broker.rpc("job-manager.drain")
        await broker.rpc("job-manager.queue-disable", {"name": "b", "reason": "closed"})
        with pytest.raises(RPCError, match="job submission to queue 'b' is disabled: closed"):
            await submit(broker, spec=jobspec(queue="b"))
        queues = (await broker.rpc("job-manager.queue-list"))["queues"]
        assert [(queue["name"], queue["enable"]) for queue in queues] == [("a", True), ("b", False)]


async def test_purge_by_id_number_and_age() -> None:
    async with instance() as broker:
        ids = await submit(broker, 10)
        await broker.rpc("job-manager.drain")
        assert await broker.rpc("job-manager.purge", {"num_limit": 4}) == {"count": 6, "total": 10}
        await broker.rpc("job-manager.purge", {"num_limit": 4, "force": True})
        await submit(broker)
        await broker.rpc("job-manager.drain")
        assert "no such job" in await refused(broker, "job-info.lookup", {"id": ids[0], "keys": ["R"]})
        reply = await broker.rpc("job-manager.purge", {"ids": [ids[9]], "force": True})
        assert reply == {"count": 1, "total": 5}


async def test_old_jobs_are_purged_by_themselves() -> None:
    async with instance({"job-manager": {"inactive-num-limit": 2}}) as broker:
        await submit(broker, 10)
        await broker.rpc("job-manager.drain")
        manager: Any = broker.provider("job-manager")
        manager._purge_old(manager.clock())
        await submit(broker)
        await broker.rpc("job-manager.drain")
        assert sum((await broker.rpc("job-manager.stats"))["inactive"].values()) == 3


@pytest.mark.parametrize("full", [True, False])
async def test_the_journal_has_every_event_once_and_in_order(full: bool) -> None:
    async with instance(duration=1.0) as broker, broker.client() as handle:
        over = await submit(broker, 5)
        await broker.rpc("job-manager.drain")
        during = await submit(broker, 30)
        seen: dict[int, list[str]] = {}
        past = True
        ended = 0
        after: list[int] = []
        async with handle.stream("job-manager.journal", {"full": full}) as replies:
            async for reply in replies:
                if reply.get("sentinel"):
                    past = False
                    after = await submit(broker, 20)
                    continue
                for event in reply["events"]:
                    names = seen.setdefault(event["id"], [])
                    assert event["eventlog_seq"] == len(names)
                    names.append(event["entry"]["name"])
                    if names[-1] == "submit":
                        assert event["jobspec"]["version"] == 1
                    if names[-1] == "alloc":
                        assert event["R"]["version"] == 1
                    ended += names[-1] == "clean" and event["id"] not in over
                if ended == 50:
                    break
        assert not past
        assert set(seen) == {*during, *after, *(over if full else ())}
        assert {" ".join(names) for names in seen.values()} == {LIFE}


async def test_a_live_journal_tells_nothing_of_the_past() -> None:
    async with instance(duration=1.0) as broker, broker.client() as handle:
        before = await submit(broker, 5)
        seen: dict[int, list[tuple[int, str]]] = {}
        async with handle.stream("job-manager.journal", {"live": True}) as replies:
            assert await anext(replies) == {"sentinel": True}
            (after,) = await submit(broker, 1)
            async for reply in replies:
                for event in reply["events"]:
                    seen.setdefault(event["id"], []).append((event["eventlog_seq"], event["entry"]["name"]))
                if after in seen and seen[after][-1][1] == "clean":
                    break
        assert seen[after][0] == (0, "submit")
        for id in before:
            assert seen.get(id, [(1, "")])[0][0] > 0


async def test_the_journal_filters() -> None:
    async with instance() as broker, broker.client() as handle:
        await submit(broker, 3)
        await broker.rpc("job-manager.drain")
        events = []
        payload = {"full": True, "allow": ["start", "clean"], "deny": ["clean"]}
        async with handle.stream("job-manager.journal", payload) as replies:
            async for reply in replies:
                if reply.get("sentinel"):
                    break
                events += reply["events"]
        assert [event["entry"]["name"] for event in events] == ["start"] * 3
        async with handle.stream("job-manager.journal", {"allow": [1]}) as replies:
            with pytest.raises(RPCError, match="'allow' must be a list of names"):
                await anext(replies)


async def test_a_scheduler_over_messages() -> None:
    async with instance(without=("sched-simple", "resource")) as broker, broker.client() as handle:
        with trio.fail_after(10):
            R = {
                "version": 1,
                "execution": {"R_lite": [{"rank": "0", "children": {"core": "0"}}], "nodelist": ["node0"]},
            }
            asked = trio.Event()
            ids: list[int] = []
            freed = trio.Event()

            async def alloc(request: Any) -> None:
                ids.extend(job["id"] for job in request.payload["jobs"])
                assert request.payload["jobspecs"][request.payload["jobs"][0]["jobspec"]]["version"] == 1
                asked.set()

            async def free(request: Any) -> None:
                freed.set()

            (id,) = await submit(broker)
            await handle.service_register("sched", {"alloc": alloc, "free": free})
            assert await handle.rpc("job-manager.sched-hello") == {"jobs": []}
            await handle.rpc("job-manager.sched-ready")
            await asked.wait()
            assert ids == [id]
            await handle.rpc("job-manager.sched-reply", {"success": [[id, R, None]]})
            assert await watch(broker, id) == LIFE
            await freed.wait()


async def test_restart_on_a_state_directory(tmp_path: Path) -> None:
    async with instance(statedir=tmp_path) as broker:
        (done,) = await submit(broker)
        await broker.rpc("job-manager.drain")
        await broker.rpc("job-manager.queue-stop", {"reason": "over night"})
        pending = await submit(broker, 5)
        (held,) = await submit(broker, urgency=0)
    async with instance(statedir=tmp_path) as broker:
        assert await watch(broker, done) == LIFE
        status = await broker.rpc("job-manager.queue-status")
        assert status["stop_reason"] == "over night"
        await broker.rpc("job-manager.queue-start")
        for id in pending:
            assert await watch(broker, id) == LIFE.replace("priority", "priority restart priority")
        assert await state_of(broker, held) == "SCHED"
        (new,) = await submit(broker)
        assert new > held


async def test_a_reloaded_scheduler_goes_on() -> None:
    async with instance(duration=1.0) as broker:
        ids = await submit(broker, 20)
        await until_running(broker, ids[0])
        await broker.broker.host.reload("sched-simple")
        await broker.rpc("job-manager.drain")
        assert (await broker.rpc("job-manager.stats"))["inactive"]["completed"] == 20


async def test_jobs_wait_while_there_is_no_scheduler() -> None:
    async with instance() as broker:
        await broker.broker.host.remove("sched-simple")
        (id,) = await submit(broker)
        assert await state_of(broker, id) == "SCHED"
        await broker.rpc("job-manager.raise", {"id": id})
        assert await watch(broker, id) == "submit validate depend priority exception clean"


async def test_an_unknown_job_plugin_refuses_the_start() -> None:
    with pytest.RaisesGroup(
        pytest.RaisesExc(
            Exception, match=r"\[job-manager\] plugins: no job plugin 'submit-holt'; did you mean"
        ),
        allow_unwrapped=True,
        flatten_subgroups=True,
    ):
        async with instance({"job-manager": {"plugins": ["submit-holt"]}}):
            pass


async def test_job_plugins_are_listed() -> None:
    async with instance({"job-manager": {"plugins": ["history"]}}) as broker:
        (id,) = await submit(broker)
        names = [entry["name"] for entry in (await broker.rpc("job-manager.plugins"))["plugins"]]
        assert "history" in names
        assert "submit-hold" not in names
        found = await broker.rpc("job-manager.plugin-query", {"name": "history"})
        assert list(found.values()) == [[id]]


async def test_job_plugins_come_and_go() -> None:
    async with instance() as broker:
        (before,) = await submit(broker, urgency=0)
        await broker.rpc("job-manager.plugin-load", {"name": "history"})
        (after,) = await submit(broker, urgency=0)
        found = await broker.rpc("job-manager.plugin-query", {"name": "history"})
        assert list(found.values()) == [[after, before]]
        assert "has the name of one of" in await refused(
            broker, "job-manager.plugin-load", {"name": "history"}
        )
        await broker.rpc("job-manager.plugin-remove", {"name": "history"})
        assert "no such job plugin" in await refused(broker, "job-manager.plugin-remove", {"name": "history"})
        assert "did you mean 'history'" in await refused(
            broker, "job-manager.plugin-load", {"name": "histry"}
        )


async def test_a_guest_is_held_to_the_limits_when_a_job_changes() -> None:
    config = {
        "policy": {"limits": {"duration": 100.0}},
        "queues": {"a": {}, "b": {}},
        "access": {"allow-guest-user": True},
    }
    async with instance(config, duration=LONG) as broker:
        spec = jobspec(duration=50.0, queue="a")
        pending, running = [*await submit(broker, spec=spec, urgency=0), *await submit(broker, spec=spec)]
        await until_running(broker, running)
        jobs = broker.provider("job-manager").engine.jobs
        jobs[pending].userid = jobs[running].userid = 12345

        async def update(id: int, key: str, value: object) -> str:
            async with broker.client(userid=12345, rolemask=int(Role.USER)) as guest:
                payload = {"id": id, "updates": {f"attributes.system.{key}": value}}
                try:
                    await guest.rpc("job-manager.update", payload)
                except RPCError as error:
                    return error.message.partition(": ")[2]
                return "done"

        assert await update(pending, "duration", 99.0) == "done"
        assert "exceeds the limit" in await update(pending, "duration", 101.0)
        assert "only the instance's owner" in await update(running, "duration", 60.0)
        await broker.rpc("job-manager.queue-disable", {"name": "b"})
        assert await update(pending, "queue", "b") == "job submission to queue 'b' is disabled"
        await broker.rpc("job-manager.queue-enable", {"name": "b"})
        assert await update(pending, "queue", "b") == "done"
        assert jobs[pending].queue == "b"
        updates = {"attributes.system.duration": 1000.0}
        await broker.rpc("job-manager.update", {"id": pending, "updates": updates})
        assert jobs[pending].duration == 1000.0
        assert "the owner has changed it" in await update(pending, "duration", 99.0)


async def test_the_end_of_an_instance_ends_its_jobs(tmp_path: Path) -> None:
    async with instance(duration=LONG, statedir=tmp_path) as broker:
        ids = await submit(broker, 6)
        await until_running(broker, ids[0])
        await broker.provider("job-manager").cleanup()
        stats = await broker.rpc("job-manager.stats")
        assert (stats["pending"], stats["running"], stats["inactive"]["canceled"]) == (2, 0, 4)
    async with instance(duration=LONG) as broker:
        await submit(broker, 6)
        await broker.provider("job-manager").cleanup()
        assert (await broker.rpc("job-manager.stats"))["inactive"]["canceled"] == 6
