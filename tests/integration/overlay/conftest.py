from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.instance import Instance

if TYPE_CHECKING:
    from collections.abc import Iterator

FOUR = 'resource.config=[{hosts="n[0-3]",cores="0-3"}]'


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """Four brokers, rank 3 below rank 1, each with four made-up cores."""
    instance = Instance(tmp_path_factory.mktemp("four"), "-s4", "-Stbon.topo=kary:2", "--conf", FOUR)
    yield instance
    assert instance.end() == ""
    assert instance.process.returncode == 0
    instance.until(lambda: not instance.left())
