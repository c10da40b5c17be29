"""Which tasks of a job run on which of its nodes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from bourn.errors import BournError, nearest
from bourn.hookspecs import hookimpl
from bourn.hookspecs.shell import ShellPlugin
from bourn.model.taskmap import TaskMap

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bourn.shell.job import ShellJob
    from bourn.shell.spec import ShellSpec

Scheme = Callable[[TaskMap, str, str], TaskMap]
"""(the map block by block, value, hostlist of the nodes) -> the map to use"""


class Taskmap(ShellPlugin):
    """``taskmap`` = block (default), cyclic[:STRIDE], hostfile:PATH, manual:MAP, or a scheme of another
    plugin; or {scheme, value}.

    Every node of the job works it out by itself, so that a hostfile must be readable on all of them.
    """

    name = "taskmap"
    options = ("taskmap",)
    priority = 90

    def wants(self, spec: ShellSpec) -> bool:
        return not spec.single or spec.option(self.name) is not None

    def validate(self, spec: ShellSpec) -> None:
        given = spec.option(self.name, "block")
        if isinstance(given, dict):
            scheme, value = str(given.get("scheme", "")), str(given.get("value") or "")
        else:
            scheme, _, value = str(given).partition(":")
        schemes = dict(SCHEMES)
        for plugin in spec.plugins:
            schemes.update(plugin.taskmaps)
        if scheme not in schemes:
            raise BournError(
                f"-o taskmap={scheme}: there is no such scheme{nearest(scheme, schemes)}; "
                f"right is {', '.join(schemes)}"
            )
        if scheme == "hostfile":
            value = os.path.join(spec.cwd, value)
        spec.data[self.name] = (scheme, value, schemes[scheme])

    def init(self, job: ShellJob) -> None:
        scheme, value, lay_out = job.spec.data[self.name]
        place = job.place
        if place.nnodes == 1 and scheme in ("block", "cyclic"):
            return
        if scheme != "block":
            job.lay_out(_checked(scheme, lay_out, job.taskmap(), value, place.hosts))
        if place.nodeid == 0:
            text = '{"timestamp":%.6f,"name":"shell.taskmap","context":{"taskmap":%s}}\n'
            job.log("guest.exec.eventlog", text % (time.time(), job.taskmap()))


def block(blocks: TaskMap, value: str, hosts: str) -> TaskMap:
    """Fill one node after the other."""
    return blocks


def cyclic(blocks: TaskMap, value: str, hosts: str) -> TaskMap:
    """Deal tasks out in turn, `value` (default 1) at a time, to the nodes that have room left."""
    stride = int(value or 1) if (value or "1").isdigit() else 0
    if stride < 1:
        raise BournError(f"-o taskmap=cyclic:{value}: the stride is a number from 1")
    room = [blocks.ntasks_on(node) for node in range(blocks.nnodes)]
    nodes: list[int] = []
    while any(room):
        for node, left in enumerate(room):
            take = min(stride, left)
            nodes += [node] * take
            room[node] -= take
    return TaskMap.from_nodes(nodes)


def manual(blocks: TaskMap, value: str, hosts: str) -> TaskMap:
    """Take the map that the user gives, in any form of RFC 34."""
    return TaskMap(value)


def hostfile(blocks: TaskMap, value: str, hosts: str) -> TaskMap:
    """Task n goes to the host on line n of a file (a line may be a hostlist); from the start again at its
    end."""
    from bourn.model.hostlist import Hostlist

    try:
        with open(value, encoding="utf-8") as file:
            lines = [line.partition("#")[0].strip() for line in file]
    except (OSError, UnicodeDecodeError) as error:
        raise BournError(f"-o taskmap=hostfile: {value}: {getattr(error, 'strerror', error)}") from error
    named = [host for line in lines if line for host in Hostlist(line)]
    if not named:
        raise BournError(f"-o taskmap=hostfile: {value} names no hosts")
    known = {host: node for node, host in enumerate(Hostlist(hosts))}
    nodes = []
    for task in range(blocks.ntasks):
        host = named[task % len(named)]
        if host not in known:
            raise BournError(
                f"-o taskmap=hostfile: {value}: {host} is none of the job's hosts ({','.join(known)})"
            )
        nodes.append(known[host])
    return TaskMap.from_nodes(nodes)


SCHEMES: dict[str, Scheme] = {"block": block, "cyclic": cyclic, "hostfile": hostfile, "manual": manual}


def _checked(scheme: str, lay_out: Scheme, blocks: TaskMap, value: str, hosts: str) -> TaskMap:
    made = lay_out(blocks, value, hosts)
    what = f"-o taskmap={scheme}{':' if value else ''}{value}"
    if made.ntasks != blocks.ntasks:
        raise BournError(f"{what}: the map has {made.ntasks} tasks, the job {blocks.ntasks}")
    if made.nnodes > blocks.nnodes:
        raise BournError(f"{what}: the map has {made.nnodes} nodes, the job {blocks.nnodes}")
    empty = [str(node) for node in range(blocks.nnodes) if not made.ntasks_on(node)]
    if empty:
        raise BournError(f"{what}: it leaves node {','.join(empty)} of the job without tasks")
    return made


@hookimpl
def bourn_shell_plugins() -> Iterable[ShellPlugin]:
    """Register the plugin."""
    yield Taskmap()
