"""Jobs that don't run."""

import pytest
import trio

from bourn.errors import BournError
from bourn.hookspecs.exec_method import StartRequest
from bourn.testing import FakeExecPort, memory_broker
from bourn.testing.samples import interned, jobspec, resource_set
from bourn_plugins.job_exec.mock_method import MockMethod


def request(id, **test):
    system = {f"exec.test.{key}": value for key, value in test.items()}
    return StartRequest(id, 1000, interned(jobspec(system=system)), None, resource_set(1, 1))


async def run(body, **config):
    async with (
        memory_broker(config={"exec": {"mock": config}}) as broker,
        trio.open_nursery() as nursery,
    ):
        broker.ctx.nursery = nursery
        port = FakeExecPort(broker.ctx)
        method = MockMethod(port)
        await body(method, port)
        method.close()
        nursery.cancel_scope.cancel()


async def test_no_duration_is_over_in_the_same_call():
    async def body(method, port):
        method.start([request(id) for id in range(100)])
        assert port.ended == dict.fromkeys(range(100), 0)

    await run(body)


async def test_durations_statuses_and_kills():
    async def body(method, port):
        method.start(
            [
                request(1, run_duration="10s"),
                request(2, run_duration=20.0, wait_status=256),
                request(3, run_duration=30),
            ]
        )
        await trio.sleep(5)
        assert port.begun == [1, 2, 3]
        assert port.ended == {}
        method.kill([(3, 0), (9, 9)])
        method.kill([(3, 15)])
        assert port.ended == {3: 15}
        await trio.sleep(10)
        assert port.ended == {3: 15, 1: 0}
        await trio.sleep(10)
        assert port.ended == {3: 15, 1: 0, 2: 256}

    await run(body)


async def test_defaults_of_the_configuration():
    async def body(method, port):
        method.start([request(1)])
        assert port.ended == {}
        await trio.sleep(2)
        assert port.ended == {1: 9}

    await run(body, **{"run-duration": "1s", "wait-status": 9})


async def test_failures_on_request():
    async def body(method, port):
        method.start([request(1, mock_exception="init"), request(2, mock_exception="run")])
        assert port.begun == [2]
        assert sorted(port.failures) == [1, 2]
        assert port.ended == {1: 256, 2: 0}

    await run(body)


async def test_input_is_refused():
    async def body(method, port):
        with pytest.raises(BournError, match="has no standard input"):
            method.stdin(1, "all", b"", True, lambda: None)

    await run(body)
