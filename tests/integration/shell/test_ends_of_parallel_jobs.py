"""What the end of one task means for the others, over several nodes."""

import subprocess
import sys
from pathlib import Path

import pytest


def bourn(*command):
    path = str(Path(sys.executable).with_name("bourn"))
    return subprocess.run(
        [path, "start", "-s2", "--", path, *command], capture_output=True, text=True, timeout=60
    )


RANK_1_STAYS = "test $BOURN_TASK_RANK = 0 || sleep 100"


@pytest.mark.parametrize("own_host", [[], ["-oisolate"]])
def test_exit_timeout_counts_from_the_end_of_the_first_node(own_host):
    done = bourn("run", "-N2", "-n2", "-oexit-timeout=0.1s", *own_host, "sh", "-c", RANK_1_STAYS)
    assert "node 0 of the job exited and exit-timeout=0.1s has expired" in done.stderr
    assert done.returncode != 0


def test_exit_on_error_ends_the_tasks_of_all_nodes():
    script = "test $BOURN_TASK_RANK = 0 && exit 3; sleep 100"
    done = bourn("run", "-N2", "-n2", "-oexit-on-error", "sh", "-c", script)
    assert done.stderr.count("task 0 exited with 3 and exit-on-error is set") == 1
    assert done.returncode != 0


def test_without_a_timeout_the_others_may_take_their_time():
    script = "test $BOURN_TASK_RANK = 0 || { sleep 0.3; echo late; }"
    done = bourn("run", "-N2", "-n2", "-oexit-timeout=none", "sh", "-c", script)
    assert done.stdout == "late\n"
    assert done.returncode == 0
