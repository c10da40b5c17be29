from __future__ import annotations

import errno
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from bourn.broker.modfile import load_file
from bourn.broker.module import LATER, Module, ModuleContext, ModuleSpec, Request, method
from bourn.errors import BournError, ConfigError, RPCError
from bourn.testing.broker import MemoryBroker, memory_broker

if TYPE_CHECKING:
    from pathlib import Path

    from bourn.broker.request import Later
    from bourn.config import Config


class Recorder(Module):
    """Writes what happens to it into a list that the test holds."""

    def __init__(self, ctx: ModuleContext, log: list[str]) -> None:
        super().__init__(ctx)
        self.log = log

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        self.log.append(f"start {self.ctx.name}")
        task_status.started()
        try:
            await trio.sleep_forever()
        finally:
            self.log.append(f"stop {self.ctx.name}")

    async def cleanup(self) -> None:
        self.log.append(f"cleanup {self.ctx.name}")


class Troubled(Module):
    """Fails in every way there is."""

    kept: Request | None = None

    @method()
    def refuse(self, request: Request) -> None:
        raise BournError("not today", errno.EAGAIN)

    @method()
    def stumble(self, request: Request) -> None:
        raise KeyError("missing")

    @method()
    async def leave(self, request: Request) -> None:
        raise SystemExit(1)

    @method()
    def wait(self, request: Request) -> Later:
        self.kept = request
        return LATER

    @method()
    async def sleep(self, request: Request) -> None:
        await trio.sleep_forever()

    @method()
    def die(self, request: Request) -> None:
        async def task() -> None:
            raise RuntimeError("heart attack")

        self.ctx.nursery.start_soon(task)

    def stats(self) -> dict[str, object]:
        return {"mood": "bad"}


async def error_of(broker: MemoryBroker, topic: str, payload: Any = None) -> RPCError:
    with pytest.raises(RPCError) as caught:
        await broker.rpc(topic, payload)
    return caught.value


async def test_modules_start_in_order_and_stop_in_reverse_after_cleaning_up() -> None:
    log: list[str] = []
    make = partial(Recorder, log=log)
    specs = [
        ModuleSpec("b", make, requires=("a",)),
        ModuleSpec("a", make),
        ModuleSpec("c", make, after=("b",)),
    ]
    async with memory_broker(*specs):
        log.append("run")
    assert log == [
        "start a", "start b", "start c", "run",
        "cleanup a", "cleanup b", "cleanup c", "stop c", "stop b", "stop a",
    ]  # fmt: skip


async def test_cleanup_is_skipped_where_jobs_are_to_go_on() -> None:
    log: list[str] = []
    async with memory_broker(ModuleSpec("a", partial(Recorder, log=log)), attrs={"broker.cleanup": "keep"}):
        pass
    assert log == ["start a", "stop a"]


async def test_a_failing_cleanup_does_not_keep_the_others_from_theirs() -> None:
    class Bad(Module):
        async def cleanup(self) -> None:
            raise ValueError("bad")

    log: list[str] = []
    async with memory_broker(ModuleSpec("a", partial(Recorder, log=log)), ModuleSpec("bad", Bad)):
        pass
    assert "cleanup a" in log


async def test_a_cleanup_that_never_ends_is_given_up_with_the_name_of_its_module() -> None:
    class Stuck(Module):
        async def cleanup(self) -> None:
            await trio.sleep_forever()

    log: list[str] = []
    specs = ModuleSpec("stuck", Stuck), ModuleSpec("a", partial(Recorder, log=log))
    async with memory_broker(*specs, attrs={"broker.cleanup-timeout": "2m"}) as broker:
        begin = trio.current_time()
    assert trio.current_time() - begin == pytest.approx(120)
    assert "cleanup a" not in log
    assert "stop a" in log
    assert any("'stuck' was still cleaning up after 2m" in line for line in broker.log)


