"""Rank 0's configuration reaches all ranks: those that are there, that come back, and that come later."""

from __future__ import annotations

import math

import pytest

from bourn.broker.configsync import digest, pack, unpack
from bourn.broker.module import Module
from bourn.errors import BournError, ConfigError, RPCError
from bourn.hookspecs.modules import ModuleSpec
from bourn.testing.overlay import memory_instance


class Picky(Module):
    """Rank 2 doesn't like what is bad; rank 3 fails with no reason of its own."""

    def reconfigure(self, config):
        if self.ctx.rank == 2 and config.get("plugin.x.value") == "bad":
            raise ConfigError("plugin.x.value: bad is not good")
        if self.ctx.rank == 3 and config.get("plugin.x.value") == "worse":
            raise BournError("no")


PICKY = ModuleSpec("picky", Picky)


def conf(value):
    return {"toml": f'plugin.x.value = "{value}"\nexec.barrier-timeout = inf', "name": "site.toml"}


async def values(instance, *ranks):
    key = {"key": "plugin.x.value"}
    return [(await instance[rank].rpc("config.get", key))["config"] for rank in ranks]


async def test_a_new_configuration_reaches_the_modules_of_all_ranks():
    async with memory_instance(4, PICKY) as instance:
        await instance[0].rpc("config.load", conf("good"))
        assert await values(instance, 0, 1, 2, 3) == ["good"] * 4
        assert instance[3].broker.config.get("exec.barrier-timeout") == math.inf
        await instance[3].rpc("config.load", conf("better"))  # wherever it is asked for
        assert await values(instance, 0, 1, 2, 3) == ["better"] * 4


async def test_a_rank_that_refuses_is_named_and_nobody_changes():
    async with memory_instance(4, PICKY) as instance:
        await instance[0].rpc("config.load", conf("good"))
        with pytest.raises(RPCError) as caught:
            await instance[0].rpc("config.load", conf("bad"))
        reason = "rank 2: plugin.x.value: bad is not good; all ranks keep the old configuration"
        assert caught.value.message == reason
        assert await values(instance, 0, 1, 2, 3) == ["good"] * 4
        with pytest.raises(RPCError, match="rank 3: no; all ranks keep"):
            await instance[0].rpc("config.load", conf("worse"))
        assert await values(instance, 0, 1, 2, 3) == ["good"] * 4


async def test_what_is_no_toml_is_refused_with_its_place():
    async with memory_instance(2) as instance:
        with pytest.raises(RPCError, match=r"site.toml:2:1: "):
            await instance[0].rpc("config.load", {"toml": "a = 1\n= 2", "name": "site.toml"})


async def test_a_rank_that_joins_later_gets_it_before_its_modules_start():
    seen = []

    class Reads(Module):
        async def run(self, *, task_status):
            seen.append((self.ctx.rank, self.ctx.config.get("plugin.x.value")))
            await super().run(task_status=task_status)

    async with memory_instance(3, ModuleSpec("reads", Reads)) as instance:
        await instance.stop(2)
        await instance.until(lambda: not instance[0].broker.online >> 2 & 1)
        await instance[0].rpc("config.load", conf("new"))
        await instance.start(2)
        assert seen[-1] == (2, "new")


async def test_a_rank_that_was_away_gets_it_when_it_is_back():
    async with memory_instance(3) as instance:
        root, away = instance[0].broker, instance[2].broker
        away.overlay.rejoin_timeout = 3600.0
        await instance.network.silence(2)
        await instance.until(lambda: not root.online >> 2 & 1)
        await instance[0].rpc("config.load", conf("new"))
        assert await values(instance, 0, 1) == ["new", "new"]
        assert away.config.get("plugin.x.value") is None
        instance.network.restore(2)
        await instance.until(lambda: away.config.get("plugin.x.value") == "new")
        assert instance[2].broker is away


def test_packing_keeps_what_json_cannot_say():
    raw = {"a": {"inf": math.inf, "list": [1, "two"], "deep": {"x": True}}}
    assert unpack(pack(raw)).raw == raw
    assert digest(raw) == digest(unpack(pack(raw)).raw)
    assert digest(raw) != digest({"a": {}})
