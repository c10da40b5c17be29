"""Which boot method is taken, and what is said where it can't be the right one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bourn.broker.launch import open_session
from bourn.config import Config
from bourn.config.tables import BootHost, BootstrapTable
from bourn.errors import BournError, ConfigError
from bourn_plugins import boot_config, boot_join, boot_pmi, boot_single, boot_slurm, boot_ssh
from bourn_plugins.boot_config.hosts import Hosts

if TYPE_CHECKING:
    from collections.abc import Mapping

METHODS = (boot_config, boot_join, boot_pmi, boot_single, boot_slurm, boot_ssh)


class Plugins:
    def __init__(self, *disabled: object) -> None:
        self._plugins = [plugin for plugin in METHODS if plugin not in disabled]

    def collect(self, hook: str) -> list[tuple[None, Any]]:
        return [(None, method) for plugin in self._plugins for method in getattr(plugin, hook)()]


def chosen(wanted: str, *disabled: object, **environ: str) -> Any:
    return open_session(wanted, environ, Config(), Plugins(*disabled))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("method", "variable"),
    [
        ("pmi", "PMI_FD, PMI_RANK, PMI_SIZE isn't set"),
        ("slurm", "SLURM_JOB_ID isn't set"),
        ("kubernetes", "JOB_COMPLETION_INDEX, BOURN_BOOT_SIZE isn't set"),
        ("join", "BOURN_BOOT isn't set"),
        ("ssh-member", "BOURN_BOOT isn't set"),
    ],
)
def test_a_method_that_is_named_without_its_launcher(method: str, variable: str) -> None:
    with pytest.raises(ConfigError, match=f"boot method '{method}': {variable}; whoever starts brokers this"):
        chosen(method)


def test_a_process_that_nobody_has_started_is_an_instance() -> None:
    assert chosen("") is None
    assert chosen("single", PMI_FD="3", PMI_RANK="0", PMI_SIZE="2") is None


INVITED = 'join:{"rank": 1, "instance": "i", "root": {"host": "h", "port": 1, "cert": ""}}'
TASK = {"BOURN_TASK_RANK": "1", "BOURN_JOB_SIZE": "2", "BOURN_URI": "local:///x", "BOURN_JOB_ID": "f1"}


def test_what_a_launcher_says_comes_first() -> None:
    session = chosen("pmi", BOURN_BOOT=INVITED, PMI_FD="3", PMI_RANK="0", PMI_SIZE="2", **TASK)
    assert (session.rank, session.size, session.attributes["instance-id"]) == (2, 3, "i")


def test_an_invitation_that_cant_be_followed_is_never_ignored() -> None:
    with pytest.raises(ConfigError, match="BOURN_BOOT: there is no boot method 'join'; there are: config,"):
        chosen("", boot_join, BOURN_BOOT=INVITED, **TASK)
    with pytest.raises(BournError, match="it isn't what `bourn grow` sets, for a task of a job: KeyError"):
        chosen("", BOURN_BOOT=INVITED)
    with pytest.raises(BournError, match="it isn't what `bourn grow` sets"):
        chosen("", BOURN_BOOT="join:", **TASK)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"host": "n[0-"}, r"bootstrap.hosts\[0\].host: hostlist 'n\[0-'"),
        ({"host": "n0", "bind": "udp://n0:1"}, r"hosts\[0\].bind: 'udp://n0:1' must be tcp://HOST:PORT"),
        ({"host": "n0", "connect": "tcp://n0:99999"}, r"hosts\[0\].connect: 'tcp://n0:99999' must be tcp://"),
        ({"host": "n0", "connect": "n0"}, r"hosts\[0\].connect: 'n0' must be tcp://HOST:PORT"),
    ],
)
def test_lists_of_hosts_that_make_no_sense(entry: Mapping[str, str], said: str) -> None:
    with pytest.raises(BournError, match=said):
        Hosts(BootstrapTable(hosts=(BootHost(**entry),)))
