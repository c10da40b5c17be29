"""Readers of hwloc XML, of this machine and of TOML, and what they refuse."""

from __future__ import annotations

import os
import re
from typing import Any

import pytest

from bourn.errors import BournError
from bourn_plugins.graph_readers.hwloc import read_hwloc
from bourn_plugins.graph_readers.live import read_live
from bourn_plugins.graph_readers.toml import read_toml
from bourn_plugins.sched_graph.resources.graph import ResourceGraph

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


KINDS = """
[[resource.graph]]
type = "cluster"
basename = "vulpes"

[[resource.graph]]
name = "thin"
type = "node"
hosts = "fox[1-2]"
properties = { fast = "fox2", "perf_class=3" = "fox[1-2]" }

[[resource.graph]]
name = "fat"
type = "node"
hosts = "bear7"

[[resource.graph]]
type = "core"
in = ["thin", "fat"]
count = 4

[[resource.graph]]
type = "core"
in = "fat"
count = 2

[[resource.graph]]
type = "gpu"
in = "fat"
count = 2

[[resource.graph]]
type = "panel"
subsystem = "power"
size = 900
unit = "W"

[[resource.graph]]
type = "pdu"
subsystem = "power"
in = "panel"
count = 2
links = "thin"
size = 500
unit = "W"
"""


def test_toml_of_unlike_nodes() -> None:
    resources = read_toml(KINDS.encode(), {})
    assert resources.R is not None
    assert resources.R["execution"] == {
        "R_lite": [
            {"rank": "0-1", "children": {"core": "0-3"}},
            {"rank": "2", "children": {"core": "0-5", "gpu": "0-1"}},
        ],
        "nodelist": ["fox[1-2],bear7"],
        "properties": {"fast": "1", "perf_class=3": "0-1"},
        "starttime": 0.0,
        "expiration": 0.0,
    }
    graph = ResourceGraph()
    assert resources.build is not None
    resources.build(graph)
    assert len(graph.by_path("/vulpes0/bear7")[0].kids) == 8
    assert graph.by_path("/vulpes0/bear7/core5")
    (fox,) = graph.by_path("/power0/panel0/pdu1/fox2")
    assert (fox.path, fox.properties) == ("/vulpes0/fox2", {"fast": "", "perf_class": "3"})


def test_toml_without_cores_has_no_r() -> None:
    assert read_toml(b"[[resource.graph]]\ntype = 'licence'\ncount = 3", {}).R is None


GRAPH = "[[resource.graph]]\n"


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("", r"there is no [[resource.graph]] table"),
        ("[[resource.grpah]]\ntype = 'x'", "there is no [[resource.graph]] table; there is resource.grpah"),
        ("[resource]\ngraph = 3", "there is no [[resource.graph]] table"),
        (f"{GRAPH}count = 2", "line 1: resource.graph[0].type: is missing: what is it, a rack,"),
        (
            f"{GRAPH}type = 'x'\ncuont = 2",
            "line 3: resource.graph[0].cuont: unknown key; did you mean 'count'",
        ),
        (f"{GRAPH}type = 'x'\ncount = '2'", "line 3: resource.graph[0].count: must be an integer, not '2'"),
        (f"{GRAPH}type = 'x'\ncount = true", "count: must be an integer, not True"),
        (f"{GRAPH}type = 'x'\ncount = 0", "count: must be at least 1, not 0"),
        (f"{GRAPH}type = 'x'\nin = 'rak'", "'rak' is no level above"),
        (f"{GRAPH}type = 'x'\nin = ['cluster', 3]", "'3' is no level above"),
        (f"{GRAPH}type = 'x'\nnumber = 'odd'", "must be one of parent, node, global"),
        (
            f"{GRAPH}type = 'p'\nsubsystem = 'power'\nlinks = 'x'",
            "line 4: resource.graph[0].links: must name a level above; 'x' is no level",
        ),
        (f"{GRAPH}type = 'p'\nsubsystem = 'power'", "links: is missing: which level does it serve?"),
        (f"{GRAPH}type = 'node'\nhosts = 'a[1-'", "resource.graph[0].hosts: "),
        (f"{GRAPH}type = 'rack'\nhosts = 'a1'", "hosts: are the names of nodes; a rack has a basename"),
        (f"{GRAPH}type = 'node'\nhosts = 'a[1-3]'\ncount = 2", "hosts: 3 names for 2 nodes"),
        (f"{GRAPH}type = 'node'\nhosts = 'a1,a1'", "there are two nodes of the name a1"),
        (
            f"{GRAPH}type = 'rack'\ncount = 2\n{GRAPH}in = 'rack'\ntype = 'node'\nhosts = 'a[1-3]'",
            "line 7: resource.graph[1].hosts: 3 names can't be shared out among 2 racks",
        ),
        (f"{GRAPH}type = 'node'\nproperties = {{ fast = 'a1' }}", "properties: fast: there is no node a1"),
        (f"{GRAPH}type = 'core'\nproperties = {{ fast = 'a1' }}", "by hosts are for nodes; of a core, give"),
        (f"{GRAPH}type = 'node'\nproperties = [1]", "must be strings, as NAME or NAME=VALUE, not 1"),
        (f"{GRAPH}type = 'x'\n{GRAPH}type = 'cluster'", "there is one cluster, and its table comes first"),
        ("[[resource.graph]", "not a TOML document: "),
    ],
)
def test_toml_that_is_wrong(table: str, words: str) -> None:
    with pytest.raises(BournError, match=re.escape(words)):
        paths(read_toml(table.encode(), {}))
