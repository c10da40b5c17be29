"""Eight brokers in one process: requests, events, groups and losses over the real overlay."""

from __future__ import annotations

import errno
from functools import partial
from typing import Any

import pytest
import trio

from bourn._version import __version__
from bourn.broker.message import NODE_UPSTREAM
from bourn.broker.module import ANYONE, LATER, Module, ModuleSpec, Request, Role, method
from bourn.broker.overlay import overlay
from bourn.broker.overlay.machines import Machine
from bourn.broker.overlay.peer import HIGH_WATER
from bourn.broker.overlay.topology import parse_topology
from bourn.broker.overlay.wire import control, first_frame
from bourn.errors import BournError, RPCError
from bourn.testing.broker import memory_broker
from bourn.testing.overlay import MemoryInstance, memory_instance


class Where(Module):
    """Says where it is, and notes what it is told."""

    def __init__(self, ctx: Any) -> None:
        super().__init__(ctx)
        self.gone: list[str] = []
        self.cancelled = 0
        self.posted: list[Any] = []
        self.kept: list[Request] = []

    @method(allow=ANYONE)
    def am(self, request: Request) -> list[Any]:
        return [self.ctx.rank, request.userid, request.rolemask, request.payload]

    @method(name="hold")
    def hold(self, request: Request) -> Any:
        self.kept.append(request)
        return LATER

    @method(streaming=True)
    def watch(self, request: Request) -> Any:
        def cancel() -> None:
            self.cancelled += 1

        request.on_cancel = cancel
        request.respond(self.ctx.rank)
        self.kept.append(request)
        return LATER

    @method(streaming=True)
    async def flood(self, request: Request) -> None:
        for _ in range(request.get("count", int)):
            request.respond("x" * 100_000)
            await request.drained()

    @method()
    def post(self, request: Request) -> None:
        self.posted.append(request.payload)

    @method()
    def boom(self, request: Request) -> None:
        raise BournError("no luck", errno.EBUSY)

    def disconnect(self, client: str) -> None:
        self.gone.append(client)


WHERE = ModuleSpec("where", Where)
ROOT = ModuleSpec("root", Where, ranks="0")
EIGHT = partial(memory_instance, 8, WHERE, ROOT)  # 0(1(3(7) 4) 2(5 6))


def where(instance: MemoryInstance, rank: int) -> Where:
    found = instance[rank].provider("where")
    assert isinstance(found, Where)
    return found


async def test_every_rank_reaches_every_other() -> None:
    async with EIGHT() as instance:
        for start in range(8):
            for end in range(8):
                found = await instance[start].rpc("where.am", {"n": end}, nodeid=end)
                assert found[0] == end
                assert found[3] == {"n": end}


async def test_up_the_tree_by_service() -> None:
    async with EIGHT() as instance:
        assert (await instance[7].rpc("where.am"))[0] == 7
        assert (await instance[7].rpc("where.am", nodeid=NODE_UPSTREAM))[0] == 3
        assert (await instance[7].rpc("root.am"))[0] == 0
        with pytest.raises(RPCError, match="no service 'nobody'") as caught:
            await instance[7].rpc("nobody.am")
        assert caught.value.errnum == errno.ENOSYS
        with pytest.raises(RPCError, match="no service 'root'"):
            await instance[0].rpc("root.am", nodeid=7)


async def test_who_comes_from_afar_is_not_local_and_keeps_its_other_credentials() -> None:
    async with (
        EIGHT() as instance,
        instance[7].client(userid=1234, rolemask=int(Role.USER | Role.LOCAL)) as guest,
    ):
        assert (await guest.rpc("where.am"))[1:3] == [1234, Role.USER | Role.LOCAL]
        assert (await guest.rpc("root.am"))[1:3] == [1234, Role.USER]
        with pytest.raises(RPCError, match="not allowed for user 1234"):
            await guest.rpc("root.boom")


