"""The study of depth: jobs a second through one, two and three levels of instances.

    python docs/studies/depth.py --picture docs/studies/depth.svg

An ensemble of jobs that end at once on up to 32 nodes of 36 cores, with one instance over all, an instance a
node, and an instance a core below each of those. Costs are those of docs/studies/costs.toml.
"""

from __future__ import annotations

import argparse
from math import log10
from pathlib import Path

from bourn_plugins.simulate.picture import save_picture
from bourn_plugins.simulate.svg import GRID, INK, PALETTE, Svg
from bourn_plugins.simulate.tree.costs import Costs, read_costs
from bourn_plugins.simulate.tree.leaf import Task
from bourn_plugins.simulate.tree.tree import Tree
from bourn_policies.distribution.least_loaded import LeastLoaded

CORES = 36
SIZES = (1, 2, 4, 9, 18, 36, 72, 144, 288, 576, 1152)
WAYS = (
    ("one instance", ".", False),
    ("2 levels, by the root", "node", False),
    ("3 levels, by the root", "nodexcore", False),
    ("2 levels, to the leaves", "node", True),
    ("3 levels, to the leaves", "nodexcore", True),
)


def rate(shape: str, cores: int, jobs: int, costs: Costs, *, to_leaves: bool) -> float:
    """Return jobs a second of an ensemble on so many cores, in nodes of 36 at most."""
    nodes = [(min(CORES, cores), 0)] * max(1, cores // CORES)
    tree = Tree(shape, nodes, LeastLoaded, costs, to_leaves=to_leaves)
    return tree.run([Task(id, 1, 0.0) for id in range(1, jobs + 1)]).rate


def main() -> None:
    """Print the tables; draw them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=4096)
    parser.add_argument("--costs", default=str(Path(__file__).with_name("costs.toml")))
    parser.add_argument("--picture", metavar="FILE")
    options = parser.parse_args()
    costs = read_costs(options.costs)
    print(f"{options.jobs:,} jobs that end at once, jobs/s by cores, in nodes of {CORES}")
    print(f"{'':24}" + "".join(f"{size:>11,}" for size in SIZES))
    rows = []
    for name, shape, to_leaves in WAYS:
        found = [rate(shape, size, options.jobs, costs, to_leaves=to_leaves) for size in SIZES]
        rows.append((name, found))
        print(f"{name:24}" + "".join(f"{value:>11,.0f}" for value in found), flush=True)
    print("\nall on this one machine of 2 CPUs, two leaves")
    for name, shape in (
        ("one instance", "."),
        ("2 levels, by the root", "2"),
        ("3 levels, by the root", "2x1"),
    ):
        tree = Tree(shape, [(16, 0)], LeastLoaded, costs, cpus=2)
        outcome = tree.run([Task(id, 1, 0.0) for id in range(1, 2001)])
        print(f"{name:24}{outcome.rate:>11,.0f}")
    if options.picture:
        save_picture(options.picture, chart(rows, f"{options.jobs:,} jobs that end at once"))


def chart(rows: list[tuple[str, list[float]]], title: str) -> str:
    """Draw jobs a second over cores, both in powers of ten."""
    left, top, width, height = 80.0, 40.0, 620.0, 360.0
    most = log10(max(value for _, values in rows for value in values))
    low, high = 3, int(most) + 1
    svg = Svg(left + width + 200, top + height + 50)
    svg.text(left, 22, title, size=14)
    svg.text(left, top + height + 40, "cores, in nodes of 36")
    svg.text(8, top - 8, "jobs/s")

    def x(size: float) -> float:
        return left + width * log10(size) / log10(SIZES[-1])

    def y(value: float) -> float:
        return top + height * (1 - (log10(value) - low) / (high - low))

    for power in range(low, high + 1):
        svg.line(left, y(10**power), left + width, y(10**power), INK if power == low else GRID)
        svg.text(left - 6, y(10**power) + 4, f"{10**power:,}", anchor="end")
    for size in SIZES:
        svg.line(x(size), top, x(size), top + height)
        svg.text(x(size), top + height + 16, f"{size:,}", anchor="middle")
    for color, (name, values) in zip(PALETTE, rows, strict=False):
        svg.polyline([(x(size), y(value)) for size, value in zip(SIZES, values, strict=True)], color)
        row = top + 16 + 20 * [label for label, _ in rows].index(name)
        svg.rect(left + width + 14, row - 9, 12, 10, color)
        svg.text(left + width + 32, row, name)
    return str(svg)


if __name__ == "__main__":
    main()
