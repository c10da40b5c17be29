"""The queue depth study: 41 jobs of equal run time on 4 nodes under EASY, in many random orders.

    python docs/studies/queue_depth.py --orders 50 --pictures docs/studies

It prints how many *waves* the jobs take, that is the makespan in run times, by how deep into the queue the
scheduler looks. No schedule takes less than 9: the jobs are 36 node-runs, on 4 nodes.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
from pathlib import Path

from bourn.testing.distributions import fake_distribution
from bourn_plugins.simulate.gantt import gantt_chart
from bourn_plugins.simulate.job import Job, Trace, sized_jobspec
from bourn_plugins.simulate.machine import machine_of_text
from bourn_plugins.simulate.picture import save_picture
from bourn_plugins.simulate.setup import load_plugins, make_setting

RUN = 1000.0
SIZES: tuple[dict[str, int], ...] = (
    *[{"nnodes": 4}] * 1,
    *[{"nnodes": 3}] * 2,
    *[{"nnodes": 2}] * 4,
    *[{"nnodes": 1}] * 10,
    *[{"nnodes": 1, "ncores": 2}] * 8,
    *[{"nnodes": 1, "ncores": 1}] * 16,
)
MACHINE = machine_of_text("nodes=4,cores=4")
DEPTHS = (2, 20, 41, 100)
DRAWN = (2, 41)
REFERENCE = (12, 11, 10, 10)
"""What the field's reference was published to take, for one order of the jobs that isn't known."""

LOOKED_AT = '''
"""EASY whose depth counts every job that a pass looks at, those that start as well."""

from bourn.hookspecs import hookimpl
from bourn.hookspecs.queue_policy import Ask, Outcome, QueuePolicySpec


class Pass:
    def __init__(self, depth):
        self.left, self.reserved = depth, False

    def ask(self, job):
        self.left -= 1
        if self.left < 0:
            return Ask.STOP
        return Ask.ALLOCATE if self.reserved else Ask.RESERVE

    def told(self, job, outcome):
        self.reserved = self.reserved or outcome is Outcome.RESERVED


class LookedAt:
    def __init__(self, options):
        self.depth = options["queue-depth"]

    def begin(self):
        return Pass(self.depth)

    def order(self, job):
        return (-job.priority, job.t_submit, job.id)


@hookimpl
def bourn_queue_policies():
    yield QueuePolicySpec("looked-at", LookedAt)
'''
"""How the field's reference counts its queue-depth; installed here as any third party's policy is."""


def jobs(seed: int, *, real: bool) -> Trace:
    """Return the jobs in a random order: all at once and of equal run time, or as in a real run, where they
    come one after another and end up to 1 % before their limit.
    """
    chance = random.Random(seed)
    sizes = list(SIZES)
    chance.shuffle(sizes)
    found = []
    for i, size in enumerate(sizes):
        submit = i * RUN / 1000 if real else 0.0
        runtime = RUN * (1 - 0.01 * chance.random()) if real else RUN
        spec = sized_jobspec(nnodes=size["nnodes"], ncores=size.get("ncores", 0), duration=RUN)
        found.append(Job(str(i + 1), submit, runtime, spec))
    return Trace(tuple(found))


def main() -> None:
    """Install the other policy for the time being, and run the study."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--orders", type=int, default=50, help="how many random orders (50)")
    parser.add_argument("--seed", type=int, default=1, help="of the first (1)")
    parser.add_argument("--pictures", metavar="DIR", help="draw the first order, at depths 2 and 41")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        plugins = {"bourn.policies": {"looked-at": "looked_at_policy"}}
        fake_distribution(Path(folder), plugins=plugins, modules={"looked_at_policy": LOOKED_AT})
        sys.path.insert(0, folder)
        study(options)


def study(options: argparse.Namespace) -> None:
    """Print the table."""
    plugins = load_plugins()
    print(f"waves: mean, median, least and greatest of {options.orders} orders")
    print(f"{'':34}" + "".join(f"{f'depth {depth}':>26}" for depth in DEPTHS))
    for real, policy in ((False, "easy"), (True, "easy"), (True, "looked-at")):
        row = f"{policy}, {'as in a real run' if real else 'all at once, equal'}"
        print(f"{row:34}", end="")
        table = []
        for depth in DEPTHS:
            setting = make_setting(MACHINE, plugins, keys={"queue-policy": policy, "queue-depth": depth})
            seeds = range(options.seed, options.seed + options.orders)
            results = [setting.run(jobs(seed, real=real)) for seed in seeds]
            waves = [result.end / RUN for result in results]
            table.append([round(wave) for wave in waves])
            figures = (statistics.fmean(waves), statistics.median(waves), min(waves), max(waves))
            print(" {:6.2f} {:5.2f} ({:5.2f}-{:5.2f})".format(*figures), end="", flush=True)
            if options.pictures and policy == "easy" and real and depth in DRAWN:
                title = f"41 jobs on 4 nodes, EASY, queue depth {depth}: {waves[0]:.2f} waves"
                path = Path(options.pictures, f"queue_depth_{depth}.svg")
                save_picture(str(path), gantt_chart(results[0], MACHINE, title))
        same = sum(waves == REFERENCE for waves in zip(*table, strict=True))
        print(f"; as the reference's: {same}")


if __name__ == "__main__":
    main()
