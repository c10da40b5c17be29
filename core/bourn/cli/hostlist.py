"""`bourn hostlist`: combine, count, expand and pick from host lists (RFC 29)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from bourn.cli.parser import Parser
from bourn.errors import BournError
from bourn.model.hostlist import Hostlist

if TYPE_CHECKING:
    from collections.abc import Callable


def main(argv: list[str]) -> int:
    """Run the command."""
    args = _parser().parse_args(argv)
    lists = [_source(text) for text in args.sources or ["stdin"]]
    hosts = lists[0]
    for other in lists[1:]:
        hosts = _combine(args.operation, hosts, other)
    if args.operation == "union":
        hosts = hosts.uniq()
    if args.exclude:
        hosts = hosts - Hostlist(args.exclude)
    if args.sort:
        hosts = hosts.sorted()
    if args.limit is not None:
        hosts = hosts[: args.limit] if args.limit >= 0 else hosts[args.limit :]
    if args.nth is not None:
        hosts = Hostlist([_nth(hosts, args.nth)])
    if args.quiet:
        return 0 if len(hosts) else 1
    if args.count:
        print(len(hosts))
    elif args.expand:
        print(args.delimiter.replace("\\n", "\n").join(hosts))
    else:
        print(hosts)
    return 0


def _parser() -> Parser:
    parser = Parser(prog="bourn hostlist", description="Combine, count, expand and pick from host lists.")
    how = parser.add_mutually_exclusive_group()
    for short, long, name, text in (
        ("-u", "--union", "union", "hosts of any list, once each"),
        ("-i", "--intersect", "intersect", "hosts of all lists"),
        ("-m", "--minus", "minus", "hosts of the first list that the others lack"),
        ("-X", "--xor", "xor", "hosts of exactly one of two lists"),
    ):
        how.add_argument(short, long, dest="operation", action="store_const", const=name, help=text)
    parser.add_argument("-e", "--expand", action="store_true", help="print each host's name")
    parser.add_argument(
        "-d", "--delimiter", default=" ", metavar="TEXT", help="between expanded names (a space)"
    )
    parser.add_argument("-c", "--count", action="store_true", help="print how many there are")
    parser.add_argument(
        "-n", "--nth", type=int, metavar="N", help="print the Nth, from 0; negative from the end"
    )
    parser.add_argument("-L", "--limit", type=int, metavar="N", help="at most N, from the end if negative")
    parser.add_argument("-S", "--sort", action="store_true", help="sort")
    parser.add_argument("-x", "--exclude", metavar="HOSTS", help="leave hosts out")
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing; fail when no host is left")
    parser.add_argument(
        "sources",
        nargs="*",
        metavar="SOURCE",
        help="a host list, a job id, instance, avail, local or stdin (default); lists are put together",
    )
    return parser


def _source(text: str) -> Hostlist:
    if text in ("stdin", "-"):
        return Hostlist(",".join(sys.stdin.read().split()))
    if text == "local":
        import socket

        return Hostlist(socket.gethostname())
    if text in ("instance", "avail"):
        from bourn.client.handle import Handle
        from bourn.client.resource import resource_list

        with Handle() as h:
            listing = resource_list(h)
            return listing.all.nodelist if text == "instance" else listing.up.nodelist
    if text[:1] == "ƒ":
        from bourn.client.handle import Handle
        from bourn.client.job import lookup
        from bourn.model.jobid import JobID
        from bourn.model.rset import ResourceSet

        with Handle() as h:
            found = lookup(h, JobID.parse(text), "R")
        if found is None:
            raise BournError(f"job {text} has no resources yet")
        return ResourceSet.from_dict(found).nodelist
    return Hostlist(text)


def _combine(operation: str | None, hosts: Hostlist, other: Hostlist) -> Hostlist:
    operations: dict[str | None, Callable[[Hostlist, Hostlist], Hostlist]] = {
        None: lambda a, b: a + b,
        "union": lambda a, b: a + b,
        "intersect": lambda a, b: a & b,
        "minus": lambda a, b: a - b,
        "xor": lambda a, b: (a - b) + (b - a),
    }
    return operations[operation](hosts, other)


def _nth(hosts: Hostlist, n: int) -> str:
    try:
        return hosts[n]
    except IndexError:
        raise BournError(f"there is no host number {n}: the list has {len(hosts)}") from None
