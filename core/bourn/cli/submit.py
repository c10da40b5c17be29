"""`bourn submit`: enqueue a job, or a copy of it for each id of `--cc`, in one request."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from bourn.cli import jobspec_args, options
from bourn.cli.extend import PluginOptions
from bourn.cli.parser import Parser
from bourn.client.submission import WAITABLE, Submission, member_ids
from bourn.errors import BournError
from bourn.model.jobid import MAX_MEMBERS, JobID

if TYPE_CHECKING:
    from argparse import Namespace

    from bourn.client.handle import Handle
CC_VARIABLE = "attributes.system.environment.BOURN_JOB_CC"


ARRAY_FROM = 32
"""So many copies of a job, or more, are submitted as an array: one line in `bourn jobs`."""


class Item(NamedTuple):
    """A job to submit: its options with templates filled in, its jobspec, and what sets it apart from the
    others.
    """

    args: Namespace
    jobspec: dict[str, Any]
    settings: dict[str, Any] | None = None
    number: int | None = None
    """Its `cc`, if it is told apart from the others of its jobspec by that alone."""


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


class Sent(NamedTuple):
    """What was submitted."""

    ids: list[JobID]
    """The jobs and members, in the order of the items."""
    arrays: list[JobID]


def send(h: Handle, items: list[Item], urgency: int, flags: int) -> Sent:
    """Submit the items, in one request unless it would be over the limit of a message.

    Many that differ by their number only are an array.
    """
    sent = Sent([JobID(0)] * len(items), [])
    submission = Submission()
    places: list[int] = []
    arrays: list[tuple[int, list[int]]] = []

    def flush() -> None:
        ids = submission.send(h)
        for place, id in zip(places, ids, strict=False):
            sent.ids[place] = id
        for (place, numbers), id in zip(arrays, ids[len(places) :], strict=True):
            sent.ids[place : place + len(numbers)] = member_ids(id, numbers)
            sent.arrays.append(id)

    place = 0
    while place < len(items):
        if submission.full:
            flush()
            submission, places, arrays = Submission(), [], []
        item = items[place]
        numbers = _alike(items, place)
        if numbers and not flags & WAITABLE and (len(numbers) >= ARRAY_FROM or item.args.array):
            submission.add_array(item.jobspec, _idset(numbers), urgency=urgency, flags=flags)
            arrays.append((place, numbers))
            place += len(numbers)
            continue
        for item in items[place : place + max(len(numbers), 1)]:
            submission.add(item.jobspec, urgency=urgency, flags=flags, settings=item.settings)
            places.append(place)
            place += 1
    if items:
        flush()
    return sent


def _alike(items: list[Item], place: int) -> list[int]:
    """Return the ascending numbers of the items from a place on that differ in nothing else."""
    jobspec = items[place].jobspec
    numbers: list[int] = []
    while place < len(items) and items[place].jobspec is jobspec:
        number = items[place].number
        if number is None or number >= MAX_MEMBERS or (numbers and number <= numbers[-1]):
            break
        numbers.append(number)
        place += 1
    return numbers


def _idset(numbers: list[int]) -> str:
    from bourn.model.idset import IdSet

    if numbers[-1] - numbers[0] + 1 == len(numbers):
        return f"{numbers[0]}-{numbers[-1]}"
    return str(IdSet(numbers))


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
