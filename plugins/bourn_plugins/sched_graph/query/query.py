"""`bourn resource-query`: matches jobspecs against a graph, in batch or interactively."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING

from bourn.errors import BournError, suggest
from bourn_plugins.sched_graph.query.commands import COMMANDS, lookup
from bourn_plugins.sched_graph.query.export import FORMATS
from bourn_plugins.sched_graph.query.options import parser, subsystems
from bourn_plugins.sched_graph.query.session import Session, complain, load_graph
from bourn_plugins.sched_graph.query.terminal import typed_lines
from bourn_plugins.sched_graph.resources import stock
from bourn_plugins.sched_graph.walk.generic import scorer_of
from bourn_plugins.sched_graph.walk.pruning import DEFAULT_FILTERS
from bourn_plugins.sched_graph.walk.traverser import Traverser

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from bourn_plugins.sched_graph.resources.graph import ResourceGraph

PROMPT = "resource-query> "


def main(arguments: list[str]) -> int:
    """Run a session and return the exit status: 1 when the graph can't be loaded."""
    options = parser().parse_args(arguments)
    try:
        begin = time.perf_counter()
        session = _open(options)
        elapsed = time.perf_counter() - begin
    except BournError as error:
        print(f": Runtime error: {error.message}", file=sys.stderr)
        return 1
    if options.elapse_time:
        _tell_graph(session.traverser.graph, elapsed)
    with contextlib.ExitStack() as stack:
        if options.test_output:
            session.out = stack.enter_context(open(options.test_output, "w", encoding="utf-8"))
        if sys.stdin.isatty():
            session.puzzled = True
            run(session, typed_lines("" if options.disable_prompt else PROMPT))
        else:
            run(session, _lines("" if options.disable_prompt else PROMPT))
        if options.graph_output:
            print("INFO: Write the target graph of the matcher...")
            file = f"{options.graph_output}.{options.graph_format}"
            FORMATS[options.graph_format](session.traverser.graph, file)
    return 0


def _open(options: argparse.Namespace) -> Session:
    if options.traverser_policy not in ("simple", "flexible"):
        raise BournError(f"unknown traverser '{options.traverser_policy}'; there are: flexible, simple")
    if options.graph_format not in FORMATS:
        raise BournError(f"unknown graph format '{options.graph_format}'; there are: {', '.join(FORMATS)}")
    flexible = options.traverser_policy == "flexible"
    names = subsystems(options.match_subsystems)
    spec = stock.match_policy(options.match_policy)
    writer = stock.writer(options.match_format)
    extra = {}
    if options.load_allowlist:
        extra["allowlist"] = {"cluster", *(name.strip() for name in options.load_allowlist.split(","))}
    if os.path.isdir(options.load_file):
        raise BournError(f"{options.load_file}: is a directory")
    graph = load_graph(options.load_file, options.load_format, extra)
    if options.match_subsystems.upper() == "ALL":
        names = tuple(name for name in names if name in graph.roots)
    for name in names:
        if name not in graph.roots:
            raise BournError(f"{options.load_file}: the graph has no {name} subsystem")
    traverser = Traverser(
        graph,
        scorer_of(spec.factory({})),
        node_exclusive=spec.node_exclusive,
        subsystem=names[0],
        auxiliaries=names[1:],
        filters=",".join((DEFAULT_FILTERS, *(text for text in options.prune_filters if text.strip()))),
        flexible=flexible,
    )
    return Session(traverser, writer, sys.stdout, timed=options.elapse_time, flexible=flexible)


def _lines(prompt: str) -> Iterator[str]:
    """Yield the lines of standard input, each after a prompt."""
    for line in sys.stdin:
        if prompt:
            print(prompt, end="", flush=True)
        yield line


def run(session: Session, lines: Iterator[str]) -> None:
    """Obey commands until `quit` or the end; unknown ones and comments are passed over.

    A person is told of an unknown one; in a file it may be a command of another program.
    """
    for line in lines:
        words = line.split()
        command = lookup(words[0]) if words else None
        if command is None:
            if session.puzzled and words and not words[0].startswith("#"):
                names = [each.name for each in COMMANDS]
                complain(f"ERROR: unknown command '{words[0]}'{suggest(words[0], names)}")
            continue
        try:
            command.obey(session, words[1:])
        except BournError as error:
            complain(f"ERROR: {error.message}")
        if session.over:
            break
    session.out.flush()


def _tell_graph(graph: ResourceGraph, elapsed: float) -> None:
    types: set[str] = set()
    names: set[str] = set()
    paths: set[str] = set()
    ranks: dict[int, int] = {}
    for vertex in graph:
        types.add(vertex.type)
        names.add(vertex.name)
        paths.update(vertex.all_paths().values())
        ranks[vertex.rank] = ranks.get(vertex.rank, 0) + 1
    print(f"INFO: Graph Load Time: {elapsed:g}")
    print(f"INFO: Vertex Count: {len(graph)}")
    print(f"INFO: Edge Count: {graph.edge_count}")
    print(f"INFO: by_type Key-Value Pairs: {len(types)}")
    print(f"INFO: by_name Key-Value Pairs: {len(names)}")
    print(f"INFO: by_path Key-Value Pairs: {len(paths)}")
    for rank, number in sorted(ranks.items()):
        print(f"INFO: number of vertices with rank {rank}: {number}")
