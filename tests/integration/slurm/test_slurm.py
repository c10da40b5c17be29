"""Instances inside a real Slurm: started by its tasks, bounded by what it gives, ended when it says so."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .conftest import Slurm

START = "srun --mpi=pmi2"


def test_a_broker_on_each_node(slurm: Slurm) -> None:
    script = (
        "bourn getattr hostlist | bourn hostlist -ed,; bourn resource R; bourn overlay status; "
        "bourn run -N3 hostname"
    )
    out = slurm.ok(f"{START} -N3 -c1 bourn start sh -c '{script}'").splitlines()
    hosts = out[0].split(",")
    assert [re.fullmatch(r"n[1-4]", host) is not None for host in hosts] == [True] * 3
    execution = json.loads(out[1])["execution"]
    assert execution["R_lite"] == [{"rank": "0-2", "children": {"core": "0"}}]
    assert sum("full" in line for line in out) == 3
    assert len(out) == 2 + 3 + 3


def test_brokers_that_share_a_node_get_a_part_each(slurm: Slurm) -> None:
    out = slurm.ok(f"{START} -N1 -n2 -c1 bourn start bourn resource R")
    lite = json.loads(out)["execution"]["R_lite"]
    assert [entry["children"]["core"] for entry in lite] == ["0", "1"]


def test_the_time_limit_is_mirrored(slurm: Slurm) -> None:
    slurm.write(
        "left.py",
        f"#!{sys.executable}\n"
        "import time, bourn\n"
        "R = bourn.Handle().rpc('resource.status').get()['R']\n"
        "print(R['execution']['expiration'] and R['execution']['expiration'] - time.time())\n",
    )
    assert 6 * 60 < float(slurm.ok(f"{START} -N2 -c1 -t 7 bourn start ./left.py")) <= 7 * 60
    assert float(slurm.ok(f"{START} -N1 -c1 bourn start ./left.py")) == 0


LEFT = f"""#!{sys.executable}
import sys, time, bourn
h = bourn.Handle(sys.argv[1])
ends = [h.rpc("resource.status").get()["R"]["execution"]["expiration"]]
ends += [bourn.job.job_list_id(h, bourn.JobID(id)).expiration for id in open("jobs").read().split()]
print(*(5 * round((end - time.time()) / 300) for end in ends))
"""
"""Prints how many minutes the instance and its jobs have left, to the nearest five."""


def test_the_time_limit_may_move(slurm: Slurm) -> None:
    slurm.write(
        "program.sh",
        "#!/bin/sh\nfor limit in 0 30m; do bourn submit -t $limit --wait-event=start sleep 1000\n"
        "done > jobs\necho > ready; sleep 1000\n",
    )
    slurm.write(
        "job.sh",
        "#!/bin/sh\n#SBATCH -N2 -n2 -c1 -t 60 -o job.out\n"
        "srun --mpi=pmi2 bourn start --conf resource.end-poll=0.2 ./program.sh\n",
    )
    slurm.write("left.py", LEFT)
    slurm.ok("mkfifo ready")
    id = slurm.ok("sbatch --parsable job.sh")
    slurm.ok("cat ready")
    uri = slurm.ok(f"bourn uri slurm:{id}")
    assert slurm.ok(f"./left.py {uri}") == "60 60 30"
    for limit in (120, 45):
        slurm.ok(f"scontrol update JobId={id} TimeLimit={limit}")
        slurm.until_it_says(f"./left.py {uri}", f"{limit} {limit} 30")
    slurm.ok(f"scancel {id}")


def test_a_job_may_be_suspended(slurm: Slurm) -> None:
    conf = "--conf tbon.keepalive=0.1 --conf tbon.torpid-after=0.5 --conf tbon.lost-after=1"
    slurm.write("task.sh", "#!/bin/sh\necho > running.$BOURN_TASK_RANK; read x < go.$BOURN_TASK_RANK\n")
    slurm.write(
        "program.sh",
        "#!/bin/sh\nid=$(bourn submit -N3 ./task.sh)\nbourn job attach $id\n"
        "bourn dmesg > log; bourn jobs -an -o '{status}' > how\n",
    )
    slurm.write(
        "job.sh",
        f"#!/bin/sh\n#SBATCH -N3 -n3 -c1 -o job.out\nsrun --mpi=pmi2 bourn start {conf} ./program.sh\n",
    )
    slurm.ok("mkfifo go.0 go.1 go.2")
    id = slurm.ok("sbatch --parsable job.sh")
    slurm.until_it_says("ls running.* | wc -l", "3")
    slurm.ok(f"scontrol suspend {id}")
    slurm.until_it_says(f"squeue -h -j {id} -o %T", "SUSPENDED")
    slurm.ok("sleep 2")  # longer than a broker may say nothing
    slurm.ok(f"scontrol resume {id}")
    slurm.ok("for task in 0 1 2; do echo > go.$task; done")
    slurm.until_it_says("cat how", "COMPLETED")
    assert "lost" not in slurm.ok("cat log job.out")


def test_signals_that_a_user_asks_for_reach_the_program(slurm: Slurm) -> None:
    slurm.write(
        "program.sh",
        "#!/bin/sh\ntrap 'echo caught > got; exit 0' USR1\necho > ready\nsleep 1000 & wait\n",
    )
    slurm.write(
        "job.sh", "#!/bin/sh\n#SBATCH -N2 -n2 -c1 -o job.out\nsrun --mpi=pmi2 bourn start ./program.sh\n"
    )
    slurm.ok("mkfifo ready")
    id = slurm.ok("sbatch --parsable job.sh")
    slurm.ok("cat ready")
    slurm.ok(f"scancel --signal=USR1 {id}")
    slurm.until_it_says("cat got", "caught")
    slurm.until_it_says(f"squeue -h -j {id} -t R -o %T; echo ended", "ended")
    assert slurm.ok("cat job.out") == ""


def test_the_program_is_no_task_of_slurm(slurm: Slurm) -> None:
    out = slurm.ok(f"{START} -N2 bourn start sh -c 'env; bourn run -n1 env'")
    assert "SLURM_JOB_ID=" not in out
    assert "PMI_FD=" not in out
    assert slurm(f"{START} -N2 bourn start sh -c 'exit 3'").code == 3


def test_salloc(slurm: Slurm) -> None:
    out = slurm.ok("salloc -Q -N2 -n2 -c1 srun --mpi=pmi2 bourn start bourn resource info")
    assert out == "2 Nodes, 2 Cores, 0 GPUs"


def test_sbatch_and_the_way_in_from_outside(slurm: Slurm) -> None:
    slurm.write(
        "job.sh",
        "#!/bin/sh\n#SBATCH -N2 -n2 -c1 -o job.out\nsrun --mpi=pmi2 bourn start "
        "sh -c 'bourn submit -n2 true; bourn queue drain; echo > ready; sleep 1000'\n",
    )
    slurm.ok("mkfifo ready")
    id = slurm.ok("sbatch --parsable job.sh")
    slurm.ok("cat ready")
    uri = slurm.ok(f"bourn uri slurm:{id}")
    assert uri.startswith(("local://", "ssh://"))
    assert slurm.ok(f"bourn proxy slurm:{id} bourn jobs -a -n -o '{{name}} {{status}}'") == "true COMPLETED"
    assert slurm.ok(f"BOURN_URI=slurm:{id} bourn getattr size") == "2"
    slurm.ok(f"scancel {id}")
    slurm.until_it_says(f"bourn uri slurm:{id} 2>&1", "Slurm")
    stale = slurm("bourn uri slurm:999999")
    assert (stale.code, stale.err.count("\n")) == (1, 1)
    assert "Slurm" in stale.err


def test_a_batch_script_without_tasks_uses_its_node(slurm: Slurm) -> None:
    slurm.write("one.sh", "#!/bin/sh\n#SBATCH -N1 -n1 -c1 -o one.out\nbourn start bourn resource info\n")
    slurm.ok("sbatch one.sh")
    slurm.until_it_says("cat one.out", "1 Nodes, 1 Cores, 0 GPUs\n")


def test_a_cancelled_job_ends_its_instance_in_order(slurm: Slurm) -> None:
    slurm.write(
        "long.sh", "#!/bin/sh\nbourn submit -N2 --wait-event=start sleep 1000.875\necho > ready\nsleep 1000\n"
    )
    slurm.write(
        "job.sh",
        "#!/bin/sh\n#SBATCH -N2 -n2 -c1 -o job.out\n"
        "exec srun --mpi=pmi2 bourn start -S store.dump=left.tar ./long.sh\n",
    )
    slurm.ok("mkfifo ready")
    id = slurm.ok("sbatch --parsable job.sh")
    slurm.ok("cat ready")
    slurm.ok(f"scancel {id}")
    slurm.until_it_says("test -s left.tar && echo kept", "kept")
    slurm.until_it_says("pgrep -f '[s]leep 1000.875' || echo none", "none")
    look = "bourn restore -q left.tar; bourn jobs -a -n -o '{status}'"
    assert slurm.ok(f'bourn start sh -c "{look}"') == "CANCELED"


def test_a_preempted_job_ends_its_instance(slurm: Slurm) -> None:
    slurm.write(
        "low.sh",
        "#!/bin/sh\n#SBATCH -N4 -n4 -c4 --no-requeue -o low.out\n"
        "exec srun --mpi=pmi2 bourn start -S store.dump=low.tar sh -c 'echo > ready; sleep 1000'\n",
    )
    slurm.ok("mkfifo ready")
    slurm.ok("sbatch low.sh")
    slurm.ok("cat ready")
    assert slurm.ok("srun -p first -N4 -n4 -c4 echo mine").split() == ["mine"] * 4
    slurm.until_it_says("test -s low.tar && echo kept", "kept")


def test_without_pmi(slurm: Slurm) -> None:
    home = f"HOME={slurm.cwd}"
    out = slurm.ok(
        f"{home} srun --mpi=none -N3 -c1 bourn start sh -c 'bourn run -N3 hostname; bourn getattr size'"
    )
    assert out.splitlines()[-1] == "3"
    assert list((slurm.cwd / ".cache/bourn/boot").iterdir()) == []
    (slurm.cwd / "open").mkdir(mode=0o755)
    found = slurm("srun --mpi=none -N2 bourn start --conf bootstrap.directory=relative true")
    assert found.code != 0
    assert "[bootstrap] directory = 'relative': must be an absolute path" in found.err
