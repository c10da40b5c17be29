"""The jobspecs of docs/examples, submitted to a real instance with the graph scheduler and made-up nodes."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import bourn

from .conftest import EXAMPLES, Site, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JOBSPECS = EXAMPLES / "jobspecs"


@contextmanager
def scheduled(cwd: Path, graph: str, cores: str) -> Iterator[Site]:
    """An instance of six brokers whose resources are a graph of `jobspecs`."""
    options = ["--test-size=6", "--conf", f'resource.config=[{{hosts="n[0-5]",cores="{cores}"}}]']
    options += ["--conf", "modules.sched=sched-graph", "--conf", f"scheduler.load-file={JOBSPECS / graph}"]
    with running(cwd, *options) as site:
        yield site


def test_slots_in_racks(tmp_path: Path) -> None:
    with scheduled(tmp_path, "racks.toml", "0-35") as site:
        id = site.ok("bourn", "job", "submit", JOBSPECS / "racks.yaml")
        lines = site.lines("bourn", "job", "attach", id)
        assert sorted(lines) == [f"task {rank}" for rank in range(6)]
        with bourn.Handle(site.uri) as h:
            R = bourn.job.lookup(h, bourn.JobID.parse(id), "R")
            assert R["execution"]["R_lite"] == [{"rank": "0-5", "children": {"core": "0-35"}}]
        refused = site("bourn", "job", "submit", write(tmp_path, "racks.yaml", "count: 3", "count: 4"))
        assert refused.returncode == 1
        assert refused.stderr == "bourn-job: error: needs 8 nodes, the instance has 6\n"


def test_storage_as_resources(tmp_path: Path) -> None:
    with scheduled(tmp_path, "disks.toml", "0-3") as site:
        id = site.ok("bourn", "job", "submit", JOBSPECS / "storage.yaml")
        site.ok("bourn", "job", "attach", id)
        with bourn.Handle(site.uri) as h:
            spec = bourn.job.lookup(h, bourn.JobID.parse(id), "jobspec")
            assert spec["attributes"]["user"]["stage-in"]["from"] == "/archive/run7"
            R = bourn.job.lookup(h, bourn.JobID.parse(id), "R")["execution"]
            assert bourn.IdSet(R["R_lite"][0]["rank"]) == bourn.IdSet("0-5")
        # Which disk is meant says its path: each rack has one, and so has the cluster.
        in_racks = [site.ok("bourn", "job", "submit", JOBSPECS / "rack-disk.yaml") for _ in range(3)]
        at_top = [site.ok("bourn", "job", "submit", JOBSPECS / "top-disk.yaml") for _ in range(2)]
        for id in (*in_racks[:2], at_top[0]):
            site.ok("bourn", "job", "wait-event", id, "start")
        states = site.ok("bourn", "jobs", "-n", "-o", "{state}", *in_racks, *at_top).split()
        assert states == ["RUN", "RUN", "SCHED", "RUN", "SCHED"]
        first, second = (site.ok("bourn", "jobs", "-n", "-o", "{ranks}", id) for id in in_racks[:2])
        assert {int(first) // 3, int(second) // 3} == {0, 1}  # a rack each
        site.ok("bourn", "cancel", in_racks[0])
        site.ok("bourn", "job", "wait-event", in_racks[2], "start")
        assert site.ok("bourn", "jobs", "-n", "-o", "{state}", at_top[1]) == "SCHED"
        site.ok("bourn", "cancel", at_top[0])
        site.ok("bourn", "job", "wait-event", at_top[1], "start")
        site.ok("bourn", "cancel", "--all")
        site.ok("bourn", "queue", "drain")


def test_unlike_groups_of_nodes(tmp_path: Path) -> None:
    with scheduled(tmp_path, "unlike.toml", "0-3") as site:
        id = site.ok("bourn", "job", "submit", JOBSPECS / "unlike.yaml")
        lines = sorted(site.lines("bourn", "job", "attach", "-l", id))
        assert [line.partition(": ")[2] for line in lines] == [
            *(f"compute on {rank}" for rank in range(6)),
            *["load data"] * 3,
        ]
        with bourn.Handle(site.uri) as h:
            R = bourn.job.lookup(h, bourn.JobID.parse(id), "R")
            cores = {entry["rank"]: entry["children"]["core"] for entry in R["execution"]["R_lite"]}
            assert cores == {"0-2": "0-3", "3-5": "3"}
            assert R["attributes"]["system"]["slots"] == {"compute": {"0-2": 2}, "load": {"3-5": 1}}
        # A scheduler that is loaded anew knows who has the pool.
        alone = write(tmp_path, "unlike.yaml", "count: 500,", "count: 500, exclusive: true,")
        alone.write_text(alone.read_text().replace("echo compute on", "sleep 60;"))
        holder = site.ok("bourn", "job", "submit", alone)
        site.ok("bourn", "job", "wait-event", holder, "start")
        site.ok("bourn", "module", "reload", "sched-graph")
        disk = (JOBSPECS / "top-disk.yaml").read_text()
        whole = disk[disk.index("          - type: slot") : disk.index("tasks:")]
        core = "          - {type: slot, count: 1, label: task, with: [{type: core, count: 1}]}\n"
        rack = "      - type: rack\n        count: 1\n        with:\n"
        pool = tmp_path / "pool.yaml"
        pool.write_text(disk.replace("terabyte", "GB").replace(rack + whole, rack + core))
        waiting = site.ok("bourn", "job", "submit", pool)
        site.ok("bourn", "job", "explain", waiting)
        assert site.ok("bourn", "jobs", "-n", "-o", "{state}", holder, waiting).split() == ["RUN", "SCHED"]
        site.ok("bourn", "cancel", holder)
        site.ok("bourn", "job", "wait-event", waiting, "start")
        site.ok("bourn", "cancel", waiting)
        more = write(tmp_path, "unlike.yaml", "count: 500", "count: 1025")
        assert site("bourn", "job", "submit", more).stderr == (
            "bourn-job: error: needs 1325 GB of storage, the instance has 1324\n"
        )


def write(folder: Path, name: str, old: str, new: str) -> Path:
    """Return a changed copy of a jobspec."""
    path = folder / name
    path.write_text((JOBSPECS / name).read_text().replace(old, new))
    return path
