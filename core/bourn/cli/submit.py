"""`bourn submit`: enqueue a job, or a copy of it for each id of `--cc`, in one request."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from bourn.cli import jobspec_args, options
from bourn.cli.extend import PluginOptions
from bourn.cli.parser import Parser
from bourn.cli.sending import Item, send
from bourn.client.submission import WAITABLE
from bourn.errors import BournError
from bourn.model.jobid import MAX_MEMBERS

if TYPE_CHECKING:
    from argparse import Namespace

CC_VARIABLE = "attributes.system.environment.BOURN_JOB_CC"


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = Parser(
        prog="bourn submit",
        usage="bourn submit [OPTIONS] COMMAND...",
        description="Submit jobs, and print their ids.",
        epilog="Examples:\n"
        "  bourn submit -n4 -c2 -t 30m ./sim input.dat\n"
        "  bourn submit --cc=1-100 --progress ./member {cc}\n"
        "  bourn submit --dependency=afterok:$(bourn job last) ./analyse",
    )
    options.add_command(parser)
    options.add_resource_options(parser)
    options.add_job_options(parser)
    options.add_submit_options(parser)
    plugins = PluginOptions("submit", parser)
    args = parser.parse_args(argv)
    plugins.preinit(args)
    return submit_items(args, copies(args, options.command_of(args), plugins))


def copies(
    args: Namespace,
    command: list[str],
    plugins: PluginOptions,
    environ: dict[str, str] | None = None,
    names: dict[str, Any] | None = None,
) -> list[Item]:
    """Return the job, or its copies. Copies that differ only by their variable share a jobspec."""
    if sum(bool(option) for option in (args.cc, args.bcc, args.array)) > 1:
        raise BournError("--cc, --bcc and --array can't be used together")
    if args.array and _mentions_cc([*command, *_texts(args)]):
        raise BournError("the members of an --array are alike: use $BOURN_JOB_CC, or --cc for {cc}")
    text = args.cc or args.bcc or args.array
    if not text:
        return [Item(args, plugins.apply(args, jobspec_args.jobspec(args, command, environ)))]
    from bourn.cli.bulk import Filler
    from bourn.model.idset import IdSet

    environ = dict(os.environ) if environ is None else environ
    ids = IdSet(text)
    if not ids:
        name = "cc" if args.cc else "bcc" if args.bcc else "array"
        raise BournError(f"--{name}: the set of ids is empty")
    if args.array and ids.last() >= MAX_MEMBERS:
        raise BournError(f"--array: members have numbers below {MAX_MEMBERS}, not {ids.last()}")
    shared = None
    if not _mentions_cc([*command, *_texts(args)]):
        shared = plugins.apply(args, jobspec_args.jobspec(args, command, environ))
    items = []
    for id in ids:
        settings = None if args.bcc else {CC_VARIABLE: str(id)}
        if shared is not None:
            items.append(Item(args, shared, settings, None if args.bcc else id))
            continue
        filler = Filler(names={**(names or {}), "cc": id})
        filled = fill_args(args, filler)
        jobspec = jobspec_args.jobspec(filled, [filler.fill(word) for word in command], environ)
        items.append(Item(filled, plugins.apply(filled, jobspec), settings))
    return items


def fill_args(args: Namespace, filler: Any) -> Namespace:
    """Return the options with templates filled in."""
    from argparse import Namespace

    return Namespace(**{name: filler.fill_value(value) for name, value in vars(args).items()})


def submit_items(args: Namespace, items: list[Item]) -> int:
    """Submit, print ids, and follow the jobs as far as the options ask for."""
    urgency, flags = jobspec_args.urgency(args), jobspec_args.flags(args)
    if args.array and flags & WAITABLE:
        raise BournError("--array: no flag waitable is needed, `bourn job wait` takes the array's id")
    if args.dry_run:
        for item in items:
            obj = item.jobspec
            if item.settings:
                from bourn.model.overrides import apply_overrides

                obj = apply_overrides(obj, item.settings)
            print(json.dumps(obj, ensure_ascii=False))
        return 0
    from bourn.client.handle import Handle

    follow = args.wait or args.wait_event or args.watch or args.progress or args.jps
    follow = follow or args.log or args.log_stderr
    with Handle() as h:
        if follow:
            from bourn.cli.follow import Follower

            return Follower(h, args).submit(items, lambda: send(h, items, urgency, flags))
        sent = send(h, items, urgency, flags)
        if not args.quiet:
            print("\n".join(map(str, sent.arrays if args.array else sent.ids)))
    return 0


def _texts(args: Namespace) -> list[str]:
    found: list[str] = []
    for value in vars(args).values():
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, list):
            found += [item for item in value if isinstance(item, str)]
    return found


def _mentions_cc(texts: list[str]) -> bool:
    return any("{cc" in text for text in texts)
