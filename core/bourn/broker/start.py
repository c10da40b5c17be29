"""`bourn start`: this process becomes rank 0 of a new instance and runs a program in it."""

from __future__ import annotations

import errno
import json
import os
import resource
import socket
import sys
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import trio
from attrs import Factory, define

from bourn._version import __version__
from bourn.abandoned import let_go, note
from bourn.allocation import allocation
from bourn.broker.attributes import Attributes
from bourn.broker.broker import Broker
from bourn.broker.failure import leaves, one_line
from bourn.broker.initial import InitialProgram, StartFailed, environment
from bourn.broker.launch import Told, linked, open_session, serve
from bourn.broker.logring import LogRing
from bourn.broker.nesting import as_job, find_parent, refuse_several
from bourn.broker.rundir import leave, make_rundir, succeed
from bourn.broker.settings import ConnectorTable, TbonTable
from bourn.broker.signals import Signals
from bourn.errors import BournError
from bourn.hookspecs.boot import LAUNCHER
from bourn.model.jobid import JobID

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bourn.broker.brood import Brood, Member
    from bourn.broker.nesting import Parent
    from bourn.config import Config
    from bourn.hookspecs.boot import BootSession
    from bourn.hookspecs.modules import ModuleSpec
    from bourn.plugins import PluginManager


MANY_FILES = 65536
_OF_SESSION = ("hostname", "hostlist", "jobid", "parent-uri", "instance-level", "boot.hosts-stay")
"""Attributes that a boot method knows better than the broker."""


@define
class StartOptions:
    """What the command line of `bourn start` says.

    Attributes given with `-S` that mean something here: `statedir`, `rundir`, `instance-level`,
    `broker.recovery` (no jobs are run), `broker.cleanup` (`cancel`, the default, or `keep`),
    `broker.cleanup-timeout` (a duration, 5m by default),
    `broker.rc2_none` (1: no initial program; the instance is up until it is told to end), `log-stderr-level`.
    """

    command: list[str] = Factory(list)
    """The initial program; the user's shell where it is empty."""
    config_paths: list[str] = Factory(list)
    """TOML files, or directories of them (`-c`)."""
    conf: list[str] = Factory(list)
    """Overrides `table.key=value` (`--conf`)."""
    attrs: dict[str, str] = Factory(dict)
    """Broker attributes (`-S`)."""
    test_size: int = 1
    """How many brokers (`-s`)."""


def run_start(options: StartOptions) -> int:
    """Run an instance to its end and return its exit status: that of the initial program, 128 + N for
    signal N.
    """
    if options.test_size < 1:
        raise BournError(f"--test-size {options.test_size}: must be at least 1")
    statedir = _statedir(options.attrs.get("statedir"))
    with one_line(statedir):
        return _run(options, statedir)


def _run(options: StartOptions, statedir: Path | None) -> int:
    from bourn.config import load_config
    from bourn.config.tables import AccessTable

    _allow_many_files()
    config, plugins, specs = _prepare(options)
    session = _session(options, config, plugins)
    if session is None:
        on_purpose = options.attrs.get("broker.boot-method") == "single" or options.test_size > 1
        refuse_several(os.environ, on_purpose=on_purpose)
    parent = find_parent(os.environ, 0 if session is None else session.rank)
    guests = config.table("access", AccessTable).allow_guest_user
    rundir, made = make_rundir(_rundir(options, session), os.environ, guests=guests)
    job_tmpdir = os.environ.get("BOURN_JOB_TMPDIR")
    noted = note(job_tmpdir, str(rundir)) if job_tmpdir else ""

    def reload() -> Config:
        return load_config(options.config_paths, _overrides(options), _tables(specs))

    def broker_of(session: BootSession | None, rundir: Path) -> Broker:
        rank, size = (0, 1) if session is None else (session.rank, session.size)
        logring = LogRing(rank, stderr_level=_level(options.attrs.get("log-stderr-level", "warning")))
        logring.install()
        return Broker(
            config=config,
            plugins=plugins,
            rundir=rundir,
            statedir=statedir,
            attrs=_attributes(options, rundir, statedir, session, parent),
            logring=logring,
            rank=rank,
            size=size,
            reload=reload,
            tables=_tables(specs),
        )

    command = options.command or [os.environ.get("SHELL") or "/bin/sh"]
    if options.attrs.get("broker.rc2_none", "0") != "0":
        command = []
    program = InitialProgram(command, environment(os.environ, f"local://{rundir / 'local'}"))
    brood: Brood | None = None
    rank = 0 if session is None else session.rank

    def clean(*, at_once: bool = False) -> None:
        program.reap_group()
        if brood is not None:
            (brood.kill if at_once else brood.finish)()
        _remove(rundir, whole=made)
        if noted:
            with suppress(OSError):
                os.unlink(noted)
        if statedir is not None:
            leave(statedir, rundir, rank)

    try:
        if options.test_size > 1:
            session = brood = _fork_others(
                options, config, specs, broker_of, parent, rundir, statedir, guests=guests
            )
        with Signals(at_once=partial(clean, at_once=True)) as signals:
            broker = broker_of(session, rundir)
            try:
                return trio.run(_instance, broker, specs, program, signals, made, session, parent)
            except BaseException as error:
                stopped = _stopped(error)
                if stopped is None or signals.received is None:
                    raise
                print(f"bourn-start: error: {stopped.message}", file=sys.stderr, flush=True)
                return 128 + signals.received
    except Told:
        return 1
    finally:
        clean()


