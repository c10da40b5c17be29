"""The conformance checks find what they are there to find, and say it."""

from __future__ import annotations

import os
import random

import pytest

from bourn.broker.module import Module
from bourn.errors import BournError
from bourn.hookspecs.cli import CliOption
from bourn.hookspecs.distribution import DistributionPolicySpec
from bourn.hookspecs.exec_method import ExecMethodSpec
from bourn.hookspecs.ingest import Frobnicator, Validator
from bourn.hookspecs.job_plugins import JobPlugin
from bourn.hookspecs.match_policy import MatchPolicySpec
from bourn.hookspecs.modules import ModuleSpec
from bourn.hookspecs.priority import PriorityPolicySpec
from bourn.hookspecs.queue_policy import Ask, QueuePolicySpec
from bourn.hookspecs.resource_io import ResourceReader, Resources, ResourceWriter
from bourn.hookspecs.shell import ShellPlugin
from bourn.hookspecs.signing import Signed, SigningMechanism
from bourn.hookspecs.uri import UriResolver
from bourn.plugins import PluginManager
from bourn.testing import (
    check_cli_option,
    check_distribution_policy,
    check_exec_method,
    check_frobnicator,
    check_job_plugin,
    check_match_policy,
    check_module,
    check_policies_at_work,
    check_priority_policy,
    check_queue_policy,
    check_reader,
    check_scheduler,
    check_shell_plugin,
    check_signer,
    check_uri_resolver,
    check_validator,
    check_writer,
)


def complaint(check, *args, **kwargs):
    with pytest.raises(AssertionError) as caught:
        check(*args, **kwargs)
    return str(caught.value)


def change(jobspec, info):
    jobspec["attributes"]["system"]["seen"] = True


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (lambda jobspec, info: True, "must return None or a text, not True"),
        (lambda jobspec, info: " ", "must give a reason, not an empty text"),
        (lambda jobspec, info: "a\nb", "must give its reason in one line"),
        (lambda jobspec, info: str(random.random()), "asked twice, it says"),
        (lambda jobspec, info: jobspec["attributes"]["system"]["queue"], "raised KeyError: 'queue'"),
        (change, "must not change the jobspec"),
    ],
)
def test_validators(check, text):
    assert text in complaint(check_validator, Validator("v", check))


def test_validators_must_refuse_and_accept_as_told():
    assert "must refuse" in complaint(check_validator, Validator("v", lambda j, i: None), refuses=[{}])
    assert "must accept" in complaint(check_validator, Validator("v", lambda j, i: "no"), accepts=[{}])


@pytest.mark.parametrize(
    ("apply", "text"),
    [
        (lambda jobspec, info: None, "must return the jobspec, not None"),
        (lambda jobspec, info: {}, "the result is not a jobspec"),
        (
            lambda j, i: (
                j["attributes"]["system"].update(duration=j["attributes"]["system"]["duration"] + 1) or j
            ),
            "applied to its own result it changes that again",
        ),
    ],
)
def test_frobnicators(apply, text):
    assert text in complaint(check_frobnicator, Frobnicator("f", apply))


def job_plugin(**callbacks):
    return type("Plugin", (JobPlugin,), {"name": "p", **callbacks})()


@pytest.mark.parametrize(
    ("callbacks", "text"),
    [
        ({}, "defines no callback"),
        ({"run": lambda self, job: None}, "run is called with (job, act), it takes (job)"),
        ({"run": lambda self, job, act: act.add_dependency(job.id, "x")}, "add_dependency was called in run"),
        (
            {"depend": lambda self, job, act: act.prolog_start(job.id, "x")},
            "prolog_start was called in depend",
        ),
        ({"new": lambda self, job, act: act.wake(self, 5.0, job.id)}, "defines no `wake`"),
        ({"priority_get": lambda self, job, act: -1}, "priority_get must return 0..4294967295 or None"),
        ({"validate": lambda self, job, act: 5}, "must return None or a text"),
        ({"run": lambda self, job, act: None, "events": frozenset({"memo"})}, "defines no `event`"),
    ],
)
def test_job_plugins(callbacks, text):
    assert text in complaint(check_job_plugin, job_plugin(**callbacks))


class Pass:
    def __init__(self, ask):
        self.ask = ask

    def told(self, job, outcome):
        pass


def queue_policy(ask, order=lambda job: (-job.priority, job.t_submit, job.id)):
    policy = type("Policy", (), {"begin": lambda self: Pass(ask), "order": lambda self, job: order(job)})
    return QueuePolicySpec("q", lambda options: policy())


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (queue_policy(lambda job: "allocate"), "ask must return an Ask"),
        (queue_policy(lambda job: Ask.ALLOCATE), "starves while small ones keep coming"),
        (queue_policy(lambda job: Ask.RESERVE, lambda job: job.priority), "the higher priority first"),
        (queue_policy(lambda job: random.choice([Ask.RESERVE, Ask.SKIP])), "two equal passes differ"),
    ],
)
def test_queue_policies(spec, text):
    assert text in complaint(check_queue_policy, spec)


