"""Sessions of `bourn resource-query` in a folder, and graph recipes in a few words."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

from bourn_plugins.sched_graph.query.query import main
from tests.unit.sched_graph.graphs import jobspec

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

RULE = "INFO: =============================\n"
_KEYS = {
    "node": {"root": 0, "type": "", "basename": "", "size": 1, "unit": "", "subsystem": "containment"},
    "edge": {
        "e_subsystem": "containment",
        "relation": "contains",
        "gen_method": "MULTIPLY",
        "multi_scale": 1,
        "id_scope": 0,
        "id_start": 0,
        "id_stride": 1,
        "as_tgt_subsystem": "containment",
        "as_tgt_uplvl": 1,
        "as_src_uplvl": 1,
    },
}


def grug(vertices: dict[str, dict[str, Any]], edges: list[tuple[str, str, dict[str, Any]]]) -> str:
    """A recipe: vertices and edges by key, each with what differs from the defaults."""
    lines = ['<graphml xmlns="http://graphml.graphdrawing.org/xmlns">']
    for kind, keys in _KEYS.items():
        for name, default in keys.items():
            lines.append(f'<key id="{kind}_{name}" for="{kind}" attr.name="{name}">')
            lines.append(f"<default>{default}</default></key>" if default != "" else "</key>")
    lines.append('<graph id="g" edgedefault="directed">')
    for key, values in vertices.items():
        lines.append(f'<node id="{key}">{_data("node", values)}</node>')
    for i, (source, target, values) in enumerate(edges):
        lines.append(f'<edge id="e{i}" source="{source}" target="{target}">{_data("edge", values)}</edge>')
    return "\n".join([*lines, "</graph></graphml>", ""])


def _data(kind: str, values: dict[str, Any]) -> str:
    return "".join(f'<data key="{kind}_{name}">{value}</data>' for name, value in values.items())


def tree(*levels: tuple[str, int], basename: str = "t", **sizes: int) -> str:
    """A recipe of a cluster with one type at each level; ids count up in each node."""
    vertices: dict[str, dict[str, Any]] = {"cluster": {"root": 1, "type": "cluster", "basename": basename}}
    edges: list[tuple[str, str, dict[str, Any]]] = []
    above, scopes = "cluster", 0
    for name, number in levels:
        vertices[name] = {"type": name, "size": sizes.get(name, 1)}
        edges.append((above, name, {"multi_scale": number, "id_scope": scopes}))
        above = name
        scopes = 0 if name == "node" else 1
    return grug(vertices, edges)


class Rig:
    """Runs sessions in a folder on ``g.graphml``, by the policy ``low`` unless `args` say otherwise."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, graph: str) -> None:
        self.folder, self.monkeypatch, self.capsys = folder, monkeypatch, capsys
        self.err = ""
        self.put("g.graphml", graph)
        monkeypatch.chdir(folder)

    def put(self, name: str, content: object) -> None:
        (self.folder / name).write_text(content if isinstance(content, str) else json.dumps(content))

    def get(self, name: str) -> str:
        return (self.folder / name).read_text()

    def job(self, name: str, *resources: dict[str, Any], duration: float = 100, **system: Any) -> None:
        self.put(name, jobspec(list(resources), duration, **system))

    def run(self, *commands: str, args: tuple[str, ...] = (), status: int = 0) -> str:
        self.monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(commands) + "\n"))
        assert main(["-d", "-L", "g.graphml", "-P", "low", *args]) == status
        captured = self.capsys.readouterr()
        self.err = captured.err
        return str(captured.out)


def answer(job: int, state: str = "ALLOCATED", at: str = "Now") -> str:
    """What follows the vertices of a match."""
    return f"{RULE}INFO: JOBID={job}\nINFO: RESOURCES={state}\nINFO: SCHEDULED AT={at}\n{RULE}"


def failure(job: int, *, never: bool = False) -> str:
    """What a match that found nothing says."""
    why = "INFO: Unsatisfiable request\n" if never else ""
    return f"{RULE}INFO: No matching resources found\n{why}INFO: JOBID={job}\n{RULE}"


def lines(*vertices: str) -> str:
    """Lines of the simple format: `(depth, text)` as ``2 node0[1:s]``."""
    return "".join(
        f"      {'---' * int(depth)}{text}\n" for depth, text in (each.split(" ", 1) for each in vertices)
    )


def taken(out: str) -> list[str]:
    """The names of what was taken exclusively, in order."""
    return [line.strip().lstrip("-").split("[")[0] for line in out.splitlines() if line.endswith(":x]")]