def _stopped(error: BaseException) -> BournError | None:
    """Return what is to be said of a broker that was told to end before it was up."""
    found = [cause for cause in leaves(error) if isinstance(cause, BournError)]
    return next((cause for cause in found if cause.errnum == errno.EINTR), found[0] if found else None)


async def _instance(
    broker: Broker,
    specs: list[ModuleSpec],
    program: InitialProgram,
    signals: Signals,
    made: bool,
    session: BootSession | None,
    parent: Parent | None,
) -> int:
    signals.connect(trio.lowlevel.current_trio_token(), broker.stop)
    signals.forward(program.signal)
    if session is not None and broker.rank:
        async with linked(broker, session, parent) as up, broker.running(specs):
            if broker.statedir is not None and made:
                succeed(broker.statedir, broker.rundir, broker.rank)
            await up()
            return await serve(broker, session, signals)
    async with (
        linked(broker, session, parent) as up,
        broker.running(specs),
        as_job(parent, broker, program),
    ):
        await up()
        if broker.statedir is not None and made:
            succeed(broker.statedir, broker.rundir)
        signals.ignore_interrupt = not program.own_group
        try:
            status = await program.run(broker.stopping)
        except StartFailed as error:
            print(f"bourn-start: error: {error.message}", file=sys.stderr, flush=True)
            status = error.status
        finally:
            signals.ignore_interrupt = False
            program.reap_group()
    if signals.received is not None:
        return 128 + signals.received
    # A program that was ended because someone asked the instance to shut down hasn't failed.
    return 0 if program.was_ended else status


def _session(options: StartOptions, config: Config, plugins: PluginManager) -> BootSession | None:
    """Return the session of the boot method that this process was started by, None for a single broker."""
    from bourn.config.tables import BootstrapTable

    environ = dict(os.environ)
    told = os.environ.pop(LAUNCHER, "")
    for name in ("test-size", "broker.recovery", "broker.boot-method"):
        if told and (name in options.attrs or (name == "test-size" and options.test_size > 1)):
            raise BournError(
                f"{LAUNCHER} is set: a launcher has this broker start by boot method "
                f"'{told.partition(':')[0]}', and {name} says otherwise"
            )
    if options.test_size > 1 or "broker.recovery" in options.attrs:
        return None
    if "hostname" in options.attrs:
        environ["BOURN_HOSTNAME"] = options.attrs["hostname"]
    wanted = options.attrs.get("broker.boot-method") or config.table("bootstrap", BootstrapTable).method
    return open_session(wanted, environ, config, plugins)


def _rundir(options: StartOptions, session: BootSession | None) -> str | None:
    """Return the directory that `-S rundir=` names; brokers that share a host can't share it."""
    given = options.attrs.get("rundir")
    if given and session is not None and session.rank:
        return os.path.join(given, f"rank-{session.rank}")
    return given


def _fork_others(
    options: StartOptions,
    config: Config,
    specs: list[ModuleSpec],
    broker_of: Callable[[BootSession | None, Path], Broker],
    parent: Parent | None,
    rundir: Path,
    statedir: Path | None,
    *,
    guests: bool,
) -> Brood:
    """Start the ranks but 0 of a test instance, each with a run directory in that of rank 0."""
    from bourn.broker.boot import BIND, INSTANCE
    from bourn.broker.brood import Brood
    from bourn.broker.order import choose
    from bourn.broker.overlay.topology import parse_topology
    from bourn.config.tables import BootstrapTable

    # What all would complain of is said once.
    parse_topology(config.table("tbon", TbonTable).topology, options.test_size)
    choose(specs, config.raw.get("modules") or {}, 0)
    attributes = {INSTANCE: os.urandom(16).hex(), BIND: "127.0.0.1:0"}

    def run(member: Member) -> int:
        own, _ = make_rundir(str(rundir / f"rank-{member.rank}"), {}, guests=guests)

        def clean() -> None:
            _remove(own, whole=True)
            if statedir is not None:
                leave(statedir, own, member.rank)
            if os.getppid() != launcher:
                _remove(rundir, whole=True)  # rank 0 can't any more

        try:
            with Signals(at_once=clean) as signals, one_line(statedir):
                broker = broker_of(member, own)
                trio.run(_member, broker, specs, signals, member, parent)
                return 0
        finally:
            clean()

    launcher = os.getpid()
    for spec in specs:
        if spec.ranks == "all":
            spec.preload()
    brood = Brood(options.test_size, attributes, config.table("bootstrap", BootstrapTable).timeout)
    brood.fork(run)
    return brood