async def test_errors_of_a_method_are_answers() -> None:
    async with memory_broker(ModuleSpec("t", Troubled)) as broker:
        error = await error_of(broker, "t.refuse")
        assert (error.errnum, error.message) == (errno.EAGAIN, "not today")
        error = await error_of(broker, "t.stumble")
        assert (error.errnum, error.message) == (
            errno.EIO,
            "module 't' failed in t.stumble: KeyError: 'missing'",
        )
        assert "SystemExit: 1" in (await error_of(broker, "t.leave")).message
        assert broker.broker.host.live["t"].state == "running"


async def test_a_crash_fails_what_is_pending_and_all_that_comes_until_it_is_reloaded() -> None:
    async with memory_broker(ModuleSpec("t", Troubled)) as broker:
        errors: list[RPCError] = []

        async def wait(topic: str) -> None:
            errors.append(await error_of(broker, topic))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait, "t.wait")
            nursery.start_soon(wait, "t.sleep")
            await trio.testing.wait_all_tasks_blocked()
            await broker.rpc("t.die")
        assert len(errors) == 2
        for error in [*errors, await error_of(broker, "t.refuse"), await error_of(broker, "t.nonsense")]:
            assert "module 't' has failed: RuntimeError: heart attack" in error.message
        row = next(m for m in (await broker.rpc("module.list"))["modules"] if m["name"] == "t")
        assert (row["state"], row["error"]) == ("failed", "RuntimeError: heart attack")
        assert broker.provider("t") is None
        await broker.rpc("module.reload", {"name": "t"})
        assert (await error_of(broker, "t.refuse")).message == "not today"
        assert (await broker.rpc("attr.get", {"name": "rank"}))["value"] == "0"


async def test_a_removed_module_answers_what_it_kept_and_is_gone() -> None:
    async with memory_broker(ModuleSpec("t", Troubled)) as broker, trio.open_nursery() as nursery:
        errors: list[RPCError] = []

        async def wait() -> None:
            errors.append(await error_of(broker, "t.wait"))

        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        await broker.rpc("module.remove", {"name": "t"})
        await trio.testing.wait_all_tasks_blocked()
        assert errors[0].message == "module 't' was removed"
        assert (await error_of(broker, "t.wait")).errnum == errno.ENOSYS
        await broker.rpc("module.load", {"name": "t"})
        assert (await broker.rpc("t.ping", {"seq": 1}))["seq"] == 1


async def test_stats_hold_the_hosts_counts_and_the_modules_own() -> None:
    async with memory_broker(ModuleSpec("t", Troubled)) as broker:
        await error_of(broker, "t.refuse")
        stats = await broker.rpc("t.stats")
        assert (stats["messages"], stats["pending"], stats["mood"]) == (2, 0, "bad")
        assert await broker.rpc("module.stats", {"name": "t"}) == stats | {
            "uptime": stats["uptime"],
            "seconds": pytest.approx(stats["seconds"], abs=1),
        }
        assert "did you mean 't'" in (await error_of(broker, "module.stats", {"name": "tt"})).message


async def test_unknown_services_and_methods_bring_suggestions() -> None:
    async with memory_broker(ModuleSpec("t", Troubled)) as broker:
        error = await error_of(broker, "atr.get")
        assert (error.errnum, error.message) == (errno.ENOSYS, "no service 'atr'; did you mean 'attr'?")
        assert (
            await error_of(broker, "attr.gt")
        ).message == "service 'attr' has no method 'gt'; did you mean 'get'?"
        error = await error_of(broker, "attr")
        assert (error.errnum, error.message) == (
            errno.EPROTO,
            "'attr' is no topic; one has the form SERVICE.METHOD",
        )


async def test_a_module_that_others_require_is_busy_and_reloads_with_them() -> None:
    log: list[str] = []
    make = partial(Recorder, log=log)
    specs = [
        ModuleSpec("a", make),
        ModuleSpec("b", make, requires=("a",)),
        ModuleSpec("c", make, requires=("b",)),
    ]
    async with memory_broker(*specs) as broker:
        error = await error_of(broker, "module.remove", {"name": "a"})
        assert (error.errnum, error.message) == (errno.EBUSY, "module 'a' is required by 'b'")
        log.clear()
        await broker.rpc("module.reload", {"name": "a"})
        assert log == ["stop c", "stop b", "stop a", "start a", "start b", "start c"]
        assert (await error_of(broker, "module.remove", {"name": "attr"})).errnum == errno.EPERM
        assert "did you mean 'a'" in (await error_of(broker, "module.remove", {"name": "aa"})).message


