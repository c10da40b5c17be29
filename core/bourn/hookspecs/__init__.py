"""The contract between Bourn and its plugins: one module per extension point.

A plugin is any module (or object) that a distribution names under the entry-point group ``bourn.plugins``,
``bourn.policies``, ``bourn.shell_plugins`` or ``bourn.cli_plugins``. It implements hooks: plain functions
marked with `hookimpl` that return typed objects. Bourn calls a hook once, keeps the objects, and uses those
from then on.

Rules that hold for every hook:

* A hook is synchronous and quick: it *registers*. Asynchronous work lives in the objects that it returns.
* It returns any iterable; a generator is fine.
* Order: stock plugins first, then by entry-point name; ``[plugins] order`` in TOML moves plugins to the
  front.
* An exception leaves this one plugin's objects out and is recorded with the plugin's name and version (see
  ``bourn plugins``); all others go on. A plugin under ``[plugins] require`` stops the start instead.
* Two objects of one name at one extension point: the first in order is kept, and both owners are reported.

In the order of an instance's life:

====================== =================================================== ============================
module                 what it adds                                        called in
====================== =================================================== ============================
`boot`                 how brokers find rank, size and one another         broker, every rank
`store`                where rank 0 keeps durable state                    broker, rank 0
`modules`              services                                            broker, every rank
`resource_io`          formats of resources: readers and writers           broker, command line
`signing`              how a submission proves who made it                 broker, rank 0
`ingest`               defaults for, and refusal of, submitted jobs        broker
`job_plugins`          what happens in a job's life                        broker, rank 0
`accounting`           who may use how much                                not in this version
`priority`             which job is more urgent                            broker, rank 0
`queue_policy`         which jobs are tried, which get a reservation       broker, rank 0; simulator
`match_policy`         which resources a job gets                          broker, rank 0; simulator
`distribution`         which child instance gets a job                     broker, rank 0
`exec_method`          how a job is started                                broker, rank 0
`shell`                what happens around a task                          shell host, as the user
`uri`                  how to find another instance                        client
`cli`                  commands and options                                command line
====================== =================================================== ============================
"""

from pluggy import HookimplMarker, HookspecMarker

__all__ = ["CLI_GROUP", "GROUPS", "HOOKS", "POINTS", "SHELL_GROUP", "hookimpl", "hookspec"]

hookspec = HookspecMarker("bourn")
"""Marks a function as the specification of a hook (Bourn's own use)."""

hookimpl = HookimplMarker("bourn")
"""Marks a plugin's function as the implementation of the hook of the same name."""

GROUPS = ("bourn.plugins", "bourn.policies")
"""The entry-point groups that a broker loads, in load order."""

SHELL_GROUP = "bourn.shell_plugins"
"""The group that a shell host loads, and nobody else."""

CLI_GROUP = "bourn.cli_plugins"
"""The group that the command line loads, and nobody else, so that no command pays for the broker's
plugins."""

HOOKS: dict[str, tuple[str, str]] = {
    "bourn_boot_methods": ("boot", "BootMethod"),
    "bourn_stores": ("store", "StoreBackend"),
    "bourn_modules": ("modules", "ModuleSpec"),
    "bourn_resource_readers": ("resource_io", "ResourceReader"),
    "bourn_resource_writers": ("resource_io", "ResourceWriter"),
    "bourn_signers": ("signing", "SigningMechanism"),
    "bourn_frobnicators": ("ingest", "Frobnicator"),
    "bourn_validators": ("ingest", "Validator"),
    "bourn_job_plugins": ("job_plugins", "JobPlugin"),
    "bourn_accountings": ("accounting", "AccountingSpec"),
    "bourn_priority_policies": ("priority", "PriorityPolicySpec"),
    "bourn_queue_policies": ("queue_policy", "QueuePolicySpec"),
    "bourn_match_policies": ("match_policy", "MatchPolicySpec"),
    "bourn_distribution_policies": ("distribution", "DistributionPolicySpec"),
    "bourn_exec_methods": ("exec_method", "ExecMethodSpec"),
    "bourn_shell_plugins": ("shell", "ShellPlugin"),
    "bourn_uri_resolvers": ("uri", "UriResolver"),
    "bourn_cli_commands": ("cli", "CliCommand"),
    "bourn_cli_options": ("cli", "CliOption"),
}
"""Each hook with the module here that specifies it and the type that it returns; a module is imported when a
plugin implements one of its hooks, so that no process pays for the extension points it doesn't use."""

POINTS = (*dict.fromkeys(module for module, _ in HOOKS.values()), "sched")
"""The modules of this package, in the order of an instance's life; `sched` has Protocols and no hook."""
