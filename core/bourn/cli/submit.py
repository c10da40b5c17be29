"""`bourn submit`: enqueue a job, or a copy of it for each id of `--cc`, in one request."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from bourn.cli import jobspec_args, options
from bourn.cli.extend import PluginOptions
from bourn.cli.parser import Parser
from bourn.client.submission import Submission
from bourn.errors import BournError

if TYPE_CHECKING:
    from argparse import Namespace

    from bourn.client.handle import Handle
    from bourn.model.jobid import JobID

CC_VARIABLE = "attributes.system.environment.BOURN_JOB_CC"


class Item(NamedTuple):
    """A job to submit: its options with templates filled in, its jobspec, and what sets it apart from the
    others.
    """

    args: Namespace
    jobspec: dict[str, Any]
    settings: dict[str, Any] | None = None


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = Parser(
        prog="bourn submit",
        usage="bourn submit [OPTIONS] COMMAND...",
        description="Submit jobs, and print their ids.",
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
    if not args.cc and not args.bcc:
        return [Item(args, plugins.apply(args, jobspec_args.jobspec(args, command, environ)))]
    if args.cc and args.bcc:
        raise BournError("--cc and --bcc can't be used together")
    from bourn.cli.bulk import Filler
    from bourn.model.idset import IdSet

    environ = dict(os.environ) if environ is None else environ
    ids = IdSet(args.cc or args.bcc)
    if not ids:
        raise BournError(f"--{'cc' if args.cc else 'bcc'}: the set of ids is empty")
    shared = None
    if not _mentions_cc([*command, *_texts(args)]):
        shared = plugins.apply(args, jobspec_args.jobspec(args, command, environ))
    items = []
    for id in ids:
        settings = {CC_VARIABLE: str(id)} if args.cc else None
        if shared is not None:
            items.append(Item(args, shared, settings))
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
        for id in send(h, items, urgency, flags):
            if not args.quiet:
                print(id)
    return 0


def send(h: Handle, items: list[Item], urgency: int, flags: int) -> list[JobID]:
    """Submit the items, in one request unless it would be over the limit of a message."""
    ids: list[JobID] = []
    submission = Submission()
    for item in items:
        if submission.full:
            ids += submission.send(h)
            submission = Submission()
        submission.add(item.jobspec, urgency=urgency, flags=flags, settings=item.settings)
    return ids + submission.send(h) if submission.jobs else ids


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
