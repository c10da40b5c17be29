"""`bourn kvs`: read and write the key-value store."""

from __future__ import annotations

from bourn.cli.kvs import eventlog, namespaces, reading, writing
from bourn.cli.parser import Parser
from bourn.client.handle import Handle


def main(argv: list[str]) -> int:
    """Run the sub-command."""
    parser = Parser(prog="bourn kvs", description="Read and write the key-value store.")
    commands = parser.add_commands()
    for family in (reading, writing, namespaces, eventlog):
        family.add_to(commands)
    args = parser.parse_args(argv)
    with Handle() as h:
        return args.run(h, args) or 0