async def test_errors_come_back_as_they_were() -> None:
    async with EIGHT() as instance:
        with pytest.raises(RPCError, match="no luck") as caught:
            await instance[4].rpc("where.boom", nodeid=6)
        assert caught.value.errnum == errno.EBUSY
        with pytest.raises(RPCError, match="no rank 8; the instance has ranks 0-7"):
            await instance[4].rpc("where.am", nodeid=8)


async def test_streams_cross_and_are_cancelled_at_their_source() -> None:
    async with EIGHT() as instance:
        async with instance[7].stream("where.watch", nodeid=6) as stream:
            assert await anext(stream) == 6
            where(instance, 6).kept[0].respond("more")
            assert await anext(stream) == "more"
        await instance.until(lambda: where(instance, 6).cancelled == 1)


async def test_a_post_wants_no_answer() -> None:
    async with EIGHT() as instance:
        for number in range(100):
            instance[7].post("where.post", number, nodeid=6)
        await instance.until(lambda: len(where(instance, 6).posted) == 100)
        assert where(instance, 6).posted == list(range(100))


async def test_all_see_all_events_in_one_order() -> None:
    async with EIGHT() as instance:
        seen: dict[int, list[int]] = {rank: [] for rank in range(8)}

        def note(rank: int, topic: str, payload: int) -> None:
            seen[rank].append(payload)

        for rank in range(8):
            instance[rank].ctx.subscribe("n", partial(note, rank))
        async with trio.open_nursery() as nursery:
            for rank in range(8):
                for number in range(10):
                    body = {"topic": "n.x", "payload": rank * 10 + number}
                    nursery.start_soon(instance[rank].rpc, "event.publish", body)
        await instance.until(lambda: all(len(numbers) == 80 for numbers in seen.values()))
        assert sorted(seen[0]) == list(range(80))
        assert all(numbers == seen[0] for numbers in seen.values())


async def test_a_private_event_reaches_the_owners_clients_only() -> None:
    async with (
        EIGHT() as instance,
        instance[7].client() as owner,
        instance[7].client(userid=7, rolemask=int(Role.USER)) as guest,
        owner.subscribe("p") as owners,
        guest.subscribe("p") as guests,
    ):
        for private in (True, False):
            await instance[0].rpc("event.publish", {"topic": f"p.{private}", "private": private})
        assert [(await anext(owners)).topic for _ in range(2)] == ["p.True", "p.False"]
        assert (await anext(guests)).topic == "p.False"


async def test_groups_are_put_together_on_the_way_up() -> None:
    async with EIGHT() as instance:
        async with instance[0].stream("groups.watch", {"name": "mine"}) as stream:
            assert (await anext(stream))["members"] == ""
            await instance[7].rpc("groups.join", {"name": "mine"})
            assert (await anext(stream))["members"] == "7"
            await instance[2].rpc("groups.join", {"name": "mine"})
            assert (await anext(stream))["members"] == "2,7"
            await instance[7].rpc("groups.leave", {"name": "mine"})
            assert (await anext(stream))["members"] == "2"
        found = await instance[7].rpc("groups.get", {"name": "broker.online"}, nodeid=1)
        assert found["members"] == "1,3-4,7"
        with pytest.raises(RPCError, match="the brokers' own"):
            await instance[7].rpc("groups.join", {"name": "broker.online"})


async def test_what_machines_have_is_known_above_and_again_by_another_parent() -> None:
    async with EIGHT() as instance, instance[0].stream("overlay.machines") as stream:
        assert await anext(stream) == {"machines": []}
        overlay = instance[7].broker.overlay
        overlay.machines.note(7, Machine("n7", 0b11))
        overlay.changed()
        entry = {"rank": "7", "hosts": "n7", "children": {"core": "0-1"}}
        assert await anext(stream) == {"machines": [entry]}
        assert list(instance[1].broker.overlay.machines.known) == [7]
        overlay.machines.note(7, Machine("n7", 0b1))
        await instance.stop(3)  # its parent: the news are in the next hello, to rank 1
        assert await anext(stream) == {"machines": [{**entry, "children": {"core": "0"}}]}


