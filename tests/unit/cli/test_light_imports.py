"""`bourn run true` is to take a tenth of a second: what its path imports is guarded here."""

import pytest

from tests.imports import imported

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
    assert not imported(f"import {modules}", HEAVY)
