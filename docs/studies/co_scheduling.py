"""The co-scheduling study: a campaign of 9 jobs of 5 kinds on each node of a big machine, by core and by GPU.

    python docs/studies/co_scheduling.py --nodes 4000 --pictures docs/studies

A node has 44 cores and 4 GPUs. It runs one CPU job, four simulations on a GPU each (coarse and fine ones),
and four analyses of those. A workflow manager keeps the machine full: every minute it looks which jobs have
ended, and submits another of the same kind for each, what is hardest to place first. The scheduler looks at
one waiting job only (a queue of depth 1, first come first served), and places it wherever it fits.
"""

from __future__ import annotations

import argparse
import random
import time
from pathlib import Path

from attrs import Factory, define, frozen

from bourn_plugins.simulate.job import Job, Record, sized_jobspec
from bourn_plugins.simulate.machine import machine_of_text
from bourn_plugins.simulate.picture import save_picture
from bourn_plugins.simulate.plot import usage_plot
from bourn_plugins.simulate.report import summary_text
from bourn_plugins.simulate.setup import make_setting
from bourn_plugins.simulate.stats import summarise

HOUR = 3600.0
CORES, GPUS = 44, 4
PERIOD = 60.0


@frozen
class Kind:
    """One kind of job: how many a node has, what each takes, and how long it runs."""

    name: str
    per_node: int
    cores: int
    gpus: int
    hours: tuple[float, float]
    """Run times are spread evenly between these."""

    def job(self, submit: float, chance: random.Random) -> Job:
        """Return a job of this kind."""
        low, high = self.hours
        runtime = round(chance.uniform(low, high) * HOUR)
        spec = sized_jobspec(nnodes=1, ncores=self.cores, ngpus=self.gpus, duration=high * HOUR)
        return Job(self.name, submit, runtime, spec)


KINDS = (
    Kind("continuum", 1, 24, 0, (10, 14)),
    Kind("simulation-coarse", 2, 2, 1, (3, 6)),
    Kind("simulation-fine", 2, 2, 1, (5, 9)),
    Kind("analysis-coarse", 2, 3, 0, (1, 3)),
    Kind("analysis-fine", 2, 3, 0, (2, 5)),
)
BY_NAME = {kind.name: place for place, kind in enumerate(KINDS)}


@define
class Campaign:
    """The workflow manager, as a `bourn_plugins.simulate.job.Workload`."""

    nodes: int
    hours: float
    """It submits no more after that."""
    chance: random.Random = Factory(random.Random)

    def begin(self) -> list[Job]:
        """Fill the machine, kind by kind."""
        return [kind.job(0.0, self.chance) for kind in KINDS for _ in range(kind.per_node * self.nodes)]

    def finished(self, record: Record) -> list[Job]:
        """Follow a job with another of its kind when the manager looks next, in the order of kinds."""
        if record.end is None or record.end >= self.hours * HOUR:
            return []
        place = BY_NAME[record.job.name]
        submit = (record.end // PERIOD + 1) * PERIOD + place * 1e-3
        return [KINDS[place].job(submit, self.chance)]


def main() -> None:
    """Run the campaign, and print what came of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--nodes", type=int, default=4000, help="4000 unless given")
    parser.add_argument("--hours", type=float, default=24.0, help="how long the campaign submits jobs (24)")
    parser.add_argument("--match-policy", default="pack", help="pack unless given")
    parser.add_argument("--queue-policy", default="fcfs", help="fcfs unless given")
    parser.add_argument("--queue-depth", type=int, default=1, help="1 unless given")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pictures", metavar="DIR", help="draw utilisation over time")
    options = parser.parse_args()
    machine = machine_of_text(f"nodes={options.nodes},cores={CORES},gpus={GPUS}")
    keys = {
        name: getattr(options, name.replace("-", "_"))
        for name in ("match-policy", "queue-policy", "queue-depth")
    }
    begin = time.perf_counter()
    setting = make_setting(machine, keys=keys)
    campaign = Campaign(options.nodes, options.hours, random.Random(options.seed))
    result = setting.run(campaign, until=options.hours * HOUR)
    elapsed = time.perf_counter() - begin
    facts = {"scheduler": setting.scheduler.name, **result.facts}
    print(summary_text(summarise(result, machine.capacity), facts, machine.capacity), end="")
    print(f"{'simulated':<12} {result.events:,} events in {elapsed:.0f} s, {result.events / elapsed:,.0f}/s")
    if options.pictures:
        path = Path(options.pictures, "co_scheduling.svg")
        title = f"{len(result.records):,} jobs of 5 kinds on {options.nodes:,} nodes"
        save_picture(str(path), usage_plot(result, machine.capacity, title))


if __name__ == "__main__":
    main()
