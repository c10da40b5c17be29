from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.instance import Instance, Shell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SIXTEEN = 'resource.config=[{hosts="node0",cores="0-15",gpus="0-1",properties=["big"]}]'


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    """An instance with a made-up node of 16 cores and 2 GPUs."""
    with Instance(None, "--conf", SIXTEEN) as found:
        yield found


@pytest.fixture
def shell(instance: Instance, tmp_path: Path) -> Shell:
    return instance.shell(tmp_path)
