"""`bourn simulate` as a command: it needs no instance."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

BOURN = str(Path(sys.executable).with_name("bourn"))
JOBS = [
    {"nnodes": 3, "runtime": 100, "duration": 120},
    {"nnodes": 4, "runtime": 10, "duration": 20, "submit": 1},
    {"nnodes": 1, "runtime": 90, "duration": 90, "submit": 2, "name": "small"},
    {"nnodes": 9, "runtime": 90, "submit": 3},
]
NODES = ("--resources", "nodes=4,cores=2")


@pytest.fixture
def simulate(tmp_path):
    (tmp_path / "jobs.jsonl").write_text("".join(json.dumps(job) + "\n" for job in JOBS))

    def run(*words, code=0):
        done = subprocess.run(
            [BOURN, "simulate", *words], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done
        assert "Traceback" not in done.stderr
        return done.stdout if code == 0 else done.stderr

    run.folder = tmp_path
    return run


def test_figures_and_files(simulate):
    out = simulate(
        "jobs.jsonl", *NODES, "--jobs", "--jobs-csv", "jobs.csv", "--gantt", "g.svg", "--plot", "p.svg"
    )
    assert "jobs         3 completed, 1 denied\n" in out
    assert "queue-policy easy" in out
    with open(simulate.folder / "jobs.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["start"] for row in rows] == ["0", "100", "2", ""]
    assert rows[2]["name"] == "small"
    assert rows[3]["reason"].startswith("needs 9 nodes")
    for picture in ("g.svg", "p.svg"):
        assert (simulate.folder / picture).read_text().startswith("<svg")


def test_equal_bytes(simulate):
    words = ("jobs.jsonl", *NODES, "--json", "--repeat", "3", "--seed", "5", "--speed-independent")
    one, other = simulate(*words), simulate(*words)
    assert one == other
    data = json.loads(one)
    assert len(data["runs"]) == 3
    assert data["scheduler"]["match-policy"] == "first"
    assert data["jobs"][0]["state"] == "completed"


def test_the_configuration_of_an_instance(simulate):
    config = simulate.folder / "site.toml"
    config.write_text('[scheduler]\nqueue-policy = "fcfs"\n')
    assert "queue-policy fcfs" in simulate("jobs.jsonl", *NODES, "--config", "site.toml")
    assert "queue-policy hybrid" in simulate(
        "jobs.jsonl", *NODES, "--config", "site.toml", "--queue-policy", "hybrid"
    )
    config.write_text('[scheduler]\nqueue-polcy = "fcfs"\n')
    assert "site.toml:2: scheduler.queue-polcy: unknown key" in simulate(
        "jobs.jsonl", *NODES, "--config", "site.toml", code=1
    )
    config.write_text('[modules]\nsched = "sched-simple"\n')
    assert "scheduler    sched-simple\n" in simulate("jobs.jsonl", *NODES, "--config", "site.toml")


def test_a_graph_of_a_file(simulate):
    (simulate.folder / "site.toml").write_text(
        '[[resource.graph]]\ntype = "node"\ncount = 4\n'
        '[[resource.graph]]\ntype = "core"\nin = "node"\ncount = 2\n'
    )
    out = simulate("jobs.jsonl", "--resources", "site.toml", "--until", "50s")
    assert "resources    4 nodes, 8 cores\n" in out
    assert "jobs         1 denied, 1 pending, 2 running\n" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("none.swf",), "none.swf: No such file"),
        (("jobs.jsonl",), "--resources is missing"),
        (("jobs.jsonl", "--resources", "nodes=x"), "nodes must be a number"),
        (("jobs.jsonl", "--resources", "x.bin"), "the suffix says no format"),
        (("jobs.jsonl", *NODES, "--gantt", "g.pdf"), "must end with .svg or .png"),
        (("jobs.jsonl", *NODES, "--whole-nodes"), "--whole-nodes is for traces"),
        (("jobs.jsonl", *NODES, "--format", "swf"), "jobs.jsonl:1: a job has 18 fields"),
        (("jobs.jsonl", *NODES, "--scheduler", "sched-x"), "unknown scheduler 'sched-x'"),
        (("jobs.jsonl", *NODES, "--match-policy", "lonod"), "did you mean 'lonode'?"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(simulate, words, message):
    error = simulate(*words, code=1)
    assert error.startswith("bourn-simulate: error: ")
    assert message in error
    assert error.count("\n") == 1


def test_usage(simulate):
    assert "--queue-depth" in simulate("jobs.jsonl", "--queue-depth", "0", code=2)
    assert "did you mean '--gantt'" in simulate("jobs.jsonl", "--gantz", "x", code=2)
