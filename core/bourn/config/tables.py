"""The tables of an instance's configuration: one attrs class each, with every key, its default and its
meaning.

A key is its field's name with dashes: `kill_timeout` is ``kill-timeout``. docs/configuration.md is made from
this file. A table that a plugin's module reads is described by the plugin
(`bourn.hookspecs.modules.ModuleSpec.config`).
"""

from __future__ import annotations

from math import inf
from typing import Any, Literal

from attrs import Factory, field, frozen, validators

from bourn.config.types import Seconds  # noqa: TC001

__all__ = [
    "TABLES",
    "AccessTable",
    "BootHost",
    "BootstrapTable",
    "ExecMock",
    "ExecTable",
    "HeartbeatTable",
    "IngestTable",
    "JobDefaults",
    "JobManagerTable",
    "JobSize",
    "JobspecPolicy",
    "Limits",
    "PluginsTable",
    "PolicyTable",
    "QueueTable",
    "RequireInstance",
    "ResourceHost",
    "ResourceTable",
    "SchedulerTable",
    "ScriptTable",
    "SigningTable",
    "SizeLimit",
    "StoreTable",
]


@frozen
class AccessTable:
    """Who may use the instance besides its owner."""

    allow_guest_user: bool = False
    """Whether other users may connect, submit jobs and manage their own."""
    allow_root_owner: bool = False
    """Whether root may act as the owner."""
    admins: tuple[str, ...] = ()
    """User names with the role ADMIN: they may manage everybody's jobs, queues and nodes."""


@frozen
class BootHost:
    """Hosts of the instance, one broker each."""

    host: str
    """Host name or list, as ``"node[0-15]"``."""
    bind: str = ""
    """Where its broker listens, as ``"tcp://10.0.0.1:8050"``."""
    connect: str = ""
    """Where others find it."""
    parent: str = ""
    """The host whose broker is its parent."""


@frozen
class BootstrapTable:
    """How the brokers of an instance find one another, and its hosts where each starts its own broker. Ranks
    follow the order of the hosts."""

    method: str = ""
    """Name of the boot method; by default whichever finds that it was used."""
    timeout: Seconds = field(default=300.0, validator=validators.gt(0))
    """How long brokers that one launcher starts wait until all have come. For those of a list of hosts
    ``[tbon] connect-timeout`` counts."""
    ssh: str = ""
    """The command, with options, by which the method ``ssh`` runs another one on a host; by default what
    BOURN_SSH says, else ``ssh``."""
    directory: str = ""
    """Where brokers that have no other way exchange their certificates: a directory that all hosts see and
    only you can use. By default ``~/.cache/bourn/boot``."""
    hosts: tuple[BootHost, ...] = ()
    """The first is rank 0. If any names a parent, the others' is rank 0; else ``[tbon] topology`` counts."""
    default_port: int = 8050
    default_bind: str = "tcp://0.0.0.0:%p"
    """``%h`` stands for the host's name, ``%p`` for the default port."""
    default_connect: str = "tcp://%h:%p"
    authority: str = ""
    """The file that ``bourn keygen`` made, the same on all hosts and readable by the owner only."""


@frozen
class HeartbeatTable:
    """The pulse of the instance."""

    period: Seconds = 2.0
    """How often rank 0 publishes ``heartbeat.pulse``. Who is still there, ``[tbon]`` has to say."""


@frozen
class PluginsTable:
    """Which installed plugins are used. Names are those that ``bourn plugins`` lists."""

    disable: tuple[str, ...] = ()
    """Plugins to leave out."""
    require: tuple[str, ...] = ()
    """Plugins without which the instance doesn't start."""
    order: tuple[str, ...] = ()
    """Plugins to put first, in this order; the others follow, stock ones first, then by name."""


@frozen
class ResourceHost:
    """Hosts and what each of them has."""

    hosts: str
    """Host name or list, as ``"node[0-15]"``."""
    cores: str = ""
    """Idset, as ``"0-47"``."""
    gpus: str = ""
    """Idset."""
    properties: tuple[str, ...] = ()
    """Words that jobs can ask for with ``--requires``."""


