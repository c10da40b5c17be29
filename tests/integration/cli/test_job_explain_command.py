"""`bourn job explain` on a blocked queue."""

from __future__ import annotations

import json
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.integration.cli.conftest import BOURN, Commands

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    command = [BOURN, "start", "--config-path", str(folder / "c.toml"), "--"]
    command += ["sh", "-c", "echo $BOURN_URI; exec cat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        uri = process.stdout.readline().strip()
        assert uri, "the instance did not start"
        run = Commands(uri, folder)
        run.ok("queue start -a")
        yield run
        run.ok("cancel --all")
        process.stdin.close()
        process.wait()


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
