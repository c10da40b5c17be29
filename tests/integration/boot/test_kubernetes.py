"""The pods of an indexed Kubernetes job: its environment, and its names for loopback addresses."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from bourn.config import Config
from bourn.errors import BournError
from bourn_plugins.boot_config import bourn_boot_methods
from tests.integration.instance import BIN, BOURN, Instance, environment, until

if TYPE_CHECKING:
    from pathlib import Path

    from bourn.hookspecs.boot import BootMethod

POD = {"JOB_COMPLETION_INDEX": "1", "BOURN_BOOT_SIZE": "3", "HOSTNAME": "work-1"}


def kubernetes() -> BootMethod:
    return {method.name: method for method in bourn_boot_methods()}["kubernetes"]


def config() -> Config:
    return Config({"bootstrap": {"authority": "/run/secrets/bourn/authority"}})


def test_a_pod_knows_its_rank_and_the_names_of_all() -> None:
    method = kubernetes()
    assert not method.detect({"JOB_COMPLETION_INDEX": "1"}, config())  # a job of instances of their own
    assert method.detect(POD, config())
    session = method.open({**POD, "BOURN_BOOT_SERVICE": "net"}, config())
    assert (session.rank, session.size) == (1, 3)
    assert session.attributes["hostlist"] == "work-0.net,work-1.net,work-2.net"
    assert session.attributes["broker.quorum"] == "3"


@pytest.mark.parametrize(
    ("environ", "reason"),
    [
        ({"BOURN_BOOT_SIZE": "many"}, "BOURN_BOOT_SIZE=many: must be a number"),
        ({"JOB_COMPLETION_INDEX": "3"}, "JOB_COMPLETION_INDEX=3: must be below BOURN_BOOT_SIZE=3"),
        ({"HOSTNAME": "work-x7k2p"}, "'work-x7k2p' doesn't end in -1, as those of indexed jobs do"),
    ],
)
def test_a_pod_that_is_set_up_wrong(environ: dict[str, str], reason: str) -> None:
    with pytest.raises(BournError, match=reason):
        kubernetes().open({**POD, **environ}, config())


@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("unshare"), reason="names of one's own need root")
def test_three_pods_are_an_instance(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    names = "".join(f"127.0.8.{index + 1} work-{index}.net\n" for index in range(3))
    (tmp_path / "hosts").write_text(f"127.0.0.1 localhost\n{names}")
    subprocess.run([BIN / "bourn", "keygen", tmp_path / "authority"], check=True)
    (tmp_path / "x.toml").write_text(
        f'[bootstrap]\nauthority = "{tmp_path}/authority"\ndefault-port = {port}\n'
        'default-bind = "tcp://%h:%p"\n[tbon]\ntopology = "kary:1"\n'
    )
    env = environment(TMPDIR=str(tmp_path), BOURN_BOOT_SIZE="3", BOURN_BOOT_SERVICE="net")
    (tmp_path / "x.sh").write_text("bourn run -N2 true; bourn resource list -n -o '{state} {nodelist}'\n")

    def pods(count: int, command: str) -> list[str]:
        """Run the first `count` pods to their end; return what they print."""
        start = f"exec bourn start -c x.toml -S broker.quorum={count} -S statedir=state"
        each = [
            subprocess.Popen(
                ["unshare", "--mount", "sh", "-c", f"mount --bind hosts /etc/hosts && {start} -- {command}"],
                env={**env, "JOB_COMPLETION_INDEX": str(index), "HOSTNAME": f"work-{index}"},
                cwd=tmp_path,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for index in range(count)
        ]
        said = [pod.communicate(timeout=60) for pod in each]
        assert [pod.returncode for pod in each] == [0] * count, said
        return [out for out, _ in said]

    assert pods(3, "bourn run -N3 -n3 echo there") == ["there\n" * 3, "", ""]
    # A pod that doesn't come again is known, and down.
    assert [line.split() for line in pods(2, "sh x.sh")[0].splitlines()] == [
        ["free", "work-0.net,work-1.net"],
        ["allocated"],
        ["down", "work-2.net"],
    ]


@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("unshare"), reason="names of one's own need root")
def test_a_pod_that_is_replaced_is_its_rank_again(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    subprocess.run([BIN / "bourn", "keygen", tmp_path / "authority"], check=True)
    (tmp_path / "x.toml").write_text(
        f'[bootstrap]\nauthority = "{tmp_path}/authority"\ndefault-port = {port}\n'
        'default-bind = "tcp://%h:%p"\n[tbon]\ntopology = "kary:1"\nkeepalive = 0.2\n'
    )
    under = ("unshare", "--mount", "sh", "-c", f'mount --bind {tmp_path}/hosts /etc/hosts && exec "$@"', "-")

    def place(*addresses: str) -> None:
        names = "".join(f"{address} work-{index}.net\n" for index, address in enumerate(addresses))
        (tmp_path / "hosts").write_text(f"127.0.0.1 localhost\n{names}")

    def pod(index: int) -> dict[str, str]:
        size = {"BOURN_BOOT_SIZE": "3", "BOURN_BOOT_SERVICE": "net"}
        return {**size, "JOB_COMPLETION_INDEX": str(index), "HOSTNAME": f"work-{index}"}

    def start(index: int) -> subprocess.Popen[bytes]:
        command = [*under, BOURN, "start", "-c", "x.toml"]
        env = environment(TMPDIR=str(tmp_path), **pod(index))
        return subprocess.Popen(command, env=env, cwd=tmp_path, stdin=subprocess.DEVNULL)

    place("127.0.8.1", "127.0.8.2", "127.0.8.3")
    others = {index: start(index) for index in (1, 2)}
    # The first takes in the last, when the one between is lost; the new one does, when it comes again.
    with Instance(tmp_path, "-c", tmp_path / "x.toml", under=under, **pod(0)) as zero:

        def states() -> list[str]:
            return [line.split()[-1] for line in zero.ok("overlay status").splitlines()]

        for index, addresses in ((1, ("127.0.8.1", "127.0.9.7", "127.0.8.3")), (2, ())):
            others[index].kill()
            others[index].wait()
            until(lambda: "lost" in states(), states)
            if addresses:
                place(*addresses)
            others[index] = start(index)
            until(lambda: states() == ["full"] * 3, states)
            links = json.loads(zero.ok("module stats overlay"))["links"]
            assert len(links) == (2 if index == 1 else 1), links
            zero("resource undrain 1-2")
        assert zero.ok("run -N3 echo there").split() == ["there"] * 3
    assert [other.wait(60) for other in others.values()] == [0, 0]
