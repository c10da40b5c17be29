from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.instance import Instance

if TYPE_CHECKING:
    from collections.abc import Iterator

SIXTEEN = 'resource.config=[{hosts="node0",cores="0-15",gpus="0-1"}]'


@pytest.fixture(scope="module")
def bourn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """An instance of one broker with a made-up node of 16 cores and 2 GPUs, for the tests of a module."""
    with Instance(None, "--conf", SIXTEEN, cwd=tmp_path_factory.mktemp("cwd")) as found:
        yield found


@pytest.fixture(scope="module")
def jobs(bourn: Instance) -> list[str]:
    """A job of each kind of end: completed, failed, cancelled."""
    ids = [bourn.ok("submit --job-name=good true"), bourn.ok("submit --job-name=bad -n2 false")]
    ids.append(bourn.ok("submit --job-name=gone sleep 60"))
    bourn.ok(f"job wait-event -q {ids[2]} start")
    bourn.ok(f"cancel -m enough {ids[2]}")
    bourn.ok("queue drain")
    return ids
