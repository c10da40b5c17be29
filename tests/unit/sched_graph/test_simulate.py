"""The simulator: traces, virtual time, reports, pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bourn.errors import BournError
from bourn_plugins.sched_graph.simulate_cli import main
from bourn_plugins.sched_graph.trace import WORKLOADS, read_trace

if TYPE_CHECKING:
    from pathlib import Path


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()[1:]]


def test_deeper_queues_need_no_more_waves(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--workload", "queue-depth", "--queue-depth", "2,41", "--seeds", "1-5"]) == 0
    found = rows(capsys.readouterr().out)
    spans = [int(row[3].strip("s").replace(",", "")) for row in found]
    assert all(row[2] == "41" for row in found)
    assert sum(spans[:5]) > sum(spans[5:])
    assert all(900 <= span <= 1200 and span % 100 == 0 for span in spans)


def test_a_trace_of_json_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = tmp_path / "t.jsonl"
    trace.write_text(
        '{"submit": 0, "runtime": 10, "nodes": 2}\n# comment\n'
        '{"submit": 1, "runtime": 5, "nodes": 3}\n{"submit": 1, "runtime": 5, "nodes": 9}\n'
    )
    files = [str(tmp_path / name) for name in ("g.svg", "u.svg")]
    assert (
        main([str(trace), "--table", "-", "--gantt", files[0], "--utilization", files[1], "-P", "low"]) == 0
    )
    out = capsys.readouterr().out
    assert "1,,0.0,0.0,10.0,0.0,8,0,0-1," in out
    assert "2,,1.0,10.0,15.0,9.0,12,0,0-2," in out
    assert '3,,1.0,,,0.0,0,0,,"needs 9 nodes, there are 4"' in out
    for file in files:
        with open(file) as stream:
            assert stream.read().startswith("<svg ")


def test_the_standard_workload_format(tmp_path: Path) -> None:
    trace = tmp_path / "t.swf"
    trace.write_text(
        "; header\n1 0 -1 100 4 -1 -1 4 120 -1 1 1 1 1 1 1 -1 -1\n"
        "2 5 -1 -1 4 -1 -1 4 9 -1 0 1 1 1 1 1 -1 -1\n"
    )
    (job,) = read_trace(str(trace))
    assert (job.submit, job.runtime) == (0, 100)
    assert job.jobspec["attributes"]["system"]["duration"] == 120


def test_bad_lines_are_named(tmp_path: Path) -> None:
    trace = tmp_path / "t.jsonl"
    trace.write_text('\n{"runtim": 3}\n')
    with pytest.raises(BournError, match=r"t.jsonl, line 2: unknown key 'runtim'; did you mean 'runtime'"):
        read_trace(str(trace))
    with pytest.raises(BournError, match="give either a trace or --workload"):
        main([])
    with pytest.raises(BournError, match="unknown workload 'x'"):
        main(["--workload", "x"])


def test_nine_jobs_share_a_node(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(WORKLOADS["co-schedule"](1, 2, 44)) == 54
    args = [
        "--workload",
        "co-schedule",
        "-N",
        "20",
        "-c",
        "44",
        "-g",
        "4",
        "--queue-depth",
        "1",
        "-P",
        "lonode",
    ]
    assert main(args) == 0
    (row,) = rows(capsys.readouterr().out)
    cores, gpus = (float(share.strip("%")) for share in row[5].split("/"))
    assert cores > 85
    assert gpus > 85
