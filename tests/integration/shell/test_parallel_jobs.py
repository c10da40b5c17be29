"""Jobs of several tasks, and what they have used, through a whole instance."""

import json
import subprocess
import sys
from pathlib import Path

BOURN = str(Path(sys.executable).with_name("bourn"))
FOUR = 'resource.config=[{hosts="here",cores="0-3"}]'


def session(script, cwd):
    done = subprocess.run(
        [BOURN, "start", f"--conf={FOUR}", "--", "sh", "-c", script.replace("bourn ", f"{BOURN} ")],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cwd,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_another_program_for_each_task(tmp_path):
    (tmp_path / "programs").write_text("0 echo first %t\n* echo other %t %o\n")
    out = session("bourn run -n4 bourn multi-prog programs", tmp_path)
    assert sorted(out.splitlines()) == ["first 0", "other 1 0", "other 2 1", "other 3 2"]


def test_tasks_per_core_and_per_node(tmp_path):
    out = session("bourn run --cores=3 --tasks-per-core=2 printenv BOURN_JOB_SIZE", tmp_path)
    assert out == "6\n" * 6
    out = session("bourn run --cores=3 --tasks-per-node=1 printenv BOURN_JOB_SIZE", tmp_path)
    assert out == "1\n"


def test_usage_is_recorded(tmp_path):
    script = "x = bytearray(100 << 20); sum(range(10**6))"
    command = f'{sys.executable} -c "{script}"'
    out = session(f"bourn run -n2 {command}; bourn job info $(bourn job last) usage", tmp_path)
    usage = json.loads(out)
    assert set(usage) == {"wall", "user", "system", "maxrss"}
    assert usage["maxrss"] > 100 << 10
    assert usage["user"] > 0
    assert usage["wall"] > 0


def test_the_task_map_of_a_job(tmp_path):
    out = session("bourn run -n4 true; bourn job taskmap $(bourn job last)", tmp_path)
    assert out == "[[0,1,4,1]]\n"
