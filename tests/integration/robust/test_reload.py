"""Stock modules reloaded and removed under load: every job still ends as it should, once."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

import bourn
from bourn.errors import BournError
from bourn.model.jobspec_build import from_command
from tests.integration.robust.program import Instance
from tests.soak.eventlog import faults

if TYPE_CHECKING:
    from pathlib import Path

REQUIRED = ["store", "job-manager", "resource", "kvs"]
FREE = [
    "sched-graph",
    "sched-simple",
    "job-exec",
    "job-ingest",
    "job-list",
    "job-info",
    "heartbeat",
    "shell-manager",
]


def eventlog(handle: bourn.Handle, id: int) -> str:
    text: str = handle.rpc("job-info.lookup", {"id": id, "keys": ["eventlog"]}).get()["eventlog"]
    return text


def loaded(handle: bourn.Handle) -> dict[str, str]:
    return {row["name"]: row["state"] for row in handle.rpc("module.list").get()["modules"]}


@pytest.mark.parametrize("statedir", [False, True], ids=["memory", "statedir"])
@pytest.mark.parametrize("name", FREE + REQUIRED)
def test_reload_under_load(tmp_path: Path, name: str, statedir: bool) -> None:
    """Jobs that run go on or end with a reason; those that wait run; nothing runs twice."""
    words = [f"-Sstatedir={tmp_path}/state"] if statedir else []
    if name.startswith("sched"):
        words.append(f'--conf=modules.sched="{name}"')
    done = tmp_path / "done"
    done.mkdir()
    command = ["sh", "-c", f"sleep 0.2; echo $BOURN_JOB_ID >>{done}/$BOURN_JOB_ID; echo out"]
    spec = from_command(command, environment={"PATH": "/usr/bin:/bin"}, cwd="/")
    ids: list[int] = []
    with Instance(tmp_path, *words) as instance, instance.handle() as handle:
        stop = threading.Event()

        def submit() -> None:
            with instance.handle() as own:
                while not stop.is_set():
                    try:
                        reply = own.rpc("job-ingest.submit", {"jobspecs": [spec], "jobs": [{"jobspec": 0}]})
                        ids.extend(reply.get()["ids"])
                    except BournError as error:
                        assert "failed in" not in error.message, error.message
                    stop.wait(0.05)

        client = threading.Thread(target=submit)
        client.start()
        refused = ""
        try:
            for _ in range(4):
                stop.wait(0.25)
                try:
                    handle.rpc("module.reload", {"name": name}).get(timeout=30)
                except BournError as error:
                    refused = error.message
        finally:
            stop.set()
            client.join()
        if name == "store" and not statedir:
            assert (
                refused == "module 'store' can't be stopped while the instance runs: it keeps all jobs in "
                "memory only; start with -S statedir=DIR"
            )
        else:
            assert not refused
        assert set(loaded(handle).values()) == {"running"}, loaded(handle)
        handle.rpc("job-manager.drain").get(timeout=60)
        wrong = []
        for id in ids:
            log = eventlog(handle, id)
            wrong += [f"{id}: {fault}" for fault in faults(log)]
            ran = done / bourn.JobID(id).f58
            runs = ran.read_text().count("\n") if ran.exists() else 0
            if '"clean"' not in log:
                wrong.append(f"{id} never ended: {log}")
            elif runs != 1 and ('"exception"' not in log or runs):
                wrong.append(f"{id} ran {runs} times")
            elif '"exception"' in log and not lost_with_its_host(name, statedir):
                wrong.append(f"{id}: {log}")
        assert not wrong, (refused, wrong[:5])
        assert len(ids) > 5
        assert "Traceback" not in instance.trouble, instance.trouble
        assert not handle.rpc("sched.resource-status").get()["allocated"]
        free = handle.rpc("job-ingest.submit", {"jobspecs": [spec], "jobs": [{"jobspec": 0}] * 4}).get()[
            "ids"
        ]
        handle.rpc("job-manager.drain").get(timeout=60)
        assert all('"exception"' not in eventlog(handle, id) for id in free)
        assert instance.end() == 0


def lost_with_its_host(name: str, statedir: bool) -> bool:
    """Without a state directory shell hosts, and their jobs, end with their manager."""
    return not statedir and name == "shell-manager"


@pytest.mark.parametrize("name", REQUIRED)
def test_what_others_need_is_not_removed(tmp_path: Path, name: str) -> None:
    with Instance(tmp_path) as instance:
        done = instance.bourn(f"module remove {name}")
        if done.returncode:
            assert f"module '{name}' is required by" in done.stderr
        assert instance.bourn("run true").returncode == 0 or name == "kvs"
        assert instance.end() == 0


def test_without_a_scheduler_jobs_wait(tmp_path: Path) -> None:
    with Instance(tmp_path) as instance, instance.handle() as handle:
        assert instance.bourn("module remove sched-graph").returncode == 0
        done = instance.bourn("submit true")
        assert done.returncode == 0, done.stderr
        assert instance.bourn("module load sched-graph").returncode == 0
        handle.rpc("job-manager.drain").get(timeout=60)
        assert instance.end() == 0


def test_without_execution_jobs_wait(tmp_path: Path) -> None:
    with Instance(tmp_path) as instance, instance.handle() as handle:
        assert instance.bourn("module remove job-exec").returncode == 0
        done = instance.bourn("submit true")
        assert done.returncode == 0, done.stderr
        assert instance.bourn("module load job-exec").returncode == 0
        handle.rpc("job-manager.drain").get(timeout=60)
        assert instance.end() == 0
