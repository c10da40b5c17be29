"""What authors of plugins test with: fakes that look real, a broker in memory, and a check for each extension
point.

    from bourn.testing import check_validator

    def test_mine():
        check_validator(VALIDATOR, accepts=[...], refuses=[...])

A check raises AssertionError with a sentence that says what is wrong. pytest fixtures are in
`bourn.testing.plugin`; this package itself doesn't need pytest. Names are imported when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bourn._late import late

if TYPE_CHECKING:
    from bourn.testing.broker import MemoryBroker, memory_broker
    from bourn.testing.distributions import fake_distribution
    from bourn.testing.edges import (
        check_accounting,
        check_boot_method,
        check_cli_command,
        check_cli_option,
        check_signer,
        check_uri_resolver,
    )
    from bourn.testing.exec import FakeExecPort, check_exec_method
    from bourn.testing.ingest import check_frobnicator, check_validator
    from bourn.testing.jobs import FakeJob, FakeJobManager, check_job_plugin
    from bourn.testing.modules import check_module
    from bourn.testing.policies import (
        check_distribution_policy,
        check_match_policy,
        check_priority_policy,
        check_queue_policy,
    )
    from bourn.testing.resources import RecordingBuilder, check_reader, check_writer
    from bourn.testing.samples import alloc_request, jobspec, resource_set, submit_info
    from bourn.testing.sched import FakeSchedClient, check_scheduler
    from bourn.testing.shell import check_shell_plugin
    from bourn.testing.store import check_store
    from bourn.testing.workload import check_policies_at_work

_WHERE = {
    "FakeExecPort": "exec",
    "FakeJob": "jobs",
    "FakeJobManager": "jobs",
    "FakeSchedClient": "sched",
    "MemoryBroker": "broker",
    "RecordingBuilder": "resources",
    "alloc_request": "samples",
    "check_accounting": "edges",
    "check_boot_method": "edges",
    "check_cli_command": "edges",
    "check_cli_option": "edges",
    "check_distribution_policy": "policies",
    "check_exec_method": "exec",
    "check_frobnicator": "ingest",
    "check_job_plugin": "jobs",
    "check_match_policy": "policies",
    "check_module": "modules",
    "check_policies_at_work": "workload",
    "check_priority_policy": "policies",
    "check_queue_policy": "policies",
    "check_reader": "resources",
    "check_scheduler": "sched",
    "check_shell_plugin": "shell",
    "check_signer": "edges",
    "check_store": "store",
    "check_uri_resolver": "edges",
    "check_validator": "ingest",
    "check_writer": "resources",
    "fake_distribution": "distributions",
    "jobspec": "samples",
    "memory_broker": "broker",
    "resource_set": "samples",
    "submit_info": "samples",
}

__all__ = [
    "CHECKS",
    "FakeExecPort",
    "FakeJob",
    "FakeJobManager",
    "FakeSchedClient",
    "MemoryBroker",
    "RecordingBuilder",
    "alloc_request",
    "check_accounting",
    "check_boot_method",
    "check_cli_command",
    "check_cli_option",
    "check_distribution_policy",
    "check_exec_method",
    "check_frobnicator",
    "check_job_plugin",
    "check_match_policy",
    "check_module",
    "check_policies_at_work",
    "check_priority_policy",
    "check_queue_policy",
    "check_reader",
    "check_scheduler",
    "check_shell_plugin",
    "check_signer",
    "check_store",
    "check_uri_resolver",
    "check_validator",
    "check_writer",
    "fake_distribution",
    "jobspec",
    "memory_broker",
    "resource_set",
    "submit_info",
]

CHECKS = {
    "bourn_accountings": "check_accounting",
    "bourn_boot_methods": "check_boot_method",
    "bourn_cli_commands": "check_cli_command",
    "bourn_cli_options": "check_cli_option",
    "bourn_distribution_policies": "check_distribution_policy",
    "bourn_exec_methods": "check_exec_method",
    "bourn_frobnicators": "check_frobnicator",
    "bourn_job_plugins": "check_job_plugin",
    "bourn_match_policies": "check_match_policy",
    "bourn_modules": "check_module",
    "bourn_priority_policies": "check_priority_policy",
    "bourn_queue_policies": "check_queue_policy",
    "bourn_resource_readers": "check_reader",
    "bourn_resource_writers": "check_writer",
    "bourn_shell_plugins": "check_shell_plugin",
    "bourn_signers": "check_signer",
    "bourn_stores": "check_store",
    "bourn_uri_resolvers": "check_uri_resolver",
    "bourn_validators": "check_validator",
}
"""The conformance check of each hook; schedulers, which are modules, have `check_scheduler` besides."""


__getattr__ = late(globals(), _WHERE)