@frozen
class ResourceTable:
    """What the instance has to give. By default what the machine has, or what the parent instance gave."""

    path: str = ""
    """File that describes the resources."""
    reader: str = ""
    """Name of its format; by default as the file's suffix says."""
    config: tuple[ResourceHost, ...] = ()
    """The resources themselves, taken as given: ``[[resource.config]]``."""
    exclude: str = ""
    """Hosts or ranks that are never given to jobs: a host list or an idset."""
    verify: bool | None = None
    """Whether a node that has less than it should, or is another host, is drained; by default one is of which
    brokers have found out themselves what it has, and what is configured is taken as given."""
    assume_up: bool = False
    """Whether ranks without a broker count as up: for made-up resources."""
    end_poll: Seconds = field(default=60.0, validator=validators.ge(0))
    """Inside Slurm: how often it is asked for the end of the job, which ``scontrol update`` may move; more
    often when the end is near. 0 = never."""


@frozen
class RequireInstance:
    """From which size on a job must be an instance of its own (validator ``require-instance``)."""

    minnodes: int = 0
    """0 = no limit."""
    mincores: int = 0


@frozen
class IngestTable:
    """What happens to jobs when they are submitted."""

    frobnicators: tuple[str, ...] | None = None
    """Names of those in use, in order; by default those that are meant to be."""
    validators: tuple[str, ...] | None = None
    """Names of those in use, in order; by default those that are meant to be."""
    require_instance: RequireInstance = Factory(RequireInstance)
    max_jobs: int = 0
    """How many jobs one request may submit; 0 = no limit."""


@frozen
class JobDefaults:
    """What a jobspec gets if it doesn't say."""

    system: dict[str, Any] = Factory(dict)
    """Below ``attributes.system``: ``duration``, ``queue`` and so on."""


@frozen
class JobspecPolicy:
    """What the instance adds to jobspecs."""

    defaults: JobDefaults = Factory(JobDefaults)


@frozen
class JobSize:
    """A size of jobs; a number that is left out isn't limited."""

    nnodes: int | None = None
    ncores: int | None = None
    ngpus: int | None = None


@frozen
class SizeLimit:
    """From which size to which size jobs may be."""

    max: JobSize = Factory(JobSize)
    min: JobSize = Factory(JobSize)


@frozen
class Limits:
    """What jobs may ask for."""

    duration: Seconds | None = None
    """The longest time limit."""
    job_size: SizeLimit = Factory(SizeLimit)


@frozen
class PolicyTable:
    """Defaults and limits for all jobs, or for those of a queue."""

    jobspec: JobspecPolicy = Factory(JobspecPolicy)
    limits: Limits = Factory(Limits)


@frozen
class QueueTable:
    """A queue, ``[queues.NAME]``."""

    requires: tuple[str, ...] = ()
    """Properties that its nodes have."""
    policy: PolicyTable = Factory(PolicyTable)
    """Defaults and limits that come before those of ``[policy]``."""
    parent: str = ""
    """A queue of the parent instance, for a queue of a child."""
    queue_policy: str = ""
    """In place of ``[scheduler] queue-policy``."""
    queue_depth: int | None = None
    reservation_depth: int | None = None
    match_policy: str = ""
    """In place of ``[scheduler] match-policy``; queues of all policies share one graph."""
    allow_users: tuple[str, ...] = ()
    """Users who may submit to it; with neither this nor `allow-groups` everybody may. The owner always
    may."""
    allow_groups: tuple[str, ...] = ()
    """Groups whose members may."""
    started: bool = True
    """Whether it is started when the instance comes up for the first time."""


@frozen
class SchedulerTable:
    """How jobs get resources. Which scheduler there is says ``[modules] sched``."""

    queue_policy: str = "easy"
    queue_depth: int | None = None
    """How many pending jobs that can't start a pass looks at; by default as the policy says."""
    reservation_depth: int | None = None
    """How many of them may have a reservation; by default as the policy says."""
    match_policy: str = "first"
    """Which of the resources that fit a job gets."""
    policy_fault: Literal["default", "refuse"] = "default"
    """What becomes of a job whose match or queue policy fails: it goes on by ids, or as ``easy``; or it is
    refused."""
    queue_options: dict[str, Any] = Factory(dict)
    """What the queue policy that is named here takes, if it is one of your own."""
    match_options: dict[str, Any] = Factory(dict)
    """What the match policy that is named here takes."""
    load_file: str = ""
    """Description of the resource graph; by default what ``[resource] path`` says, or it is made from R."""
    load_format: str = ""
    """Name of its format; by default as the file's suffix says. ``hwloc-live`` needs no file."""
    load_allowlist: tuple[str, ...] = ()
    """Types that are read of an hwloc description; by default nodes, groups, NUMA nodes, sockets, cores and
    GPUs."""