async def test_an_instance_of_one_broker_tells_of_no_machines() -> None:
    async with memory_broker() as broker, broker.stream("overlay.machines") as stream:
        assert await anext(stream) == {"machines": []}


async def test_what_waits_for_a_lost_broker_fails_and_those_below_it_find_another_parent() -> None:
    async with EIGHT() as instance:
        failures: list[RPCError] = []

        async def call(rank: int, to: int) -> None:
            try:
                await instance[rank].rpc("where.hold", nodeid=to)
            except RPCError as error:
                failures.append(error)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(call, 0, 1)
            nursery.start_soon(call, 6, 1)
            await instance.until(lambda: len(where(instance, 1).kept) == 2)
            await instance.cut(1)
        assert [failure.errnum for failure in failures] == [errno.EHOSTUNREACH] * 2
        # Rank 1 serves no more, so ranks 3 and 4 are taken in by rank 0; rank 1 itself comes back.
        await instance.until(lambda: {3, 4} <= instance[0].broker.overlay.peers.keys())
        await instance.until(lambda: instance[0].broker.online == 255)
        for end in range(8):
            assert (await instance[7].rpc("where.am", nodeid=end))[0] == end
        status = await instance[0].rpc("overlay.status")
        assert (status["status"], status["lost"]) == ("full", "")
        errors = (await instance[0].rpc("overlay.errors"))["errors"]
        assert [error["rank"] for error in errors] == [1]


async def test_a_broker_that_was_shut_down_is_offline_and_may_come_back() -> None:
    async with EIGHT() as instance:
        await instance.stop(7)
        await instance.until(lambda: instance[0].broker.online == 127)
        status = await instance[0].rpc("overlay.status")
        assert status["statuses"] == {"full": "2,4-6", "offline": "7", "partial": "0-1,3"}
        with pytest.raises(RPCError, match="rank 7 can't be reached"):
            await instance[4].rpc("where.am", nodeid=7)
        await instance.start(7)
        await instance.until(lambda: instance[0].broker.online == 255)
        assert (await instance[6].rpc("where.am", nodeid=7))[0] == 7


async def test_events_missed_while_a_link_was_made_anew_are_sent_again() -> None:
    async with EIGHT() as instance:
        seen: list[int] = []
        instance[7].ctx.subscribe("n", lambda topic, payload: seen.append(payload))
        await instance[0].rpc("event.publish", {"topic": "n", "payload": 1})
        await instance.until(lambda: seen == [1])
        await instance[3].rpc("overlay.cut", {"rank": 7})
        await instance[0].rpc("event.publish", {"topic": "n", "payload": 2})
        await instance.until(lambda: seen == [1, 2])
        with pytest.raises(RPCError, match="rank 6 is no child of rank 3"):
            await instance[3].rpc("overlay.cut", {"rank": 6})


async def test_the_first_event_of_all_may_be_missed_too() -> None:
    async with EIGHT() as instance:
        seen: list[int] = []
        instance[7].ctx.subscribe("n", lambda topic, payload: seen.append(payload))
        await instance[3].rpc("overlay.cut", {"rank": 7})
        await instance[0].rpc("event.publish", {"topic": "n", "payload": 1})
        await instance.until(lambda: seen == [1])
        assert not any("missed" in text for text in instance.log)


async def test_who_waits_for_a_silent_ancestor_asks_the_next_one() -> None:
    async with EIGHT() as instance:
        await instance.network.silence(1)
        await instance.until(lambda: instance[0].broker.online == 0b11111101)
        assert (await instance[0].rpc("where.am", nodeid=7))[0] == 7
        assert instance[3].broker.overlay.parent.rank == 0
        instance[1].broker.stop("the test says so")


