"""What a broker says of its machine, also where it can't find anything out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from bourn.broker.boot import look
from bourn.broker.overlay.machines import Machine
from bourn.errors import BournError
from bourn.hookspecs.resource_io import ResourceReader, Resources


def broker(read: Any = None, name: str = "machine") -> Any:
    readers = [] if read is None else [(None, ResourceReader(name, read))]
    return SimpleNamespace(attrs={"hostname": "n3"}, plugins=SimpleNamespace(collect=lambda hook: readers))


def found(**children: str) -> Any:
    R = {"version": 1, "execution": {"R_lite": [{"rank": "0", "children": children}], "nodelist": ["long"]}}
    return lambda content, options: Resources(R=R)


def test_the_name_is_the_one_that_the_instance_has_for_the_host() -> None:
    assert look(broker(found(core="0-3", gpu="1"))) == Machine("n3", 0b1111, 0b10)
    assert look(broker(found(core="7"))) == Machine("n3", 1 << 7)


def fail(content: bytes, options: Any) -> Any:
    raise RuntimeError("no /sys")


def refuse(content: bytes, options: Any) -> Any:
    raise BournError("not on this machine")


@pytest.mark.parametrize(
    ("there", "reason"),
    [
        (broker(), "the resource reader 'machine' is disabled there"),
        (broker(found(core="0"), name="R"), "the resource reader 'machine' is disabled there"),
        (broker(refuse), "not on this machine"),
        (broker(fail), "the resource reader 'machine' failed: RuntimeError: no /sys"),
        (broker(found(core="3-1")), "'3-1'"),
        (broker(lambda content, options: Resources()), "the resource reader 'machine' failed: TypeError"),
    ],
)
def test_why_nothing_is_known_goes_up_the_tree_instead(there: Any, reason: str) -> None:
    machine = look(there)
    assert (machine.host, machine.cores, machine.gpus) == ("n3", 0, 0)
    assert reason in machine.error
