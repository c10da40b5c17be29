"""`bourn run true` is to take a tenth of a second: what its path imports is guarded here."""

import subprocess
import sys

import pytest

HEAVY = {"trio", "attr", "cattrs", "msgspec", "pluggy", "rich", "importlib.metadata", "logging", "asyncio"}


@pytest.mark.parametrize(
    "modules",
    [
        "bourn.cli.main, bourn.cli.run, bourn.cli.attach, bourn.client.handle",
        "bourn.cli.submit, bourn.cli.bulksubmit, bourn.cli.follow",
        "bourn.cli.jobs, bourn.cli.queue, bourn.cli.job, bourn.cli.cancel",
        "bourn",
    ],
)
def test_commands_import_nothing_heavy(modules):
    script = f"import sys, {modules}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.split())