async def test_ranks_behind_a_lost_one_are_astray_until_they_are_reached_or_given_up() -> None:
    async with EIGHT(config={"tbon": {"rejoin-grace": 60}}) as instance:

        async def state(rank: int) -> str:
            found = await instance[0].rpc("overlay.where", {"rank": rank})
            return str(found["state"])

        assert await state(3) == "linked"
        await instance.network.silence(1)
        await instance.network.silence(4)
        begin = trio.current_time()
        await instance.until(lambda: instance[0].broker.online == 0b11100101 & ~(1 << 7 | 1 << 3))
        assert [await state(rank) for rank in (0, 1, 3, 4, 7)] == ["linked", "gone", *["astray"] * 3]
        status = await instance[0].rpc("overlay.status")
        assert (status["astray"], status["lost"], status["status"]) == ("3-4,7", "1", "degraded")
        with pytest.raises(RPCError, match="can't be reached"):
            await instance[0].rpc("where.am", nodeid=3)
        await instance.until(lambda: instance[0].broker.online == 0b11101101)
        assert [await state(rank) for rank in (1, 3, 4, 7)] == ["gone", "linked", "astray", "linked"]
        await instance.until(lambda: instance[0].broker.overlay.census.astray == 0)
        assert await state(4) == "gone"
        assert 60 <= trio.current_time() - begin < 65
        with pytest.raises(RPCError, match="no rank 8"):
            await state(8)
        for rank in (1, 4):
            instance[rank].broker.stop("the test says so")


async def test_services_are_told_of_clients_that_leave_and_of_those_of_a_lost_broker() -> None:
    async with EIGHT() as instance:
        async with instance[7].client() as client:
            await client.rpc("where.am", nodeid=6)
            await client.rpc("root.am")
        await instance.until(lambda: bool(where(instance, 6).gone))
        root = instance[0].provider("root")
        await instance.until(lambda: bool(root.gone))
        assert where(instance, 6).gone[0].startswith("client-7-")
        async with instance[7].client() as client:
            await client.rpc("root.am")
            await instance[3].rpc("overlay.cut", {"rank": 7})
            await instance.until(lambda: len(root.gone) == 2)


async def test_a_fast_sender_waits_for_a_slow_way() -> None:
    async with EIGHT() as instance:
        count = most = 0
        async with instance[7].stream("where.flood", {"count": 300}, nodeid=6) as stream:
            async for _ in stream:
                count += 1
                queued = [
                    len(peer.out) for r in range(8) for peer in instance[r].broker.overlay.peers.values()
                ]
                most = max(most, *queued)
        assert count == 300
        assert most < 2 * HIGH_WATER


async def test_silent_neighbours_are_torpid_and_given_up_in_the_end() -> None:
    async with EIGHT(config={"tbon": {"torpid-after": 10, "lost-after": 40, "keepalive": 2}}) as instance:
        await trio.sleep(30)
        assert (await instance[0].rpc("overlay.status"))["torpid"] == ""
        peer = instance[1].broker.overlay.peers[0]
        peer.push = lambda frame: None  # rank 1 says nothing any more
        await instance.until(lambda: any("rank 1 is torpid" in text for text in instance.log))
        assert (await instance[0].rpc("overlay.status"))["torpid"] == "1"
        await instance.until(lambda: any("nothing was heard of it" in text for text in instance.log))
        await instance.until(lambda: instance[0].broker.online == 255)


async def test_brokers_that_were_stopped_together_do_not_lose_one_another() -> None:
    async with EIGHT(config={"tbon": {"torpid-after": 10, "lost-after": 40, "keepalive": 2}}) as instance:
        await trio.sleep(30)
        clock = trio.lowlevel.current_clock()
        assert isinstance(clock, trio.testing.MockClock)
        clock.jump(3600)  # a batch system has suspended the job that they are
        await trio.sleep(60)
        assert (await instance[0].rpc("overlay.status"))["torpid"] == ""
        assert instance[0].broker.online == 255
        assert not any("nothing was heard" in text or "torpid" in text for text in instance.log)


