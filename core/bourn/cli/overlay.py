"""`bourn overlay`: the tree of brokers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bourn.cli.parser import Parser
from bourn.client.handle import Handle
from bourn.errors import BournError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

LEFT = -2
"""In place of the parent of a rank that has left the instance for good."""


def main(argv: list[str]) -> int:
    """Run the sub-command."""
    parser = Parser(prog="bourn overlay", description="Look at, and act on, the tree of brokers.")
    commands = parser.add_commands()
    states = "full, partial, degraded, astray, lost, offline"
    command = commands.add("status", f"print the state of the brokers: {states}")
    command.add_argument("-r", "--rank", type=int, default=0, metavar="N", help="the subtree of a rank (0)")
    command.add_argument("-s", "--summary", action="store_true", help="only the state of that rank")
    command.add_argument("-w", "--down", action="store_true", help="only what isn't full")
    command.add_argument("--json", action="store_true", help="print JSON")
    command.set_defaults(run=_status)
    command = commands.add("errors", "print which links were lost, and why")
    command.add_argument("-r", "--rank", type=int, default=0, metavar="N", help="as this rank saw it (0)")
    command.set_defaults(run=_errors)
    command = commands.add("gettopo", "print the shape of the tree")
    command.set_defaults(run=lambda h, args: print(_topology(h)["topology"]))
    command = commands.add("lookup", "print the hosts of ranks, or the ranks of hosts")
    command.add_argument("targets", metavar="IDSET|HOSTS")
    command.set_defaults(run=_lookup)
    command = commands.add("parentof", "print the rank above a rank")
    command.add_argument("rank", type=int, metavar="RANK")
    command.set_defaults(run=_parent)
    command = commands.add("disconnect", "cut the link to a rank; it comes back by itself, if it can")
    command.add_argument("rank", type=int, metavar="RANK")
    command.set_defaults(run=_disconnect)
    args = parser.parse_args(argv)
    run: Callable[[Handle, argparse.Namespace], object] = args.run
    with Handle() as h:
        run(h, args)
    return 0


def _topology(h: Handle) -> dict[str, Any]:
    found: dict[str, Any] = h.rpc("overlay.topology", nodeid=0).get()
    return found


def _status(h: Handle, args: argparse.Namespace) -> None:
    status = h.rpc("overlay.status", nodeid=args.rank).get()
    if args.json:
        print(json.dumps(status))
        return
    if args.summary:
        print(status["status"])
        return
    from bourn.model.idset import IdSet

    tree = _topology(h)
    parents, hosts = tree["parents"], _hosts(tree)
    states = {rank: state for state, ranks in status["statuses"].items() for rank in IdSet(ranks)}
    torpid = IdSet(status["torpid"])
    children: dict[int, list[int]] = {}
    for rank, parent in enumerate(parents):
        children.setdefault(parent, []).append(rank)
    lines: list[str] = []

    def show(rank: int, own: str, below: str) -> None:
        note = " (torpid)" if rank in torpid else ""
        if not args.down or states[rank] != "full":
            lines.append(f"{own}{rank} {hosts[rank]}: {states[rank]}{note}")
        ranks = children.get(rank, [])
        for place, child in enumerate(ranks):
            last = place == len(ranks) - 1
            show(child, below + ("└─ " if last else "├─ "), below + ("   " if last else "│  "))

    show(args.rank, "", "")
    print("\n".join(lines)) if lines else None


def _hosts(tree: dict[str, Any]) -> list[str]:
    """Return the host of each rank, "" of one that has left."""
    from bourn.model.hostlist import Hostlist

    parents, hosts = tree["parents"], list(Hostlist(tree["hosts"]))
    return ["" if parent == LEFT else hosts[rank] if hosts else "?" for rank, parent in enumerate(parents)]


def _errors(h: Handle, args: argparse.Namespace) -> None:
    from bourn.cli.format import short_duration

    for entry in h.rpc("overlay.errors", nodeid=args.rank).get()["errors"]:
        print(f"rank {entry['rank']}: {short_duration(entry['ago'])} ago: {entry['reason']}")


def _lookup(h: Handle, args: argparse.Namespace) -> None:
    from bourn.model.hostlist import Hostlist
    from bourn.model.idset import IdSet

    hosts = _hosts(_topology(h))
    if args.targets[:1].isdigit() or args.targets[:1] == "[":
        ranks = IdSet(args.targets)
        for rank in ranks:
            _check(rank, hosts)
        print(Hostlist([hosts[rank] for rank in ranks]))
        return
    wanted = Hostlist(args.targets)
    for host in wanted:
        if host not in hosts:
            raise BournError(f"no host '{host}' in this instance")
    print(IdSet(rank for rank, host in enumerate(hosts) if host in wanted))


def _parent(h: Handle, args: argparse.Namespace) -> None:
    print(_above(h, args.rank))


def _above(h: Handle, rank: int) -> int:
    tree = _topology(h)
    _check(rank, _hosts(tree))
    if rank == 0:
        raise BournError("rank 0 is the root and has no parent")
    return int(tree["parents"][rank])


def _check(rank: int, hosts: list[str]) -> None:
    if not 0 <= rank < len(hosts):
        raise BournError(f"no rank {rank}; there are 0-{len(hosts) - 1}")
    if not hosts[rank]:
        raise BournError(f"rank {rank} has left the instance for good")


def _disconnect(h: Handle, args: argparse.Namespace) -> None:
    above = _above(h, args.rank)
    h.rpc("overlay.cut", {"rank": args.rank}, nodeid=above).get()
