"""`bourn R`: make, combine and read resource sets (RFC 20), one JSON object a line on standard input."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from bourn.cli.parser import Parser
from bourn.errors import BournError
from bourn.model.idset import IdSet
from bourn.model.rset import ResourceSet

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator


def main(argv: list[str]) -> int:
    """Run the sub-command."""
    args = _parser().parse_args(argv)
    if args.command == "decode":
        _decode(_read(), args)
        return 0
    result = _encode(args) if args.command == "encode" else _fold(args.command, _read())
    if args.command == "remap":
        result = result.remap_ranks()
    print(json.dumps(result.to_dict(), separators=(",", ":")))
    return 0


def _parser() -> Parser:
    parser = Parser(prog="bourn R", description="Make, combine and read resource sets.")
    commands = parser.add_commands()
    encode = commands.add("encode", "make a resource set")
    encode.add_argument("-r", "--ranks", metavar="IDSET", help="ranks (default: one for each host, or 0)")
    encode.add_argument("-c", "--cores", metavar="IDSET", default="0", help="cores of each rank")
    encode.add_argument("-g", "--gpus", metavar="IDSET", default="", help="GPUs of each rank")
    encode.add_argument("-H", "--hosts", metavar="HOSTLIST", help="host names (default: this host's)")
    encode.add_argument(
        "-p", "--property", action="append", default=[], metavar="NAME:RANKS", help="a property"
    )
    decode = commands.add("decode", "read a resource set, print it or part of it")
    decode.add_argument("-s", "--short", action="store_true", help="print it in short form")
    decode.add_argument("-n", "--nodelist", action="store_true", help="print its hosts")
    decode.add_argument("-r", "--ranks", action="store_true", help="print its ranks")
    decode.add_argument("-c", "--count", choices=["node", "core", "gpu"], help="print a count")
    decode.add_argument("-i", "--include", metavar="RANKS", help="only these ranks")
    decode.add_argument("-x", "--exclude", metavar="RANKS", help="all but these ranks")
    commands.add("append", "put sets of different ranks together")
    commands.add("union", "put sets together")
    commands.add("diff", "take the other sets out of the first")
    commands.add("intersect", "keep what all sets have")
    commands.add("remap", "number the ranks from 0")
    return parser


def _encode(args: argparse.Namespace) -> ResourceSet:
    from bourn.model.hostlist import Hostlist

    if args.hosts:
        hosts = list(Hostlist(args.hosts))
    else:
        import socket

        hosts = [socket.gethostname()] * len(IdSet(args.ranks or "0"))
    ranks = IdSet(args.ranks) if args.ranks else IdSet(range(len(hosts)))
    if len(ranks) != len(hosts):
        raise BournError(f"there are {len(ranks)} ranks and {len(hosts)} hosts; the numbers must be equal")
    nodes = [(rank, host, args.cores, args.gpus) for rank, host in zip(ranks, hosts, strict=True)]
    tree = ResourceSet.from_nodes(nodes).to_dict()
    for text in args.property:
        name, colon, members = text.partition(":")
        tree["execution"].setdefault("properties", {})[name] = members if colon else str(ranks)
    return ResourceSet.from_dict(tree)


def _lines() -> Iterator[ResourceSet]:
    for number, line in enumerate(sys.stdin, 1):
        if line.strip():
            try:
                yield ResourceSet.from_dict(json.loads(line))
            except ValueError as error:
                raise BournError(f"line {number} is not JSON: {error}") from None
            except BournError as error:
                raise BournError(f"line {number}: {error.message}") from None


def _read() -> list[ResourceSet]:
    sets = list(_lines())
    if not sets:
        raise BournError("no resource set on standard input")
    return sets


def _fold(command: str, sets: list[ResourceSet]) -> ResourceSet:
    result = sets[0]
    for other in sets[1:]:
        if command == "append" and not result.ranks.isdisjoint(other.ranks):
            raise BournError(f"rank {(result.ranks & other.ranks).first} is in both sets; use union")
        if command == "diff":
            result = result.diff(other)
        elif command == "intersect":
            result = result.intersect(other)
        else:
            result = result.union(other)
    return result


def _decode(sets: list[ResourceSet], args: argparse.Namespace) -> None:
    result = _fold("append", sets)
    if args.include:
        result = result.copy_ranks(IdSet(args.include) & result.ranks)
    if args.exclude:
        result = result.copy_ranks(result.ranks - IdSet(args.exclude))
    if args.nodelist:
        print(result.nodelist)
    elif args.ranks:
        print(result.ranks)
    elif args.count:
        print({"node": result.nnodes, "core": result.ncores, "gpu": result.ngpus}[args.count])
    elif args.short:
        print(result.summary())
    else:
        print(json.dumps(result.to_dict(), separators=(",", ":")))
