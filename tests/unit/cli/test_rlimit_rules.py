import pytest

from bourn.cli.limits import apply_rules, current_limits
from bourn.errors import BournError

LIMITS = {"core": 0, "cpu": -1, "nofile": 1024, "memlock": 64}


def test_host_limits_stay_out_unless_asked_for():
    assert apply_rules([], LIMITS) == {"core": 0, "cpu": -1, "nofile": 1024}
    assert apply_rules(["-*", "memlock"], LIMITS) == {"memlock": 64}


def test_values():
    assert apply_rules(["-*", "core=unlimited", "nofile=16"], LIMITS) == {"core": -1, "nofile": 16}


@pytest.mark.parametrize("rule", ["cor=1", "core=lots", "-nothing", "n?thing"])
def test_bad_rules(rule):
    with pytest.raises(BournError):
        apply_rules([rule], LIMITS)


def test_the_limits_of_this_process():
    assert {"core", "nofile", "stack"} <= current_limits().keys()
