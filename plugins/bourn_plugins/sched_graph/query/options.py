"""The options of `bourn resource-query`."""

from __future__ import annotations

import argparse

from bourn.cli.parser import Formatter
from bourn.errors import BournError, suggest
from bourn_plugins.sched_graph.walk.pruning import DEFAULT_FILTERS

SUBSYSTEMS = {
    "CA": ("containment",),
    "IBA": ("ibnet",),
    "IBBA": ("ibnetbw",),
    "PA": ("power",),
    "PFS1BA": ("pfs1bw",),
    "C+IBA": ("containment", "ibnet"),
    "C+IBBA": ("containment", "ibnetbw"),
    "C+PA": ("containment", "power"),
    "C+PFS1BA": ("containment", "pfs1bw"),
    "IB+IBBA": ("ibnet", "ibnetbw"),
    "C+P+IBA": ("containment", "power", "ibnet"),
    "V+PFS1BA": ("virtual1", "pfs1bw"),
    "VA": ("virtual1",),
    "ALL": ("containment", "ibnet", "ibnetbw", "pfs1bw", "power"),
}
"""What -S means; the first subsystem is the one that is walked."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    result = argparse.ArgumentParser(
        prog="bourn resource-query",
        description="Match jobspecs against a resource graph, without an instance. Commands come from\n"
        "standard input, a line each; `help` lists them.",
        allow_abbrev=False,
        formatter_class=Formatter,
    )
    add = result.add_argument
    add("-L", "--load-file", metavar="FILE", help="the resource graph", default="conf/default")
    add(
        "-f",
        "--load-format",
        metavar="FORMAT",
        default="",
        help="grug | hwloc | jgf | jgf_shorthand | rv1exec | rv1 | toml-graph | hwloc-live: this machine; "
        "default what the file's name tells (.toml, .xml), otherwise grug",
    )
    add("-W", "--load-allowlist", metavar="TYPES", help="types to load, comma separated (hwloc)")
    add(
        "-S", "--match-subsystems", metavar="NAME", default="CA", help=f"{' | '.join(SUBSYSTEMS)}; default CA"
    )
    add("-P", "--match-policy", metavar="NAME", default="first", help="the match policy; default first")
    add(
        "-F",
        "--match-format",
        metavar="FORMAT",
        default="simple",
        help="simple | pretty_simple | jgf | jgf_shorthand | rlite | rv1 | rv1_nosched | rv1_shorthand | "
        "dot | svg; default simple",
    )
    add("-T", "--traverser-policy", metavar="NAME", default="simple", help="simple | flexible")
    add(
        "-p",
        "--prune-filters",
        metavar="HL:LL,...",
        action="append",
        default=[],
        help=f"more prune filters than {DEFAULT_FILTERS}",
    )
    add("-g", "--graph-format", metavar="FORMAT", default="dot", help="dot | graphml, of -o")
    add(
        "-o", "--graph-output", metavar="BASENAME", help="write the whole graph to BASENAME.FORMAT at the end"
    )
    add("-t", "--test-output", metavar="FILE", help="print matches to a file")
    add("-r", "--reserve-vtx-vec", metavar="N", type=int, help="accepted; graphs grow as they need to")
    add("-e", "--elapse-time", action="store_true", help="print times and counts")
    add("-d", "--disable-prompt", action="store_true", help="print no prompt")
    return result


def subsystems(name: str) -> tuple[str, ...]:
    """Return the subsystems of a matcher's name, in either case."""
    found = SUBSYSTEMS.get(name) or SUBSYSTEMS.get(name.upper())
    if found is None:
        raise BournError(f"unknown subsystems '{name}'{suggest(name, SUBSYSTEMS)}")
    return found
