"""`bourn kvs eventlog`: append to, print and wait for events of an eventlog in the store."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bourn.cli.kvs.common import add_common
from bourn.client import kvs
from bourn.errors import BournError

if TYPE_CHECKING:
    import argparse

    from bourn.cli.parser import Commands
    from bourn.client.handle import Handle


def add_to(commands: Commands) -> None:
    """Add the sub-commands."""
    inner = commands.add("eventlog", "append to, print and wait for events").add_commands()
    c = add_common(inner.add("append", "append an event"), _append)
    c.add_argument("-t", "--timestamp", type=float, metavar="SECONDS", help="instead of now")
    c.add_argument("key", metavar="KEY")
    c.add_argument("name", metavar="NAME")
    c.add_argument("context", nargs="*", metavar="CONTEXT", help="a JSON object, or KEY=VALUE ...")
    c = add_common(inner.add("get", "print an eventlog"), _get)
    c.add_argument("-u", "--unformatted", action="store_true", help="as JSON lines")
    c.add_argument("-w", "--watch", action="store_true", help="go on as events come")
    c.add_argument("-W", "--waitcreate", action="store_true", help="wait for a key that isn't there")
    c.add_argument("-c", "--count", type=int, default=0, metavar="N", help="end after N events")
    c.add_argument("key", metavar="KEY")
    c = add_common(inner.add("wait-event", "wait for an event and print it"), _wait)
    c.add_argument("-u", "--unformatted", action="store_true", help="as a JSON line")
    c.add_argument("-W", "--waitcreate", action="store_true", help="wait for a key that isn't there")
    c.add_argument("-q", "--quiet", action="store_true", help="print nothing")
    c.add_argument("-v", "--verbose", action="store_true", help="print the events before it")
    c.add_argument("key", metavar="KEY")
    c.add_argument("name", metavar="EVENT")


def _context(words: list[str]) -> dict[str, Any] | None:
    if not words:
        return None
    if words[0].lstrip().startswith("{"):
        try:
            context: dict[str, Any] = json.loads(" ".join(words))
        except ValueError as error:
            raise BournError(f"the context is not JSON: {error}") from None
        return context
    context = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise BournError(f"'{word}' is neither a JSON object nor KEY=VALUE")
        context[key] = kvs.parse_value(value)
    return context


def _append(h: Handle, args: argparse.Namespace) -> None:
    kvs.eventlog_append(h, args.key, args.name, _context(args.context), args.timestamp, args.namespace)


def _show(event: dict[str, Any], unformatted: bool) -> None:
    if unformatted:
        print(json.dumps(event, separators=(",", ":")), flush=True)
        return
    words = [f"{event['timestamp']:.6f}", event["name"]]
    words += [f"{k}={json.dumps(v, separators=(',', ':'))}" for k, v in (event.get("context") or {}).items()]
    print(" ".join(words), flush=True)


def _get(h: Handle, args: argparse.Namespace) -> None:
    if args.watch or args.waitcreate:
        events = kvs.eventlog_watch(h, args.key, args.namespace, args.waitcreate)
    else:
        events = iter(kvs.eventlog_get(h, args.key, args.namespace))
    for count, event in enumerate(events, 1):
        _show(event, args.unformatted)
        if count == args.count:
            return


def _wait(h: Handle, args: argparse.Namespace) -> None:
    for event in kvs.eventlog_watch(h, args.key, args.namespace, args.waitcreate):
        found = event["name"] == args.name
        if not args.quiet and (found or args.verbose):
            _show(event, args.unformatted)
        if found:
            return