@frozen
class ExecMock:
    """Jobs that don't run (exec method ``mock``)."""

    run_duration: Seconds = 0.0
    """How long each takes; 0 = no time."""
    wait_status: int = 0
    """How each ends, as of wait(2)."""
    start_fails: str = ""
    """Reason for which each fails to start; for tests."""


@frozen
class ExecTable:
    """How jobs are run."""

    method: str = "shell"
    """Name of an exec method."""
    kill_timeout: Seconds = 5.0
    """How long a job that is ended has before it is killed; doubled each time that it must be repeated."""
    max_kill_count: int = 8
    """After so many kills the job's nodes are drained."""
    barrier_timeout: Seconds = 1800.0
    """How long the nodes of a job wait at its start for the last of them; then it fails."""
    term_signal: str = "SIGTERM"
    kill_signal: str = "SIGKILL"
    linger: Seconds = 30.0
    """With a state directory: how long a shell host whose broker has died keeps its jobs before it ends them,
    and how long rank 0 waits for a rank that was lost to come back with its jobs."""
    kept_linger: Seconds = 86400.0
    """The same after `bourn shutdown --keep-jobs`."""
    spool_limit: int = 1 << 30
    """How many bytes of what jobs write a shell host keeps on disk while no broker is there; beyond it, jobs
    wait to write."""
    host_timeout: Seconds = 60.0
    """After how long a shell host that says nothing, though asked, is killed, and its jobs fail."""
    mock: ExecMock = Factory(ExecMock)


@frozen
class ScriptTable:
    """A command of the administrator around a job, run on rank 0."""

    command: tuple[str, ...] = ()
    """Program and arguments; empty = none."""
    timeout: Seconds = 1800.0
    kill_timeout: Seconds = 10.0
    """How long it has to end after SIGTERM before it is killed."""
    cancel_on_exception: bool = True
    """Whether an exception of the job ends its prolog."""


@frozen
class HousekeepingTable:
    """A command of the administrator after a job, on each of its nodes, before others get them."""

    command: tuple[str, ...] = ()
    """Program and arguments; empty = none."""
    release_after: Seconds = inf
    """After how long nodes that are done no longer wait for the job's others; by default they always do."""
    timeout: Seconds = 1800.0
    """How long it may take before the node is drained."""


@frozen
class JobManagerTable:
    """The life of jobs."""

    plugins: tuple[str, ...] = ()
    """Job plugins to use besides those that are in use by default."""
    inactive_age_limit: Seconds = inf
    """How long jobs that are over are kept."""
    inactive_num_limit: int | None = None
    """How many of them are kept."""
    priority_policy: str = "urgency"
    """Name of a priority policy."""
    priority: dict[str, Any] = Factory(dict)
    """What the policy takes."""
    prolog: ScriptTable = Factory(ScriptTable)
    epilog: ScriptTable = Factory(ScriptTable)
    housekeeping: HousekeepingTable = Factory(HousekeepingTable)


@frozen
class StoreTable:
    """Where rank 0 keeps what must survive it."""

    backend: str = ""
    """Name of a store; by default ``sqlite`` with a state directory, else ``memory``."""
    synchronous: Literal["off", "normal", "full"] = "normal"
    """``normal`` survives the end of any process; ``full`` also a loss of power."""
    options: dict[str, Any] = Factory(dict)
    """What a store of your own takes."""


@frozen
class SigningTable:
    """How submissions are signed."""

    allowed: tuple[str, ...] = ("none",)
    """Those that are accepted. ``none`` is accepted from the instance's owner only."""
    options: dict[str, Any] = Factory(dict)


TABLES: dict[str, Any] = {
    "access": AccessTable,
    "bootstrap": BootstrapTable,
    "exec": ExecTable,
    "heartbeat": HeartbeatTable,
    "ingest": IngestTable,
    "job-manager": JobManagerTable,
    "modules": dict[str, str],
    "plugin": dict[str, dict[str, Any]],
    "plugins": PluginsTable,
    "policy": PolicyTable,
    "queues": dict[str, QueueTable],
    "resource": ResourceTable,
    "scheduler": SchedulerTable,
    "signing": SigningTable,
    "store": StoreTable,
}
"""The tables that Bourn itself knows. ``modules`` maps services to the modules that provide them;
``[plugin.NAME]`` is for plugins that aren't modules, who read it with ``config.table("plugin.NAME",
SomeClass)``."""
