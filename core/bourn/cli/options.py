"""The options that submit, run and bulksubmit share (and, later, batch and alloc).

Values are kept as the text that was typed: `bulksubmit` fills templates into them first. `jobspec_args`
converts them.
"""

from __future__ import annotations

from argparse import REMAINDER
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import Namespace, _ArgumentGroup

    from bourn.cli.parser import Parser


def add_resource_options(parser: Parser) -> None:
    """Add the options that say how much a job needs."""
    add = parser.add_argument_group("resources").add_argument
    add("-N", "--nodes", metavar="N", help="number of nodes")
    add("-n", "--ntasks", metavar="N", help="number of tasks (default 1)")
    add("-c", "--cores-per-task", metavar="N", help="cores of each task (default 1)")
    add("-g", "--gpus-per-task", metavar="N", help="GPUs of each task (default 0)")
    add("-x", "--exclusive", action="store_true", help="take whole nodes")
    add("--cores", metavar="N", help="total number of cores")
    add("--tasks-per-node", metavar="N", help="tasks on each node")
    add("--tasks-per-core", metavar="N", help="tasks on each core")
    add("--gpus-per-node", metavar="N", help="GPUs of each node")
    add("--taskmap", metavar="SCHEME[:VALUE]", help="how tasks are laid out over nodes")


def add_job_options(parser: Parser) -> None:
    """Add the options of every command that makes a job."""
    group = parser.add_argument_group("job")
    add = group.add_argument
    add("-B", "--bank", metavar="NAME", help="charge the job to a bank")
    add("-q", "--queue", metavar="NAME", help="submit to a queue")
    add(
        "-t",
        "--time-limit",
        metavar="FSD",
        help="time limit: a duration as 30s, 5m, 2h; a bare number is minutes",
    )
    add("--urgency", metavar="N", help="0 to 31, hold, expedite or default (16)")
    add("--job-name", metavar="NAME", help="name of the job (default: the command's)")
    repeated(
        group, "-o", "--setopt", "NAME[=VALUE]", "set a job shell option; VALUE is JSON or text, default 1"
    )
    repeated(
        group, "-S", "--setattr", "NAME[=VALUE]", "set a jobspec attribute; VALUE is JSON or text, ^NAME=FILE"
    )
    repeated(group, "", "--add-file", "[NAME=]FILE", "carry a file in the jobspec")
    repeated(group, "", "--dependency", "SCHEME:VALUE", "wait for a condition, as afterok:JOBID")
    repeated(
        group, "", "--requires", "EXPRESSION", "constrain the resources, as host:node[1-3] or a property"
    )
    add("--begin-time", metavar="WHEN", help="not before: +FSD, HH:MM, or an ISO date and time")
    repeated(group, "", "--env", "RULE", "which variables the job gets: NAME, NAME=VALUE, -PATTERN, ^FILE")
    repeated(group, "", "--env-remove", "PATTERN", "leave matching variables out")
    repeated(group, "", "--env-file", "FILE", "read --env rules from a file")
    repeated(group, "", "--rlimit", "RULE", "which limits the job gets: NAME, NAME=VALUE, -PATTERN")
    add(
        "--input", metavar="FILE|TASKS", help="read standard input from a file, or give it to some tasks only"
    )
    add(
        "--output", metavar="FILE", help="write standard output to a file ({{id}} and the like are filled in)"
    )
    add("--error", metavar="FILE", help="write standard error to a file")
    add("-u", "--unbuffered", action="store_true", help="don't buffer output or input by line")
    add("-l", "--label-io", action="store_true", help="put the task's rank before each line of output")
    add("--retries", metavar="N", help="run the job again when it fails, up to N times")
    add(
        "--retry-on",
        metavar="LIST",
        help="after what: exit statuses (75,10-20), signals, exit, signal, node, exec, timeout "
        "(default: exit,signal,node)",
    )
    add("--cwd", metavar="DIR", help="working directory of the job")
    add("--flags", metavar="FLAGS", help="comma-separated: debug, waitable, novalidate")
    add("--signal", metavar="[SIG][@TIME]", help="send a signal before the time limit ends (SIGUSR1@60s)")
    add("--dry-run", action="store_true", help="print the jobspec and don't submit")
    add("--quiet", action="store_true", help="print no job id")


def add_submit_options(parser: Parser) -> None:
    """Add what `submit` and `bulksubmit` do with many jobs at once."""
    add = parser.add_argument_group("many jobs").add_argument
    add("--cc", metavar="IDSET", help="submit a copy for each id; {cc} and $BOURN_JOB_CC tell them apart")
    add("--bcc", metavar="IDSET", help="like --cc, without $BOURN_JOB_CC")
    add(
        "--array",
        metavar="IDSET",
        help="submit a job array: like --cc, as one object whose id is printed",
    )
    add("--wait", action="store_true", help="wait until all jobs have finished; exit with the worst status")
    add("--wait-event", metavar="NAME", help="wait until all jobs have posted this event")
    add("--watch", action="store_true", help="show the jobs' output, and wait")
    add("--log", metavar="FILE", help="write ids and output to a file (may hold {cc})")
    add("--log-stderr", metavar="FILE", help="write errors to a file of their own")
    add("--progress", action="store_true", help="show a progress bar")
    add("--jps", action="store_true", help="show jobs per second; means --progress")
    add("-v", "--verbose", action="count", default=0, help="say more; twice shows the jobs' events")


def add_command(parser: Parser) -> None:
    """Add the command: everything from the first word that isn't an option."""
    parser.add_argument("command_line", nargs=REMAINDER, metavar="COMMAND", help="command and arguments")


def command_of(args: Namespace) -> list[str]:
    """Return the command that was given, without a leading `--`."""
    command: list[str] = args.command_line
    return command[1:] if command[:1] == ["--"] else command


def repeated(group: _ArgumentGroup, short: str, long: str, metavar: str, summary: str) -> None:
    """Add an option that may be given several times; its value is a list."""
    names = [short, long] if short else [long]
    group.add_argument(*names, action="append", default=[], metavar=metavar, help=summary)
