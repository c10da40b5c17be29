"""`bourn job explain` on a blocked queue."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from tests.integration.instance import Commands, Instance, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG = """
[resource]
assume-up = true
config = [{hosts = "n[0-3]", cores = "0-3"}]

[exec]
method = "mock"

[exec.mock]
run-duration = "1h"

[queues.batch]
[queues.debug]

[policy.jobspec.defaults.system]
queue = "batch"
"""


@pytest.fixture(scope="module")
def blocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    folder = tmp_path_factory.mktemp("blocked")
    (folder / "c.toml").write_text(CONFIG)
    with Instance(None, "--config-path", folder / "c.toml", cwd=folder) as run:
        run.ok("queue start -a")
        yield run
        run.ok("cancel --all")


def test_a_blocked_queue(blocked: Commands) -> None:
    run = blocked
    running = run.ok("submit -N3 -n3 --exclusive -t 10m true")
    run.ok(f"job wait-event -q {running} start")
    first = run.ok("submit -N4 -n4 --exclusive -t 5m true")
    behind = run.ok("submit -N1 -n1 --exclusive -t 20m true")
    held = run.ok("submit --urgency=hold -N1 -n1 true")
    after = run.ok(f"submit --dependency=afterok:{running} -N1 -n1 true")
    run.ok("queue stop -q debug cooling")
    stopped = run.ok("submit -q debug -N1 -n1 true")
    lines = run.ok(f"job explain {first}").splitlines()
    assert lines[0] == f"{first}: needs 4 nodes, 1 free"
    assert lines[1].strip() == "place 1 of 2 in queue 'batch'"
    assert lines[2].strip().startswith("starts in ")
    assert lines[3].strip().startswith("submitted ")
    one = json.loads(run.ok(f"job explain --json {behind}"))
    assert one["reason"] == "it would delay jobs that have reservations"
    assert one["behind"] == [int(run.ok(f"job id {first}"))]
    estimate = json.loads(run.ok(f"job explain --json {first}"))["t_estimate"]
    assert 0 < estimate - time.time() <= 600
    text = run.ok("job explain")
    assert f"{held}: it is held: its urgency is 0" in text
    assert f"{after}: depends on afterok={running}" in text
    assert f"{stopped}: queue 'debug' is stopped: cooling" in text
    assert f"    behind {first}\n" in text
    assert run.ok(f"job explain {running}") == f"{running}: it runs"
    assert run("job explain 12").code == 1


LATER = """
[resource]
assume-up = true
config = [{hosts = "n[0-3]", cores = "0-3"}]

[scheduler]
queue-policy = "conservative"

[exec]
method = "mock"

[exec.mock]
run-duration = "1h"
"""


@pytest.fixture
def planned(tmp_path: Path) -> Iterator[Commands]:
    (tmp_path / "c.toml").write_text(LATER)
    with Instance(None, "--config-path", tmp_path / "c.toml", cwd=tmp_path) as run:
        yield run
        run.ok("cancel --all")


def estimate(run: Commands, job: str) -> float:
    """When a job starts at the latest, seconds from now."""
    return float(json.loads(run.ok(f"job explain --json {job}"))["t_estimate"] - time.time())


def listed(run: Commands) -> list[str]:
    return run.ok("jobs -n -f pending").splitlines()


def test_plans_follow_what_happens(planned: Commands) -> None:
    run = planned
    half = run.ok("submit -N2 -n2 --exclusive -t 10m true")
    part = run.ok("submit -n8 -t 20m true")
    for job in (half, part):
        run.ok(f"job wait-event -q {job} start")
    whole = run.ok("submit -N4 -n4 --exclusive -t 5m true")
    pieces = run.ok("submit -n6 -t 30m true")
    last = run.ok("submit -N4 -n4 --exclusive true")

    # Every job that waits has an estimate, where one is planned: behind what runs, and behind each other.
    # Parts of nodes are planned as such.
    assert 1100 < estimate(run, whole) <= 1200
    assert 1400 < estimate(run, pieces) <= 1500
    assert 3200 < estimate(run, last) <= 3300
    # Lists tell it of a job that has waited for a moment.
    until(lambda: [line.split()[-1][:4] for line in listed(run)] == ["eta:"] * 3, lambda: listed(run))
    assert len(run.ok("job explain").split("starts in ")) == 4

    # The end of a running job moves: later, then sooner than it was.
    run.ok(f"update {part} duration=40m")
    assert 2300 < estimate(run, whole) <= 2400
    run.ok(f"update {part} duration=15m")
    assert 800 < estimate(run, whole) <= 900
    assert 1100 < estimate(run, pieces) <= 1200

    # It ends early, and what waited for it starts at once.
    run.ok(f"cancel {part} {half}")
    run.ok(f"job wait-event -q {whole} start")
    assert 200 < estimate(run, pieces) <= 300