async def greet(instance: MemoryInstance, changes: dict[str, Any]) -> str:
    """Say hello to rank 2 as rank 6 would, but for some changes; return the refusal."""
    hello = {"version": __version__, "instance": "i", "rank": 6, "host": "n6", "seq": 0}
    hello["report"] = {"linked": "6", "left": "", "groups": {}}
    stream = await instance.network.connect(99, 2)
    await stream.send_all(control("hello", {**hello, **changes}))
    packet, _ = await first_frame(stream)
    await stream.aclose()
    return packet.errstr


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"version": "0.0.1"}, f"it is Bourn 0.0.1, this is Bourn {__version__}"),
        ({"instance": "other"}, "rank 6 is of another instance"),
        ({"host": "m"}, "rank 6 is host 'n6' here, not 'm'"),
        ({"rank": "x"}, "there is no rank 'x'"),
        ({"seq": "x"}, "rank 6 sends no number of an event"),
        ({"rank": 4}, "rank 4 doesn't belong below rank 2"),
        ({"rank": 0}, "rank 0 doesn't belong below rank 2"),
        ({}, "rank 6 is there already"),
    ],
)
async def test_who_is_refused_is_told_why_in_one_line_that_is_logged(
    changes: dict[str, Any], reason: str
) -> None:
    async with EIGHT() as instance:
        assert reason in await greet(instance, changes)
        assert any(text.startswith("refused memory: ") and reason in text for text in instance.log)
        assert (await instance[0].rpc("where.am", nodeid=6))[0] == 6


async def test_a_rank_that_may_come_to_belong_is_told_to_try_again() -> None:
    async with EIGHT() as instance:
        assert "there is no rank 8 in this instance yet: `bourn config" in await greet(instance, {"rank": 8})


async def test_a_report_that_is_none_is_refused() -> None:
    async with EIGHT() as instance:
        await instance.stop(6)
        assert "sends no report" in await greet(instance, {"report": {"linked": []}})
        assert "sends no report" in await greet(instance, {"machines": [{"rank": "6"}]})


@pytest.mark.parametrize("noise", [b"GET / HTTP/1.0\r\n\r\n", b"\0\0\0\2[]", b'\0\0\0\5{"x":'])
async def test_noise_is_refused(noise: bytes) -> None:
    async with EIGHT() as instance:
        stream = await instance.network.connect(99, 2)
        await stream.send_all(noise)
        await stream.send_eof()
        await instance.until(lambda: any(text.startswith("refused memory") for text in instance.log))


async def test_a_broker_of_another_instance_gives_up_with_the_reason() -> None:
    async with memory_instance(2, WHERE) as instance:
        await instance.stop(1)
        with pytest.raises(ExceptionGroup) as caught:
            await instance.start(1, instance="other")
        assert caught.group_contains(
            BournError, match="rank 0 refuses rank 1: rank 1 is of another", depth=None
        )


async def test_a_broker_that_finds_no_parent_gives_up_in_time() -> None:
    async with memory_instance(2, WHERE) as instance:
        await instance.stop(1)
        await instance.network.cut(0)
        with pytest.raises(ExceptionGroup) as caught:
            await instance.start(1)
        assert caught.group_contains(BournError, match="given up after 60 s", depth=None)


async def test_what_neighbours_never_say_ends_the_link() -> None:
    async with EIGHT() as instance:
        peer = instance[7].broker.overlay.parent
        peer.push(control("nonsense"))
        await instance.until(lambda: any("no control 'nonsense'" in text for text in instance.log))
        instance[6].broker.overlay.parent.push(control("machines", [{"rank": "6"}]))
        await instance.until(lambda: any("bad machines" in text for text in instance.log))
        await instance.until(lambda: instance[0].broker.online == 255)


def test_there_is_room_for_the_events_of_a_short_loss() -> None:
    assert overlay.EVENTS_KEPT >= 100