async def test_a_second_provider_or_a_second_load_is_refused() -> None:
    one, two = (
        ModuleSpec("one", Module, provides=("s",), priority=1),
        ModuleSpec("two", Module, provides=("s",)),
    )
    async with memory_broker(one, two) as broker:
        message = "module 'two': service 's' is provided by module 'one'; remove that first"
        assert (await error_of(broker, "module.load", {"name": "two"})).message == message
        assert (await error_of(broker, "module.load", {"name": "one"})).errnum == errno.EEXIST
        await broker.rpc("module.remove", {"name": "one"})
        await broker.rpc("module.load", {"name": "two"})
        assert (await broker.rpc("module.list", {"all": True}))["modules"][-1]["name"] == "one"


async def test_a_module_that_refuses_to_start_stops_the_start_with_its_reason() -> None:
    def refuse(ctx: ModuleContext) -> Module:
        raise BournError("state directory /x is corrupt")

    log: list[str] = []
    specs = [ModuleSpec("a", partial(Recorder, log=log)), ModuleSpec("b", refuse)]
    with pytest.raises(BournError, match=r"^module 'b': state directory /x is corrupt$"):
        async with memory_broker(*specs):
            pytest.fail("it came up")
    assert log == ["start a", "stop a"]


async def test_a_module_that_crashes_at_the_start_is_left_out_unless_another_requires_it() -> None:
    def crash(ctx: ModuleContext) -> Module:
        raise ZeroDivisionError("oops")

    async with memory_broker(ModuleSpec("a", crash)) as broker:
        assert "module 'a' has failed: ZeroDivisionError: oops" in (await error_of(broker, "a.b")).message
    with pytest.raises(BournError, match="module 'a' failed to start: ZeroDivisionError: oops"):
        async with memory_broker(ModuleSpec("a", crash), ModuleSpec("b", Module, requires=("a",))):
            pytest.fail("it came up")


async def test_a_module_of_two_services_answers_for_both() -> None:
    class Two(Module):
        @method()
        def x(self, request: Request) -> str:
            return "first"

        @method(service="second")
        def y(self, request: Request) -> str:
            return "second"

    async with memory_broker(ModuleSpec("two", Two, provides=("first", "second"))) as broker:
        assert (await broker.rpc("first.x"), await broker.rpc("second.y")) == ("first", "second")
        assert (await error_of(broker, "second.x")).errnum == errno.ENOSYS
        assert (await broker.rpc("second.ping"))["rank"] == 0


FILE = """
from bourn.broker.module import Module, Request, method

class Pymod(Module):
    name = "pymod"

    @method()
    def version(self, request: Request):
        return 1
"""


async def test_a_module_file_is_read_anew_when_it_is_reloaded(tmp_path: Path) -> None:
    path = tmp_path / "pymod.py"
    path.write_text(FILE)
    async with memory_broker() as broker:
        assert await broker.rpc("module.load", {"path": str(path)}) == {"name": "pymod"}
        assert await broker.rpc("pymod.version") == 1
        path.write_text(FILE.replace("return 1", "return 2"))
        await broker.rpc("module.reload", {"name": "pymod"})
        assert await broker.rpc("pymod.version") == 2
        path.write_text("syntax error here")
        assert "SyntaxError" in (await error_of(broker, "module.reload", {"name": "pymod"})).message
        assert await broker.rpc("pymod.version") == 2, "the one that works goes on"
        assert "absolute" in (await error_of(broker, "module.load", {"path": "pymod.py"})).message


async def test_a_loaded_file_keeps_nothing_in_the_import_system(tmp_path: Path) -> None:
    import sys

    path = tmp_path / "pymod.py"
    path.write_text(FILE)
    before = set(sys.modules)
    load_file(path)
    assert set(sys.modules) == before


