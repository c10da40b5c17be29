"""`bourn grow`, `bourn shrink`: an instance that is a job borrows from its parent, and gives back."""

from __future__ import annotations

from typing import Any

from bourn.cli.parser import Parser
from bourn.client.handle import Handle
from bourn.errors import BournError
from bourn.model.jobid import JobID


def main(argv: list[str]) -> int:
    """Borrow; print the id of the loan, a job of the parent."""
    parser = Parser(
        prog="bourn grow",
        description="Borrow cores from the parent instance, on the nodes that this one has, or whole nodes.\n"
        "Waits until they are free; prints the id of the loan, which is a job of the parent.",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("-n", "--cores", type=int, metavar="N", help="how many cores")
    what.add_argument("-N", "--nodes", type=int, metavar="N", help="how many nodes, all that is on them")
    parser.add_argument("-g", "--gpus", type=int, default=0, metavar="N", help="and so many GPUs")
    args = parser.parse_args(argv)
    if args.nodes is not None:
        if args.nodes < 1 or args.gpus:
            raise BournError(f"--nodes={args.nodes}: right is 1 node or more, and no --gpus: they come along")
        with Handle() as h:
            print(JobID(h.rpc("hierarchy.grow", {"nodes": args.nodes}).get()["id"]))
        return 0
    if args.cores < 1 or args.gpus < 0:
        raise BournError(
            f"--cores={args.cores} --gpus={args.gpus}: right is 1 core or more, and 0 GPUs or more"
        )
    with Handle() as h:
        print(JobID(h.rpc("hierarchy.grow", {"cores": args.cores, "gpus": args.gpus}).get()["id"]))
    return 0


def shrink(argv: list[str]) -> int:
    """Give back."""
    parser = Parser(
        prog="bourn shrink",
        description="Give back what was borrowed from the parent instance: all of it, some loans, or the\n"
        "latest loans that make up a number of cores.",
    )
    parser.add_argument("-n", "--cores", type=int, metavar="N", help="how many cores")
    parser.add_argument("-w", "--wait", action="store_true", help="wait for jobs that have some of it")
    parser.add_argument("-f", "--force", action="store_true", help="end jobs that have some of it")
    parser.add_argument("loans", nargs="*", metavar="LOAN", help="what `bourn grow` printed")
    args = parser.parse_args(argv)
    if args.cores is not None and args.loans:
        parser.error("name loans or a number of cores, not both")
    ids = [int(JobID.parse(loan)) for loan in args.loans]
    payload: dict[str, Any] = {"ids": ids, "wait": args.wait, "force": args.force}
    if args.cores is not None:
        payload["cores"] = args.cores
    with Handle() as h:
        h.rpc("hierarchy.shrink", payload).get()
    return 0
