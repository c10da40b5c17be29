"""Readers of hwloc XML, of this machine and of TOML, and what they refuse."""

from __future__ import annotations

import os
from typing import Any

import pytest

from bourn.errors import BournError
from bourn_plugins.graph_readers.hwloc import read_hwloc
from bourn_plugins.graph_readers.live import read_live
from bourn_plugins.graph_readers.toml import read_toml
from bourn_plugins.sched_graph.graph import ResourceGraph

TWO = """<?xml version="1.0"?>
<topology version="2.0"><object type="Machine" os_index="0">
 <info name="HostName" value="fox12"/>
 <object type="NUMANode" os_index="0"/>
 <object type="Package" os_index="0">
  <object type="L3Cache" cache_size="2097152">
   <object type="L1iCache" cache_size="32768"/>
   <object type="Core" os_index="0"><object type="PU" os_index="0"/></object>
   <object type="Core" os_index="1"><object type="PU" os_index="1"/></object>
  </object>
  <object type="Bridge"><object type="PCIDev">
   <object type="OSDev" name="cuda1" osdev_type="5"/>
   <object type="OSDev" name="sda" osdev_type="0"><info name="Size" value="8000000"/></object>
   <object type="OSDev" name="eth0" osdev_type="2"/>
  </object></object>
 </object>
</object></topology>
"""
ONE = TWO.replace("2.0", "1.0").replace('"Package"', '"Socket"').replace('"L3Cache"', '"Cache" depth="3"')


def paths(resources: Any) -> list[str]:
    graph = ResourceGraph()
    resources.build(graph)
    return [vertex.path for vertex in graph]


@pytest.mark.parametrize("text", [ONE, TWO])
def test_hwloc(text: str) -> None:
    found = paths(read_hwloc(text.encode(), {}))
    socket = "/cluster0/fox12/socket0"
    cache = f"{socket}/L3cache0"
    assert sorted(found) == sorted(
        [
            *("/cluster0", "/cluster0/fox12", "/cluster0/fox12/numanode0", socket, cache),
            *(f"{cache}/core{k}" for k in (0, 1)),
            *(f"{cache}/core{k}/pu{k}" for k in (0, 1)),
            *(f"{socket}/gpu1", f"{socket}/storage1"),
        ]
    )


def test_memory_contains_sockets_in_version_1() -> None:
    text = ONE.replace('<object type="NUMANode" os_index="0"/>', '<object type="NUMANode" os_index="0">')
    text = text.replace("</object></topology>", "</object></object></topology>")
    found = paths(read_hwloc(text.encode(), {"allowlist": "node,numanode,socket,core"}))
    socket = "/cluster0/fox12/numanode0/socket0"
    assert found == [
        *("/cluster0", "/cluster0/fox12", "/cluster0/fox12/numanode0", socket),
        *(f"{socket}/core{k}" for k in (0, 1)),
    ]


def test_hwloc_with_some_types_only() -> None:
    found = paths(read_hwloc(TWO.encode(), {"allowlist": "node,core,gpu"}))
    node = "/cluster0/fox12"
    assert found == ["/cluster0", node, f"{node}/core0", f"{node}/core1", f"{node}/gpu1"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<top", "not an hwloc XML document"),
        ("<graph/>", "it has no topology"),
        (TWO.replace('value="8000000"', 'value="big"'), "block device 'sda': its size is missing"),
    ],
)
def test_hwloc_that_is_wrong(text: str, words: str) -> None:
    with pytest.raises(BournError, match=words):
        paths(read_hwloc(text.encode(), {}))


def test_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert any("core" in path for path in paths(read_live(b"", {"allowlist": {"node", "core"}})))
    monkeypatch.setenv("PATH", "")
    found = paths(read_live(b"", {"allowlist": "node,pu"}))
    assert len(found) == 2 + len(os.sched_getaffinity(0))


SITE = """
[[resource.graph]]
type = "rack"
count = 2
[[resource.graph]]
type = "node"
in = "rack"
hosts = "fox[1-2]"
count = 1
properties = ["arm", "perf_class=3"]
[[resource.graph]]
type = "socket"
in = "node"
count = 2
[[resource.graph]]
type = "core"
in = "socket"
count = 2
[[resource.graph]]
type = "memory"
in = "socket"
size = 64
unit = "GB"
[[resource.graph]]
type = "licence"
count = 3
[[resource.graph]]
type = "pdu"
subsystem = "power"
links = "rack"
count = 2
"""


def test_toml() -> None:
    graph = ResourceGraph()
    resources = read_toml(SITE.encode(), {})
    assert resources.build is not None
    resources.build(graph)
    node = graph.by_path("/cluster0/rack1/fox2")[0]
    assert (node.rank, node.id, node.basename) == (1, 2, "fox")
    assert node.properties == {"arm": "", "perf_class": "3"}
    # Cores count up in a node, whatever the socket.
    assert [core.name for core in graph.by_path("/cluster0/rack1/fox2/socket1")[0].kids][:2] == [
        "core2",
        "core3",
    ]
    memory = graph.by_path("/cluster0/rack0/fox1/socket0/memory0")[0]
    assert (memory.size, memory.unit, memory.rank) == (64, "GB", 0)
    assert graph.by_path("/cluster0/licence2")
    assert graph.by_path("/power0/pdu1/rack1")[0].path == "/cluster0/rack1"


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("", r"there is no \[\[resource.graph\]\] table"),
        ("[[resource.graph]]\ncount = 2", r"resource.graph\[0\].type: is missing"),
        ("[[resource.graph]]\ntype = 'x'\ncuont = 2", "unknown key; did you mean 'count'"),
        ("[[resource.graph]]\ntype = 'x'\ncount = '2'", r"graph\[0\].count: must be int, not '2'"),
        ("[[resource.graph]]\ntype = 'x'\ncount = 0", "count: must be at least 1, not 0"),
        ("[[resource.graph]]\ntype = 'x'\nin = 'rak'", "'rak' is no level above"),
        ("[[resource.graph]]\ntype = 'x'\nnumber = 'odd'", "must be one of parent, node, global"),
        ("[[resource.graph]]\ntype = 'p'\nsubsystem = 'power'\nlinks = 'x'", "links must name a level above"),
        ("[[resource.graph]", "not a TOML document"),
    ],
)
def test_toml_that_is_wrong(table: str, words: str) -> None:
    with pytest.raises(BournError, match=words):
        paths(read_toml(table.encode(), {}))