async def test_a_module_that_ends_its_run_early_goes_on_serving() -> None:
    class Brief(Module):
        async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
            task_status.started()

        @method()
        def hello(self, request: Request) -> str:
            return "still here"

    async with memory_broker(ModuleSpec("brief", Brief)) as broker:
        await trio.testing.wait_all_tasks_blocked()
        assert await broker.rpc("brief.hello") == "still here"


async def test_subscriptions_end_with_their_module_and_survive_their_errors() -> None:
    seen: list[str] = []

    class Listener(Module):
        async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
            self.ctx.subscribe("a", self.hear)
            task_status.started()

        def hear(self, topic: str, payload: Any) -> None:
            seen.append(topic)
            raise ValueError("too loud")

    async with memory_broker(ModuleSpec("listener", Listener)) as broker:
        await broker.rpc("event.publish", {"topic": "a.1"})
        await broker.rpc("event.publish", {"topic": "b.1"})
        await broker.rpc("event.publish", {"topic": "a.2"})
        await broker.rpc("module.remove", {"name": "listener"})
        await broker.rpc("event.publish", {"topic": "a.3"})
    assert seen == ["a.1", "a.2"]


async def test_a_module_calls_streams_and_posts_to_others() -> None:
    class Source(Module):
        posted = 0

        @method(streaming=True)
        async def count(self, request: Request) -> None:
            for number in range(request.get("to", int)):
                request.respond(number)
                await request.drained()

        @method()
        def note(self, request: Request) -> None:
            self.posted += 1

        @method()
        async def relay(self, request: Request) -> Any:
            return await self.ctx.rpc(request.payload["topic"])

        @method()
        async def use(self, request: Request) -> dict[str, Any]:
            self.ctx.post("source.note")
            async with self.ctx.stream("source.count", {"to": 1000}) as numbers:
                total = sum([number async for number in numbers])
            with pytest.raises(RPCError, match="no service 'nowhere'"):
                await self.ctx.rpc("nowhere.at-all")
            return {"total": total, "posted": self.posted}

    async with memory_broker(ModuleSpec("source", Source)) as broker:
        assert await broker.rpc("source.use") == {"total": 499500, "posted": 1}
        assert (await error_of(broker, "source.relay", {"topic": "attr.nope"})).errnum == errno.ENOSYS


async def test_who_wants_the_newest_only_passes_over_what_waited() -> None:
    class Source(Module):
        @method(streaming=True)
        async def count(self, request: Request) -> None:
            for number in range(request.get("to", int)):
                request.respond(number)

    async with (
        memory_broker(ModuleSpec("source", Source)) as broker,
        broker.stream("source.count", {"to": 100}) as numbers,
    ):
        assert await numbers.latest() == 99
        with pytest.raises(StopAsyncIteration):
            await numbers.latest()


async def test_a_refused_configuration_leaves_the_old_one() -> None:
    class Picky(Module):
        def reconfigure(self, config: Config) -> None:
            if config.get("modules.x") == "bad":
                raise ConfigError("modules.x: bad is not good")

    async with memory_broker(ModuleSpec("picky", Picky)) as broker:
        from bourn.config import Config

        before = broker.broker.config
        broker.broker._reload = lambda: Config({"modules": {"x": "bad"}})
        assert "bad is not good" in (await error_of(broker, "config.reload")).message
        assert broker.broker.config is before
        broker.broker._reload = lambda: Config({"modules": {"x": "good"}})
        await broker.rpc("config.reload")
        assert await broker.rpc("config.get", {"key": "modules.x"}) == {"config": "good"}
        assert await broker.rpc("config.get", {"key": "modules.y.z"}) == {"config": None}


async def test_the_heartbeat_beats_every_period() -> None:
    from bourn_plugins.heartbeat import bourn_modules

    async with memory_broker(*bourn_modules(), config={"heartbeat": {"period": "1m"}}) as broker:
        seen: list[float] = []
        broker.broker.events.subscribe("heartbeat.pulse", lambda event: seen.append(trio.current_time()))
        start = trio.current_time()
        await trio.sleep(150)
        assert [time - start for time in seen] == [60, 120]
