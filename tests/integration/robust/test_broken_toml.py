"""A configuration that is wrong names its place and what would be right, in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.robust.program import BOURN, start

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[exec\nmethod=1", "t.toml:1:6: Expected ']'"),
        ('[exec]\nmetod="mock"', "t.toml:2: exec.metod: unknown key; did you mean 'method'?"),
        ('[exce]\nmethod="mock"', "t.toml:1: exce: unknown table; did you mean 'exec'?"),
        ('[exec]\nmethod="mok"', "no exec method is named 'mok'; did you mean 'mock'?"),
        ("[exec]\nmethod=5", "t.toml:2: exec.method: must be a text, not 5"),
        ('[exec]\nkill-timeout="soon"', "t.toml:2: exec.kill-timeout: 'soon' is not a duration"),
        ('[modules]\nsched="sched-grph"', "no such module; did you mean 'sched-graph'?"),
        ('[modules]\nshced="sched-graph"', "no module provides this service; did you mean 'sched'?"),
        ('[plugins]\ndisable=["kvss"]', "plugin 'kvss' isn't installed; did you mean 'kvs'?"),
        ('[scheduler]\nqueue-policy="esy"', "unknown queue policy 'esy'; did you mean 'easy'?"),
        ('[scheduler]\nmatch-policy="lonod"', "unknown match policy 'lonod'; did you mean 'lonode'?"),
        ('[ingest]\nvalidators=["shema"]', "t.toml:2: ingest.validators[0]: there is no 'shema'"),
        ('[job-manager]\nplugins=["histry"]', "no job plugin 'histry'; did you mean 'history'?"),
        ('[job-manager]\npriority-policy="urgncy"', "'urgncy'; did you mean 'urgency'?"),
        ('[queues.a]\nrequres=["x"]', "t.toml:2: queues.a.requres: unknown key; did you mean 'requires'?"),
        ('[resource]\nconfig=[{host="a",cores="0-3"}]', "t.toml:2: resource.config[0].hosts: is missing"),
        ('[resource]\nconfig=[{hosts="a",cores="0-x"}]', "resource.config[0]: idset '0-x'"),
        ('[resource]\npath="/no/such/file"', "/no/such/file: No such file or directory"),
        ('exec="x"', "t.toml:1: exec: must be a table, not 'x'"),
        ('[store]\nbackend="sqlit"', "no store backend 'sqlit'; did you mean 'sqlite'?"),
        (
            '[store]\nsynchronous="sometimes"',
            "t.toml:2: store.synchronous: must be 'off' or 'normal' or 'full'",
        ),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "t.toml"
    path.write_text(text)
    found = start("-c", str(path), "--", "echo", "started")
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr.startswith("bourn-start: error: ")
    assert words in found.stderr
    assert found.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("sumbit true", "did you mean 'submit'?"),
        ("submit --ntaks=2 true", "did you mean '--ntasks'?"),
        ("submit --queue=debg true", "debg"),
        ("module reload kvz", "did you mean 'kvs'?"),
        ("module load sched-grap", "did you mean 'sched-graph'?"),
        ("ping kvz", "no service 'kvz'; did you mean 'kvs'?"),
        ("plugins sched-grap", "did you mean 'sched-graph'?"),
        ("job info ƒ111 R", "no such job ƒ1"),
        ("cancel 123", "no such job ƒ38"),
        ("queue stop --queue=nosuch", "no such queue 'nosuch'"),
        ("resource drain 99", "99"),
        ("getattr rnak", "did you mean 'rank'?"),
        ("submit -N3 -n3 true", "needs 3 nodes, the instance has 1"),
        ("submit --begin-time=whenever true", "whenever"),
    ],
)
def test_what_is_asked_for_and_is_not_there_is_named(line: str, words: str) -> None:
    found = start("--", BOURN, *line.split())
    assert found.returncode != 0, found
    assert words in found.stderr, found.stderr
    assert "Traceback" not in found.stderr
