"""`bourn getattr`, `setattr`, `lsattr`: broker attributes."""

from __future__ import annotations

from bourn.cli.parser import Parser
from bourn.client.handle import Handle


def getattr_main(argv: list[str]) -> int:
    """Print one attribute."""
    parser = Parser(prog="bourn getattr", description="Print a broker attribute.")
    parser.add_argument("name", metavar="NAME")
    args = parser.parse_args(argv)
    with Handle() as h:
        print(h.rpc("attr.get", {"name": args.name}).get()["value"])
    return 0


def setattr_main(argv: list[str]) -> int:
    """Set, or with --expunge remove, one attribute."""
    parser = Parser(prog="bourn setattr", description="Set a broker attribute.")
    parser.add_argument("-e", "--expunge", action="store_true", help="remove it")
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("value", metavar="VALUE", nargs="?")
    args = parser.parse_args(argv)
    if args.expunge == (args.value is not None):
        parser.error("give a value, or --expunge without one")
    with Handle() as h:
        if args.expunge:
            h.rpc("attr.rm", {"name": args.name}).get()
        else:
            h.rpc("attr.set", {"name": args.name, "value": args.value}).get()
    return 0


def lsattr_main(argv: list[str]) -> int:
    """Print the names of all attributes, with -v their values."""
    parser = Parser(prog="bourn lsattr", description="List broker attributes.")
    parser.add_argument("-v", "--values", action="store_true", help="print values, too")
    args = parser.parse_args(argv)
    with Handle() as h:
        attrs = h.rpc("attr.list").get()["attrs"]
    width = max(map(len, attrs), default=0)
    for name in sorted(attrs):
        print(f"{name:<{width}}  {attrs[name]}" if args.values else name)
    return 0
