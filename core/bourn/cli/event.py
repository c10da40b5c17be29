"""`bourn event`: publish and subscribe."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from bourn.cli.parser import Parser
from bourn.client.handle import Handle
from bourn.errors import BournError

if TYPE_CHECKING:
    import argparse


def main(argv: list[str]) -> int:
    """Run the sub-command."""
    parser = Parser(prog="bourn event", description="Publish events, and wait for them.")
    commands = parser.add_commands()
    command = commands.add("pub", "publish an event")
    command.add_argument("-p", "--private", action="store_true", help="only the instance's owner sees it")
    command.add_argument("topic", metavar="TOPIC")
    command.add_argument("payload", nargs="?", metavar="JSON", help="payload; `-` reads standard input")
    command.set_defaults(run=_pub)
    command = commands.add("sub", "print events as they come")
    command.add_argument("-c", "--count", type=int, default=0, metavar="N", help="exit after N events")
    command.add_argument(
        "topics", nargs="*", default=[""], metavar="TOPIC", help="beginning of a topic (default: any)"
    )
    command.set_defaults(run=_sub)
    args = parser.parse_args(argv)
    with Handle() as h:
        args.run(h, args)
    return 0


def _pub(h: Handle, args: argparse.Namespace) -> None:
    text = sys.stdin.read() if args.payload == "-" else args.payload
    request: dict[str, Any] = {"topic": args.topic, "private": args.private}
    if text:
        try:
            request["payload"] = json.loads(text)
        except ValueError as error:
            raise BournError(f"payload is not JSON: {error}") from None
    h.rpc("event.publish", request).get()


def _sub(h: Handle, args: argparse.Namespace) -> None:
    for topic in args.topics:
        h.event_subscribe(topic)
    seen = 0
    while not args.count or seen < args.count:
        event = h.event_recv()
        seen += 1
        payload = event.payload
        print(f"{event.topic}\t{json.dumps(payload) if payload is not None else ''}".rstrip(), flush=True)