@pytest.mark.parametrize(
    ("methods", "text"),
    [
        ({}, "exactly one of order, prefer and score; it has 0"),
        ({"order": lambda s, v: 0, "prefer": lambda s, x: 0}, "it has 2"),
        ({"order": lambda s, v: v.properties.get("perf_class", 0)}, "keys that can be sorted"),
        ({"prefer": lambda s, x: random.random()}, "answers differently when asked again"),
        ({"order": lambda s, v: v.id, "choose": lambda s, mask, count, groups: 0}, "choose() must return"),
        ({"prefer": lambda s, x: 1 if x.idle else "busy"}, "keys that can be sorted"),
    ],
)
def test_match_policies(methods, text):
    assert text in complaint(
        check_match_policy, MatchPolicySpec("m", lambda options: type("M", (), methods)())
    )


def test_policies_at_work():
    class Stuck(Told):
        def ask(self, job):
            return Ask.STOP if job.id == 7 else Ask.RESERVE

    class Forgetful(Told):
        """Reserves, and in the next pass leaves the first job out."""

        passes = 0

        def __init__(self):
            type(self).passes += 1

        def ask(self, job):
            return Ask.RESERVE if type(self).passes % 2 else Ask.SKIP

    for turn, text in ((Stuck, "wait while nothing runs and none comes"), (Forgetful, "policy work")):
        methods = {"begin": lambda self, turn=turn: turn(), "order": lambda self, job: job.id}
        spec = QueuePolicySpec("work", lambda options, methods=methods: type("W", (), methods)())
        assert text in complaint(check_policies_at_work, queue=spec)
    for spec in stock_policies("bourn_queue_policies"):
        check_policies_at_work(queue=spec, seeds=1)
    for spec in stock_policies("bourn_match_policies"):
        if not spec.node_exclusive:
            check_policies_at_work(match=spec, seeds=1)


class Told:
    def told(self, job, outcome):
        pass


def stock_policies(hook):
    plugins = PluginManager()
    plugins.load()
    return [spec for _, spec in plugins.collect(hook)]


@pytest.mark.parametrize(
    ("give", "text"),
    [(lambda j: -j.urgency, "must give 0.."), (lambda j: 31 - j.urgency, "less than urgency")],
)
def test_priority_policies(give, text):
    policy = type("P", (), {"priority": lambda self, job, now: give(job)})
    assert text in complaint(check_priority_policy, PriorityPolicySpec("p", lambda options: policy()))


@pytest.mark.parametrize(
    ("choice", "text"),
    [
        (7, "must return a position below"),
        (0, "of 2 equal children one got 120 of 120 jobs"),
        (None, "of 1 idle children none was given"),
    ],
)
def test_distribution_policies(choice, text):
    policy = type("D", (), {"choose": lambda self, job, children: choice})
    assert text in complaint(check_distribution_policy, DistributionPolicySpec("d", lambda options: policy()))


def test_modules():
    class Loud(Module):
        def stats(self):
            return None

    assert "stats" in complaint(check_module, ModuleSpec("loud", Loud))
    needy = ModuleSpec("needy", Module, requires=("store",))
    assert "give the check modules for what it requires: store" in complaint(check_module, needy)


def test_schedulers():
    assert "must provide sched" in complaint(check_scheduler, ModuleSpec("s", Module))
    lazy = ModuleSpec("s", Module, provides=("sched",))
    assert "lacks methods" in complaint(check_scheduler, lazy)


def test_exec_methods():
    class Hasty:
        def __init__(self, port):
            self.port = port

        def start(self, jobs):
            self.port.finished([(job.id, 1.0, 0) for job in jobs])

    with pytest.RaisesGroup(pytest.RaisesExc(AssertionError, match="without having been started")):
        check_exec_method(ExecMethodSpec("hasty", Hasty))


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (None, "must return Resources"),
        (Resources(), "found neither R nor a graph"),
        (Resources(build=lambda builder: None), "the graph has no vertex"),
        (Resources(build=lambda builder: builder.vertex("core", 5)), "unknown parent 5"),
        (Resources(build=lambda builder: builder.vertex("core")), "takes b'"),
    ],
)
def test_readers(found, text):
    assert text in complaint(check_reader, ResourceReader("r", lambda content, options: found), b"")


def test_writers():
    assert "must end with a newline" in complaint(check_writer, ResourceWriter("w", lambda selected: "x"))


def test_shell_plugins():
    class Wrong(ShellPlugin):
        name = "wrong"
        options = ("wrong",)

        def validate(self, spec):
            int(spec.option("wrong"))

    assert "-o wrong with a wrong value raises TypeError" in complaint(check_shell_plugin, Wrong())

    class Short(ShellPlugin):
        name = "short"

        def task_init(self, job):
            pass

    assert "task_init is called with (job, task), it takes (job)" in complaint(check_shell_plugin, Short())


def test_signers():
    class Trusting:
        def sign(self, payload, userid, recipient):
            return payload.hex()

        def verify(self, token, userid):
            try:
                return Signed(bytes.fromhex(token), userid, "trusting")
            except ValueError:
                raise BournError("not hexadecimal") from None

    assert "accepts another user" in complaint(
        check_signer, SigningMechanism("t", lambda options: Trusting())
    )


def test_uri_resolvers_and_options():
    assert "resolves ''" in complaint(check_uri_resolver, UriResolver("x", lambda target: os.devnull))
    option = CliOption("--ex-x", "x", commands=("sbumit",))
    assert "no such commands: {'sbumit'}" in complaint(check_cli_option, option)
    with pytest.raises(ValueError, match="must begin with --ex-"):
        CliOption("--mine", "x")
