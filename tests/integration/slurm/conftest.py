"""A real Slurm on this machine: munged, slurmctld, and a slurmd for each of four made-up nodes."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.instance import Shell, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

NODES = 4
SECONDS = 30.0
"""How long Slurm may take to come up, or a test to see what it waits for."""
CONF = """\
ClusterName=bourn
SlurmctldHost=localhost
SlurmUser=root
SlurmctldPort={ctld}
SlurmdPort={port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
PreemptMode=REQUEUE
PreemptType=preempt/partition_prio
SlurmdParameters=config_overrides
ReturnToService=2
SchedulerParameters=sched_min_interval=0,batch_sched_delay=0
KillWait=10
MpiDefault=none
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/ctld.pid
SlurmctldLogFile={folder}/ctld.log
SlurmdPidFile={folder}/%n.pid
SlurmdSpoolDir={folder}/%n
SlurmdLogFile={folder}/%n.log
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=30
PartitionName=first Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=9
"""
NODE = "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=4 State=UNKNOWN"


class Slurm(Shell):
    """Runs commands as a user of Slurm does."""

    def until_it_says(self, line: str, wanted: str) -> None:
        """Wait until a command prints something."""
        until(lambda: wanted in self(line).out, lambda: (line, wanted, self(line)), SECONDS)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Path]:
    """Slurm; the path of its configuration."""
    if os.getuid():
        pytest.skip("a Slurm of one's own needs root")
    for program in ("munged", "slurmctld", "slurmd", "srun", "setpriv"):
        if not shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin"):
            pytest.skip(f"{program} isn't installed")
    try:
        pwd.getpwnam("munge")
    except KeyError:
        pytest.skip("there is no user munge")
    # Sockets have short names, and munge wants no directory on the way that others can write to.
    folder = Path(tempfile.mkdtemp(prefix="bourn-slurm-", dir="/var/lib"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        yield _raise(folder, stack)


@pytest.fixture
def slurm(cluster: Path, tmp_path: Path) -> Slurm:
    return Slurm(tmp_path, SLURM_CONF=str(cluster), TMPDIR="/tmp")


def _raise(folder: Path, stack: ExitStack) -> Path:
    folder.chmod(0o755)
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    user = pwd.getpwnam("munge")
    munge = folder / "munge"
    munge.mkdir(mode=0o755)
    for path in (key, munge):
        os.chown(path, user.pw_uid, user.pw_gid)
    os.chmod(folder, 0o755)
    sock = folder / "munge.socket"
    ports = _hold_ports(stack, NODES + 1)
    conf = folder / "slurm.conf"
    host = socket.gethostname().partition(".")[0]
    nodes = [NODE.format(name=f"n{n}", host=host, port=port) for n, port in enumerate(ports[1:], start=1)]
    text = CONF.format(folder=folder, ctld=ports[0], port=ports[1], nodes="\n".join(nodes))
    conf.write_text(text)
    sock = munge / "socket"
    conf.write_text(text.replace(f"{folder}/munge.socket", str(sock)))
    env = {**os.environ, "SLURM_CONF": str(conf), "PATH": f"{os.environ['PATH']}:/usr/sbin"}
    files = [f"--{name}={munge}/{name}" for name in ("pid-file", "log-file", "seed-file")]
    munged = _spawn(
        stack,
        ["munged", "-F", f"--key-file={key}", f"--socket={sock}", *files],
        env,
        folder / "munged.out",
        user=user.pw_uid,
        group=user.pw_gid,
    )
    _await(sock.exists, {munge / "log-file": munged})
    daemons = {"ctld": _spawn(stack, ["slurmctld", "-D", "-c"], env, folder / "ctld.out")}
    for n in range(1, NODES + 1):
        (folder / f"n{n}").mkdir()
        daemons[f"n{n}"] = _spawn(stack, ["slurmd", "-D", "-N", f"n{n}"], env, folder / f"n{n}.out")

    def idle() -> bool:
        found = subprocess.run(
            ["sinfo", "-h", "-p", "main", "-t", "idle", "-o", "%D"],
            env=env, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return found.stdout.strip() == str(NODES)

    _await(idle, {folder / f"{name}.log": daemon for name, daemon in daemons.items()})
    stack.callback(_cancel_all, env)
    return conf


def _cancel_all(env: dict[str, str]) -> None:
    """Leave no job behind, nor the daemon that Slurm gives each, which outlives slurmd."""

    def command(*words: str) -> str:
        return subprocess.run(words, env=env, capture_output=True, text=True, check=False).stdout

    command("scancel", "--signal=KILL", "--state=RUNNING")
    command("scancel", "--state=PENDING")
    deadline = time.monotonic() + SECONDS
    while command("squeue", "--noheader").strip() and time.monotonic() < deadline:
        time.sleep(0.05)


def _spawn(
    stack: ExitStack,
    command: Sequence[str],
    env: dict[str, str],
    out: Path,
    user: int | None = None,
    group: int | None = None,
) -> subprocess.Popen[bytes]:
    """Start a daemon in the foreground; it is ended with the stack, or with us however we end."""
    with open(out, "wb") as file:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
            user=user,
            group=group,
        )

    def end() -> None:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    stack.callback(end)
    return process


def _await(condition: Callable[[], bool], daemons: Mapping[Path, subprocess.Popen[bytes]]) -> None:
    """Wait for something that daemons do, unless one of them has ended; each has a log."""

    def over() -> list[Path]:
        return [log for log, daemon in daemons.items() if daemon.poll() is not None]

    until(lambda: condition() or over(), lambda: [_said(log) for log in daemons], SECONDS)
    assert not over(), [_said(log) for log in over()]


def _said(log: Path) -> str:
    return f"{log}: {log.read_text()[-2000:]}" if log.exists() else f"there is no {log}"


def _hold_ports(stack: ExitStack, count: int) -> list[int]:
    """Return ports that are kept for who listens there with SO_REUSEADDR, as Slurm's daemons do.

    One that was only found free may be the near end of anybody's connection by the time it is used.
    """
    ports = []
    for _ in range(count):
        sock = stack.enter_context(closing(socket.socket()))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("0.0.0.0", 0))
        ports.append(int(sock.getsockname()[1]))
    return ports
