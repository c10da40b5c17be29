import json

import pytest

from bourn.errors import BournError
from bourn_plugins.sched_graph.resources.graph import ResourceGraph
from bourn_plugins.simulate.job import Job, Trace, sized_jobspec
from bourn_plugins.simulate.machine import machine_of_file, machine_of_graph, machine_of_text
from bourn_plugins.simulate.setup import load_plugins, make_setting

TOML = """
[[resource.graph]]
type = "rack"
count = 2

[[resource.graph]]
type = "node"
in = "rack"
count = 2
basename = "n"
properties = ["fast"]

[[resource.graph]]
type = "memory"
in = "node"
count = 2
size = 16
unit = "GB"

[[resource.graph]]
type = "core"
in = "node"
count = 4
"""


@pytest.fixture(scope="module")
def readers():
    return {reader.name: reader for _, reader in load_plugins().collect("bourn_resource_readers")}


def test_text():
    machine = machine_of_text("nodes=4,cores=36,gpus=2")
    assert machine.capacity == {"node": 4, "core": 144, "gpu": 8}
    assert machine.names[3] == "node3"
    assert machine.cores_per_node == 36
    assert machine.R["execution"]["R_lite"] == [{"rank": "0-3", "children": {"core": "0-35", "gpu": "0-1"}}]
    assert machine_of_text("nodes=1").capacity == {"node": 1, "core": 1}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("nodes=4,cors=3", "unknown word 'cors'; did you mean 'cores'?"),
        ("nodes=four", "nodes must be a number, not 'four'"),
        ("nodes", "nodes must be a number, not ''"),
        ("cores=4", "there must be nodes with cores"),
        ("nodes=9999999999", "nodes must be a number"),
    ],
)
def test_wrong_text(text, reason):
    with pytest.raises(BournError) as error:
        machine_of_text(text)
    assert reason in error.value.message


def test_a_graph(tmp_path, readers):
    path = tmp_path / "site.toml"
    path.write_text(TOML)
    machine = machine_of_file(str(path), "", readers)
    assert machine.graph == (str(path), "toml-graph")
    assert machine.capacity == {"cluster": 1, "rack": 2, "node": 4, "memory": 128, "core": 16}
    assert machine.cores == dict.fromkeys(range(4), 0b1111)
    assert machine.R["execution"]["properties"] == {"fast": "0-3"}
    assert machine.R["execution"]["nodelist"] == ["n[0-3]"]


def test_what_is_down_has_no_part():
    graph = ResourceGraph()
    root = graph.vertex("cluster", id=0)
    for rank, status in enumerate(("up", "down")):
        node = graph.vertex("node", root, id=rank, rank=rank, status=status)
        graph.vertex("core", node, id=0)
        graph.leaves([node, node], "core", "core", 1, "", [1, 2])
    machine = machine_of_graph(graph, ("f", "jgf"))
    assert machine.capacity == {"cluster": 1, "node": 1, "core": 3}
    assert machine.R["execution"]["R_lite"] == [{"rank": "0", "children": {"core": "0-2"}}]


def test_an_r(tmp_path, readers):
    path = tmp_path / "site.json"
    path.write_text(json.dumps(machine_of_text("nodes=2,cores=3").R))
    machine = machine_of_file(str(path), "", readers)
    assert machine.graph is None
    assert machine.capacity == {"node": 2, "core": 6}


def test_an_r_by_the_name_of_its_format(tmp_path, readers):
    path = tmp_path / "r"
    path.write_text(json.dumps(machine_of_text("nodes=2,cores=3,gpus=1").R))
    machine = machine_of_file(str(path), "rv1exec", readers)
    assert machine.graph == (str(path), "rv1exec")
    assert machine.capacity == {"cluster": 1, "node": 2, "core": 6, "gpu": 2}


def test_wrong_files(tmp_path, readers):
    path = tmp_path / "site.toml"
    path.write_text(TOML.replace('"rack"\ncount = 2', '"rack"\ncont = 2'))
    with pytest.raises(BournError, match=r"site.toml: line \d+: resource.graph\[0\].cont: unknown key"):
        machine_of_file(str(path), "", readers)
    with pytest.raises(BournError, match="unknown resource format 'tml'"):
        machine_of_file(str(path), "tml", readers)
    with pytest.raises(BournError, match="No such file"):
        machine_of_file(str(tmp_path / "none.toml"), "", readers)
    with pytest.raises(BournError, match="the suffix says no format"):
        machine_of_file(str(tmp_path / "site"), "", readers)
    path.write_text('[[resource.graph]]\ntype = "rack"\n')
    with pytest.raises(BournError, match="there is no node in the graph"):
        machine_of_file(str(path), "", readers)


def test_what_hwloc_describes(tmp_path, readers):
    path = tmp_path / "top.xml"
    core = '<object type="Core"><object type="PU"/></object>'
    path.write_text(
        '<topology version="2.0"><object type="Machine"><info name="HostName" value="n7"/>'
        f'<object type="Package">{core}{core}</object></object></topology>'
    )
    machine = machine_of_file(str(path), "", readers)
    assert machine.capacity == {"cluster": 1, "node": 1, "socket": 1, "core": 2}
    assert machine.names == {0: "n7"}
    setting = make_setting(machine, load_plugins())
    result = setting.run(Trace((Job("a", 0.0, 5.0, sized_jobspec(ncores=2, duration=5.0)),)))
    assert [record.state for record in result.records] == ["completed"]
