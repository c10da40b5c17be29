"""ssh:// addresses: by a real sshd on the loopback with keys of its own, and what goes wrong on the way."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

import bourn
from bourn.client.aio import Handle as AsyncHandle
from tests.integration.instance import Instance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.instance import Shell

BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The path of an instance's socket."""
    with Instance(None) as found:
        yield found.uri.removeprefix("local://")


def test_commands_reach_another_host(sh: Shell, ssh: str, path: str) -> None:
    uri = f"ssh://elsewhere{path}"
    assert sh(f"bourn proxy {uri} bourn run -n2 echo there", BOURN_SSH=ssh).out == "there\nthere\n"
    assert sh("bourn getattr size", BOURN_URI=uri, BOURN_SSH=ssh).out == "1\n"
    big = sh("bourn submit --cc=1-2000 true | wc -l; bourn queue drain", BOURN_URI=uri, BOURN_SSH=ssh)
    assert big.out == "2000\n"


def test_both_handles_reach_another_host(monkeypatch: pytest.MonkeyPatch, ssh: str, path: str) -> None:
    monkeypatch.setenv("BOURN_SSH", ssh)
    uri = f"ssh://elsewhere{path}"
    with bourn.Handle(uri) as h:
        assert h.uri == uri
        assert h.rpc("broker.ping", {"pad": "x" * 3_000_000}).get()["pad"][-1] == "x"

    async def main() -> str:
        async with AsyncHandle(uri) as h:
            return await h.attr_get("size")

    assert trio.run(main) == "1"


def test_what_goes_wrong_on_the_way(sh: Shell, ssh: str, path: str) -> None:
    for uri, program, reason in (
        (
            "ssh://elsewhere/no/such/dir/local",
            ssh,
            "no Bourn instance at /no/such/dir/local: it has ended, or",
        ),
        (f"ssh://elsewhere{path}", re.sub(r"-p \d+", "-p 9", ssh), "Connection refused"),
        (f"ssh://elsewhere{path}", ssh.replace("/user", "/host"), "Permission denied"),
        (f"ssh://elsewhere{path}", "/no/such/ssh", "'/no/such/ssh' can't be run to get there"),
        (f"ssh://elsewhere{path}", "sh -c 'exit 4' --", "ssh ended with status 4"),
        ("ssh://nobody", ssh, "one has the form ssh://HOST/PATH"),
        (f"ssh://-oProxyCommand=x{path}", ssh, "one has the form ssh://HOST/PATH"),
    ):
        found = sh("bourn jobs", BOURN_URI=uri, BOURN_SSH=program)
        assert found.code == 1, found
        assert reason in found.err
        assert found.err.count("\n") == 1
        assert uri.split("/no")[0][:15] in found.err
