from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import sys, bourn
with bourn.Handle() as h:
    h.rpc("module.load", {"path": sys.argv[1]}).get()
    h.event_subscribe("pymod")
    id = h.rpc("pymod.new_job", {"command": ["true"]}).get()["id"]
    event = h.event_recv()
    assert (event.topic, event.payload) == ("pymod.submitted", {"id": id})
    print(bourn.job.result(h, id).result)
    h.rpc("module.remove", {"name": "pymod"}).get()
"""


def test_a_module_in_a_users_file_submits_jobs() -> None:
    bourn = Path(sys.executable).with_name("bourn")
    pymod = Path(__file__).with_name("pymod.py")
    done = subprocess.run(
        [bourn, "start", "--", sys.executable, "-c", SCRIPT, pymod],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("COMPLETED\n", "", 0)