def grow(instance: MemoryInstance, shape: str, count: int) -> None:
    """Have rank 0 learn of more ranks."""
    broker = instance[0].broker
    assert broker.overlay is not None
    hosts = [f"n{rank}" for rank in range(broker.size, count)]
    broker.overlay.learn(broker.members.grown(parse_topology(shape, count), hosts))
    instance.size = count


async def test_ranks_beyond_those_of_the_start() -> None:
    async with memory_instance(2, topology="kary:1") as instance:
        instance[0].broker.overlay.learn(
            instance[0].broker.members.grown(parse_topology("kary:1", 3), ["n2"])
        )
        instance.size = 3
        await instance.start(2)
        await instance.until(lambda: instance[0].broker.online == 7)
        assert (await instance[2].rpc("attr.get", {"name": "size"}, nodeid=0))["value"] == "3"
        assert (await instance[0].rpc("attr.get", {"name": "rank"}, nodeid=2))["value"] == "2"


async def test_who_was_cut_off_while_the_instance_grew_learns_it_when_it_is_linked_again() -> None:
    async with memory_instance(4, topology="kary:1") as instance:
        for rank in (1, 2, 3):  # so that no link passes anything on
            await instance.network.silence(rank)
        grow(instance, "kary:1", 5)
        assert [instance[rank].broker.size for rank in range(4)] == [5, 4, 4, 4]
        for rank in (1, 2, 3):
            instance.network.restore(rank)
        await instance.until(lambda: all(instance[rank].broker.size == 5 for rank in range(4)))
        await instance.start(4)
        await instance.until(lambda: instance[0].broker.online == 31)
        assert (await instance[3].rpc("attr.get", {"name": "hostlist"}))["value"] == "n[0-4]"


async def test_who_is_started_while_the_instance_grows_learns_what_it_is_now() -> None:
    async with memory_instance(3, topology="kary:1") as instance:
        await instance.stop(2)
        grow(instance, "kary:1", 5)
        instance.size = 3  # it knows no more than the others did at their start
        await instance.start(2)
        assert instance[2].broker.members == instance[0].broker.members
        instance.size = 5
        await instance.start(3, 4)
        await instance.until(lambda: instance[0].broker.online == 31)


@pytest.mark.parametrize("how", ["there", "shut down", "lost"])
async def test_who_leaves_for_good_is_counted_no_more(how: str) -> None:
    async with memory_instance(4, topology="kary:2", config={"tbon": {"rejoin-grace": 1}}) as instance:
        if how == "shut down":
            await instance.stop(3)
        elif how == "lost":
            await instance.network.silence(3)
            await instance.until(lambda: instance[0].broker.online == 7)
        await instance[0].rpc("overlay.release", {"ranks": "3"})
        await instance[0].rpc("overlay.release", {"ranks": "3"})
        status = await instance[0].rpc("overlay.status")
        assert (status["status"], status["statuses"], status["lost"]) == ("full", {"full": "0-2"}, "")
        assert (status["online"], status["astray"]) == ("0-2", "")
        await instance.until(lambda: instance[1].broker.size == 3)
        assert (await instance[1].rpc("attr.get", {"name": "hostlist"}))["value"] == "n[0-2]"
        for start in (0, 1, 2):
            with pytest.raises(RPCError, match="rank 3 has left the instance for good"):
                await instance[start].rpc("attr.get", {"name": "rank"}, nodeid=3)
        if how == "there":
            await instance.until(lambda: 3 not in instance[1].broker.overlay.peers)
            assert instance[3].broker.stop_reason == "rank 3 has left the instance for good"
        assert not any("the link to rank 3" in text for text in instance.log if how != "lost")
        instance[3].broker.stop("the test is over")
        instance.network.restore(3)
        with pytest.raises(ExceptionGroup) as caught:
            await instance.start(3)
        assert caught.group_contains(BournError, match="rank 3 has left", depth=None)


