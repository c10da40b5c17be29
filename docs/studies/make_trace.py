"""Makes up a trace in the Standard Workload Format, to try things with.

    python docs/studies/make_trace.py --jobs 10000 --nodes 1024 --cores 48 > trace.swf

Sizes are powers of two nodes, small ones more often, up to half the machine; run times are log-normal, with a
median of 20 minutes; users ask for more time than they need, in round numbers; arrivals are random, at a rate
that asks for the given load.
"""

from __future__ import annotations

import argparse
import random

LIMITS = (900, 1800, 3600, 2 * 3600, 4 * 3600, 8 * 3600, 12 * 3600, 24 * 3600)


def main() -> None:
    """Print a trace."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--nodes", type=int, default=64)
    parser.add_argument("--cores", type=int, default=48, help="of each node (48)")
    parser.add_argument(
        "--load", type=float, default=0.9, help="work that comes by work that could be done (0.9)"
    )
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    print("; Version: 2.2\n; Computer: made up")
    print(f"; MaxNodes: {options.nodes}\n; MaxProcs: {options.nodes * options.cores}")
    largest = max(0, (options.nodes // 2).bit_length() - 1)
    drawn = []
    for _ in range(options.jobs):
        size = 2 ** min(chance.randint(0, largest), chance.randint(0, largest))
        runtime = max(1, min(LIMITS[-1], round(chance.lognormvariate(7.1, 1.3))))
        limit = next(
            limit for limit in LIMITS if limit >= min(runtime * chance.choice((1, 1.5, 3)), LIMITS[-1])
        )
        drawn.append((size, runtime, limit))
    gap = sum(size * runtime for size, runtime, _ in drawn) / (options.jobs * options.nodes * options.load)
    submit = 0.0
    for number, (size, runtime, limit) in enumerate(drawn, 1):
        procs = size * options.cores
        fields = (
            number,
            int(submit),
            -1,
            runtime,
            procs,
            -1,
            -1,
            procs,
            limit,
            -1,
            1,
            number % 20 + 1,
            *[-1] * 6,
        )
        print(*fields)
        submit += chance.expovariate(1 / gap)


if __name__ == "__main__":
    main()
