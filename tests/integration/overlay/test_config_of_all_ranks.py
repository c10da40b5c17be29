"""`bourn config reload` and `load` in an instance of several processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.instance import Instance
from tests.integration.overlay.conftest import FOUR

if TYPE_CHECKING:
    from pathlib import Path


def test_reload_and_load_reach_all_ranks(tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    site.write_text("heartbeat.period = 3\n")
    instance = Instance(tmp_path, "-s3", "--conf", FOUR, "-c", str(site))
    try:
        site.write_text('heartbeat.period = 4\nexec.barrier-timeout = "inf"\n')
        instance.ok("config reload")
        assert instance.ok("exec -r all bourn config get heartbeat.period").split() == ["4"] * 3
        site.write_text("heartbeat.perod = 5\n")
        found = instance("config reload")
        assert (
            found.err
            == f"bourn-config: error: {site}:1: heartbeat.perod: unknown key; did you mean 'period'?\n"
        )
        assert found.code == 1
        found = instance("config load", stdin=b"heartbeat.period = 6\n")
        assert found.code == 0, found
        assert instance.ok("exec -r all bourn config get heartbeat.period").split() == ["6"] * 3
        assert "resource" not in instance.ok("config get"), "load replaces all of it"
        missing = instance("config load /nowhere.toml")
        assert missing.err == "bourn-config: error: /nowhere.toml: No such file or directory\n"
    finally:
        instance.end()
