"""The parts of nesting that need no instance."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from bourn.broker.nesting import ALLOTMENT, NODE, Parent, find_parent, refuse_several, remote_uri
from bourn.cli import address
from bourn.cli.pstree import Node, _merge
from bourn.client.transport import socket_path
from bourn.config.loading import read_sources
from bourn.errors import BournError, ConfigError
from bourn.model.directives import parse_directives
from bourn.model.rset import ResourceSet
from bourn_plugins.resource import allotment
from bourn_plugins.resource.allotment import bounded, read_allotment

if TYPE_CHECKING:
    from pathlib import Path


def rset(cores: str, gpus: str = "") -> ResourceSet:
    return ResourceSet.from_nodes([(0, "node0", cores, gpus)])


def test_no_parent_outside_of_a_job() -> None:
    assert find_parent({}) is None
    assert find_parent({"BOURN_URI": "local:///run/x"}) is None
    assert find_parent({"BOURN_JOB_ID": "ƒ2"}) is None


def test_one_of_several_that_cannot_find_the_others_is_refused() -> None:
    refuse_several({"BOURN_JOB_SIZE": "3"})
    refuse_several({"BOURN_URI": "local:///x", "BOURN_JOB_ID": "ƒ2", "BOURN_JOB_SIZE": "1"})
    with pytest.raises(BournError, match="starts 3 brokers that can't find one another: they need PMI"):
        refuse_several({"BOURN_URI": "local:///x", "BOURN_JOB_ID": "ƒ2", "BOURN_JOB_SIZE": "3"})
    with pytest.raises(BournError, match="mpirun starts 3 brokers that can't find one another"):
        refuse_several({"OMPI_COMM_WORLD_SIZE": "3"})
    refuse_several({"OMPI_COMM_WORLD_SIZE": "3"}, on_purpose=True)
    refuse_several({"OMPI_COMM_WORLD_SIZE": "1"})


def test_the_allotment_is_what_the_resource_module_reads(tmp_path: Path) -> None:
    assert allotment.ALLOTMENT == ALLOTMENT
    assert read_allotment(tmp_path) is None
    R = ResourceSet.from_nodes([(4, "n4", "2-3", ""), (6, "n6", "0", "")])
    parent = Parent("local:///x", 1, 0, 4, R)
    assert parent.share({}) == R.remap_ranks()
    two = parent.share({0: {NODE: 6}, 1: {NODE: 4}})
    assert [two.hostname(rank) for rank in (0, 1)] == ["n6", "n4"]


def test_a_claim_is_bounded() -> None:
    given = rset("4-7", "0")
    given.expiration = 99.0
    assert bounded(rset("0"), None) == rset("0")
    part = bounded(rset("5"), given)
    assert (str(part.cores(0)), part.expiration) == ("5", 99.0)
    with pytest.raises(
        ConfigError, match=r"claims rank0/core\[2-3\], which .* it gave rank0/core\[4-7\],gpu0"
    ):
        bounded(rset("2-5"), given)


def test_addresses() -> None:
    there = remote_uri("local:///tmp/x/local")
    assert there.startswith("ssh://")
    assert address.local(there) == "local:///tmp/x/local"
    assert address.remote("local:///tmp/x/local") == there
    assert address.remote(there) == there
    assert socket_path(there) == "/tmp/x/local"
    assert socket_path("ssh://elsewhere/tmp/x") == "ssh://elsewhere/tmp/x"


def test_equal_jobs_are_one_line_of_the_tree() -> None:
    root = Node(".")
    instance = Node("batch")
    instance.children = [Node("a:R"), Node("a:R"), Node("b:S")]
    root.children = [Node("a:R"), Node("a:R"), instance, Node("a:R")]
    _merge(root)
    assert [child.label for child in root.children] == ["2*[a:R]", "batch", "a:R"]
    assert [child.label for child in instance.children] == ["2*[a:R]", "b:S"]


def test_directives_know_their_lines() -> None:
    text = '#!/bin/sh\n# bourn: -n2 -c4\n#\n# bourn: --setattr=user.x="""\n# bourn: 1\n# bourn: """\n'
    text += "# bourn: -g1\n"
    found = parse_directives(text)
    assert found.lines == [(2, ["-n2", "-c4"]), (4, ["--setattr=user.x=1\n"]), (7, ["-g1"])]
    assert found.args == ["-n2", "-c4", "--setattr=user.x=1\n", "-g1"]


def test_configuration_in_json(tmp_path: Path) -> None:
    file = tmp_path / "conf.json"
    file.write_text(json.dumps({"exec": {"method": "mock"}}))
    assert read_sources([file], [])[0].tree == {"exec": {"method": "mock"}}
    for text in ("{", "[]"):
        file.write_text(text)
        with pytest.raises(ConfigError, match=r"conf\.json: "):
            read_sources([file], [])