async def _member(
    broker: Broker,
    specs: list[ModuleSpec],
    signals: Signals,
    member: Member,
    parent: Parent | None,
) -> None:
    signals.connect(trio.lowlevel.current_trio_token(), broker.stop)
    async with linked(broker, member, parent) as up, broker.running(specs):
        await up()
        await broker.stopping.wait()


def _prepare(options: StartOptions) -> tuple[Config, PluginManager, list[ModuleSpec]]:
    """Load configuration and plugins; the modules' tables being known then, check the configuration."""
    from bourn.config import load_config
    from bourn.plugins import PluginManager

    config = load_config(options.config_paths, _overrides(options))
    plugins = PluginManager()
    plugins.load(config, groups=("bourn.plugins", "bourn.policies"))
    specs = [spec for _, spec in plugins.collect("bourn_modules")]
    config.check(_tables(specs))
    return config, plugins, specs


def _overrides(options: StartOptions) -> list[str]:
    """Return the overrides; an attribute that has a key of its own is one, and goes where the others go."""
    topology = options.attrs.get("tbon.topo")
    return options.conf if topology is None else [*options.conf, f"tbon.topology={json.dumps(topology)}"]


def _allow_many_files() -> None:
    """Raise the soft limit on open files: each client is one, and a thousand may come."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MANY_FILES if hard == resource.RLIM_INFINITY else min(MANY_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _tables(specs: list[ModuleSpec]) -> dict[str, Any]:
    tables: dict[str, Any] = {
        spec.config_table: spec.config for spec in specs if spec.config_table and spec.config
    }
    return {**tables, "connector": ConnectorTable, "tbon": TbonTable}


def _statedir(wanted: str | None) -> Path | None:
    from pathlib import Path

    if wanted is None:
        return None
    if not wanted:
        raise BournError("-S statedir=: name a directory")
    path = Path(wanted).absolute()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError:
        raise BournError(f"statedir {path}: not a directory") from None
    except OSError as error:
        raise BournError(f"statedir {path}: can't be made: {error.strerror}", error.errno) from None
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise BournError(f"statedir {path}: can't be written to")
    return path


def _level(name: str) -> int:
    import logging

    from bourn.broker.logring import LEVELS
    from bourn.errors import suggest

    if name not in LEVELS:
        raise BournError(f"log-stderr-level '{name}': no such level{suggest(name, LEVELS)}")
    return int(logging.getLevelName(name.upper()))


def _attributes(
    options: StartOptions,
    rundir: Path,
    statedir: Path | None,
    session: BootSession | None,
    parent: Parent | None,
) -> Attributes:
    attrs = Attributes()
    size = 1 if session is None else session.size
    given = {} if session is None else {k: v for k, v in session.attributes.items() if k in _OF_SESSION}
    if session is not None and "broker.quorum" in session.attributes:
        attrs.set("broker.quorum", session.attributes["broker.quorum"])
    hostname = allocation(os.environ).hostname or socket.gethostname().partition(".")[0]
    fixed: dict[str, object] = {
        "rank": 0 if session is None else session.rank,
        "size": size,
        "local-uri": f"local://{rundir / 'local'}",
        "rundir": rundir,
        "version": __version__,
        "broker.pid": os.getpid(),
        "broker.starttime": f"{time.time():.6f}",
        "hostname": hostname,
        **({"hostlist": hostname} if session is None else {}),
        **given,
        "security.owner": os.getuid(),
    }
    if statedir is not None:
        fixed["statedir"] = statedir
    if options.config_paths:
        fixed["config.path"] = ":".join(options.config_paths)
    uri = parent.uri if parent is not None else os.environ.get("BOURN_URI")
    if uri:
        fixed["parent-uri"] = uri
    if parent is not None:
        fixed["jobid"] = JobID(parent.jobid)
    fixed["instance-level"] = options.attrs.get("instance-level") or (parent.level + 1 if parent else 0)
    for name, value in fixed.items():
        attrs.set(name, value, fixed=True)
    for name, value in options.attrs.items():
        if (
            name in fixed
            and str(fixed[name]) != value
            and name
            not in (
                "statedir",
                "rundir",
                "hostlist",
                "hostname",
            )
        ):
            raise BournError(f"-S {name}={value}: the broker sets this attribute itself")
        if name not in fixed and name != "tbon.topo":
            attrs.set(name, value)
    return attrs


def _remove(rundir: Path, *, whole: bool) -> None:
    """Remove the run directory, or of one that was given only the socket."""
    if whole:
        import shutil

        shutil.rmtree(rundir, ignore_errors=True)
        let_go(str(rundir))
    else:
        (rundir / "local").unlink(missing_ok=True)