async def test_who_may_not_leave() -> None:
    async with EIGHT() as instance:
        for ranks, reason in (("0", "rank 0 can't leave"), ("3", "rank 7 is below it"), ("9", "no rank 9")):
            with pytest.raises(RPCError, match=reason):
                await instance[0].rpc("overlay.release", {"ranks": ranks})
        await instance[0].rpc("overlay.release", {"ranks": "3,7"})
        await instance.until(lambda: instance[4].broker.size == 6)


async def test_ranks_behind_one_that_is_cut_off_itself_get_another_way() -> None:
    async with memory_instance(
        4, WHERE, topology="kary:1", config={"tbon": {"rejoin-grace": 20}}
    ) as instance:
        begin = trio.current_time()
        await instance.network.part(0, 1)
        await instance.until(lambda: instance[0].broker.online == 0b1101)
        assert trio.current_time() - begin < 20
        status = await instance[0].rpc("overlay.status")
        assert (status["astray"], status["lost"]) == ("", "1")
        assert (await instance[0].rpc("where.am", nodeid=3))[0] == 3
        assert not any("the link to rank 2 was lost" in text for text in instance.log)
        assert any("rank 2 is linked to rank 0 now" in text for text in instance.log)
        instance.network.restore(0, 1)
        await instance.until(lambda: instance[0].broker.online == 15)
        assert instance[2].broker.overlay.parent.rank == 0
        assert (await instance[1].rpc("where.am", nodeid=3))[0] == 3


@pytest.mark.parametrize("grace", [0, 30])
async def test_those_below_wait_at_their_ease_while_rank_0_is_away(grace: int) -> None:
    async with memory_instance(4, topology="kary:1", config={"tbon": {"rejoin-grace": grace}}) as instance:
        await instance.cut(0)
        await trio.sleep(30)
        assert [instance[rank].broker.overlay.parent.rank for rank in (2, 3)] == [1, 2]
        await instance.start(0)
        await instance.until(lambda: instance[0].broker.online == 15)
        await trio.sleep(30)
        assert not any(instance[rank].broker.overlay.uplink.adrift for rank in (1, 2, 3))


async def test_a_link_is_kept_where_nobody_else_can_be_reached() -> None:
    async with memory_instance(4, topology="kary:1", config={"tbon": {"rejoin-grace": 4}}) as instance:
        for rank in (1, 2):
            await instance.network.part(0, rank)
        await instance.until(lambda: instance[0].broker.online == 0b1001)  # rank 3 alone gets through
        assert instance[3].broker.overlay.parent.rank == 0
        assert instance[2].broker.overlay.parent.rank == 1
        assert (await instance[2].rpc("attr.get", {"name": "rank"}, nodeid=1))["value"] == "1"
        instance.network.restore(0, 1)
        await instance.until(lambda: instance[0].broker.online == 15)
        assert instance[2].broker.overlay.parent.rank == 1


async def test_events_of_a_rank_0_that_was_started_again_reach_those_that_lived_on() -> None:
    async with memory_instance(4, topology="custom:0,1,0") as instance:
        seen: dict[int, list[int]] = {rank: [] for rank in (1, 2, 3)}
        for rank, numbers in seen.items():
            instance[rank].ctx.subscribe("n", lambda topic, payload, numbers=numbers: numbers.append(payload))
        for number in range(10):
            await instance[0].rpc("event.publish", {"topic": "n", "payload": number})
        await instance.until(lambda: all(len(numbers) == 10 for numbers in seen.values()))
        await instance.cut(0)
        await instance.start(0)
        await instance.until(lambda: instance[0].broker.online == 15)
        for number in range(10, 12):
            await instance[0].rpc("event.publish", {"topic": "n", "payload": number})
        await instance.until(lambda: all(numbers[-1] == 11 for numbers in seen.values()))
        assert all(numbers == [*range(12)] for numbers in seen.values())
        await instance[1].rpc("overlay.cut", {"rank": 2})
        await instance[0].rpc("event.publish", {"topic": "n", "payload": 12})
        await instance.until(lambda: seen[2] == [*range(13)])
        assert not any("missed" in text for text in instance.log)
