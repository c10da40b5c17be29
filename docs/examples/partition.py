"""Two programs side by side: on nodes of their own, then on the same nodes with cores of their own.

Wants two nodes of at least two cores.
"""

import bourn
from bourn import Jobspec


def places(h, *specs):
    """Run the jobs together; return the (rank, cores) pairs of each."""
    ids = bourn.job.submit_many(h, specs)
    found = []
    for id in ids:
        bourn.job.event_wait(h, id, "start")
        R = bourn.job.lookup(h, id, "R")["execution"]["R_lite"]
        found.append(
            {
                (rank, core)
                for e in R
                for rank in bourn.IdSet(e["rank"])
                for core in bourn.IdSet(e["children"]["core"])
            }
        )
    for id in ids:
        bourn.job.cancel(h, id)
        bourn.job.result(h, id)
    return found


with bourn.Handle() as h:
    node = Jobspec.from_command(["sleep", "60"], num_nodes=1, num_tasks=1, exclusive=True)
    one, other = places(h, node, node)
    print("partitioned: nodes", sorted({rank for rank, _ in one}), "and", sorted({rank for rank, _ in other}))

    across = Jobspec.from_command(["sleep", "60"], num_nodes=2, num_tasks=2)
    across.setattr("system.constraints", {"ranks": ["0-1"]})
    one, other = places(h, across, across)
    shared = {rank for rank, _ in one} & {rank for rank, _ in other}
    print("overlapping: nodes", sorted(shared), "in common, cores in common:", len(one & other))
