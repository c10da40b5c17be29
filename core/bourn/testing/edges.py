"""Conformance checks for boot methods, signing, accounting, URI resolvers and the command line."""

from __future__ import annotations

import argparse
import os
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import trio

from bourn.config import Config
from bourn.errors import BournError
from bourn.hookspecs.accounting import Association
from bourn.hookspecs.cli import SUBMIT_COMMANDS
from bourn.hookspecs.signing import Signed
from bourn.model.jobspec_check import check_jobspec
from bourn.testing.ensure import ensure, ensure_name, ensure_reason
from bourn.testing.jobs import FakeJob
from bourn.testing.samples import jobspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bourn.hookspecs.accounting import AccountingSpec
    from bourn.hookspecs.boot import BootMethod
    from bourn.hookspecs.cli import CliCommand, CliOption
    from bourn.hookspecs.signing import SigningMechanism
    from bourn.hookspecs.uri import UriResolver

__all__ = [
    "check_accounting",
    "check_boot_method",
    "check_cli_command",
    "check_cli_option",
    "check_signer",
    "check_uri_resolver",
]


def check_boot_method(
    method: BootMethod, environ: Mapping[str, str] | None = None, config: Config | None = None
) -> None:
    """Check that a boot method tells its own environment from an empty one; boot rank 0 if `environ` is
    given.

    An instance of one must be able to go through an exchange.
    """
    what = ensure_name(method, "boot method")
    config = config or Config()
    answer = method.detect({}, config)
    ensure(isinstance(answer, bool), f"{what}: detect must return a bool, not {answer!r}")
    if environ is None:
        return
    ensure(method.detect(environ, config), f"{what}: doesn't detect itself in {dict(environ)}")
    session = method.open(environ, config)
    ensure(0 <= session.rank < session.size, f"{what}: rank {session.rank} isn't below size {session.size}")
    ensure(
        all(isinstance(k, str) and isinstance(v, str) for k, v in session.attributes.items()),
        f"{what}: broker attributes are texts, not {dict(session.attributes)}",
    )
    if session.size > 1:
        return

    async def boot() -> None:
        card = {"uri": "local:///nowhere", "host": "here"}
        with trio.fail_after(10):
            found = await session.exchange(card, [])
            await session.close()
        ensure(not found, f"{what}: the exchange returned cards that nobody wanted: {dict(found)}")

    trio.run(boot)


def check_signer(mechanism: SigningMechanism, options: Mapping[str, Any] | None = None) -> None:
    """Sign and verify; then alter, swap users and hand in rubbish, each of which must be refused with EPERM
    or so.

    A mechanism that trusts the submitting user's word, as ``none`` does, still must refuse another user's
    token.
    """
    what = ensure_name(mechanism, "signing mechanism")
    signer = mechanism.open(options or {})
    me, payload = os.getuid(), b'{"version": 1, "tasks": []}'
    token = signer.sign(payload, me, "instance-1")
    ensure(
        token.isascii() and token.isprintable(), f"{what}: a token is one line of printable ASCII: {token!r}"
    )
    found = signer.verify(token, me)
    ensure(isinstance(found, Signed), f"{what}: verify must return Signed, not {found!r}")
    ensure((found.payload, found.userid) == (payload, me), f"{what}: verify gave back {found}")
    for title, wrong, user in (
        ("another user", token, me + 1),
        ("a token cut short", token[: len(token) // 2], me),
        ("an empty token", "", me),
        ("rubbish", "not.a.token", me),
    ):
        try:
            signer.verify(wrong, user)
        except BournError as error:
            ensure_reason(error.message, f"{what}: refusing {title}")
        except Exception as error:
            raise AssertionError(f"{what}: {title} raises {error!r}, not a BournError") from error
        else:
            raise AssertionError(f"{what}: accepts {title}")


def check_accounting(spec: AccountingSpec, options: Mapping[str, Any] | None = None) -> None:
    """Ask for an association, charge it, and see that its usage doesn't shrink by that."""
    what = ensure_name(spec, "accounting")
    accounting = spec.open(None, options or {})
    found = accounting.association(1000, None)
    if isinstance(found, str):
        ensure_reason(found, f"{what}: association")
        return
    ensure(isinstance(found, Association), f"{what}: association must return an Association, not {found!r}")
    ensure(0 <= found.fairshare <= 1, f"{what}: fair share is 0..1, not {found.fairshare}")
    before = accounting.usage(1000, found.bank)
    accounting.charge(FakeJob(), nnodes=2, ncores=8, ngpus=0, seconds=60.0)
    after = accounting.usage(1000, found.bank)
    ensure(isinstance(after, int | float), f"{what}: usage is a number, not {after!r}")
    ensure(after >= before >= 0, f"{what}: usage went from {before} to {after} by a charge")


def check_uri_resolver(
    resolver: UriResolver, *, resolves: Mapping[str, str] | None = None, refuses: Iterable[str] = ("",)
) -> None:
    """Resolve what is given, and see that what isn't there is refused with a reason."""
    what = f"URI resolver '{resolver.scheme}'"
    ensure(resolver.scheme.isidentifier(), f"{what}: a scheme is one word")
    for target, address in (resolves or {}).items():
        found = resolver.resolve(target)
        ensure(found == address, f"{what}: {target} is {found}, not {address}")
        ensure("://" in found, f"{what}: an address has a scheme, as local://, unlike {found}")
    for target in refuses:
        try:
            found = resolver.resolve(target)
        except BournError as error:
            ensure_reason(error.message, f"{what}: refusing {target!r}")
        else:
            raise AssertionError(f"{what}: resolves {target!r} to {found!r}")


def check_cli_command(command: CliCommand, arguments: Iterable[str] = ("--help",)) -> None:
    """Run a command, which by default prints its help, and see that it returns an exit status."""
    what = ensure_name(command, "command")
    ensure_reason(command.summary, f"{what}: its summary")
    try:
        status: object = command.run(list(arguments))
    except SystemExit as end:
        status = end.code or 0
    ensure(isinstance(status, int), f"{what}: run must return an exit status, not {status!r}")


def check_cli_option(option: CliOption, value: str = "1") -> None:
    """Give the option to a parser, and a jobspec to its functions: what comes out must be a jobspec still."""
    what = f"option {option.name}"
    ensure(option.name.startswith("--ex-"), f"{what}: must begin with --ex-")
    unknown = set(option.commands) - set(SUBMIT_COMMANDS)
    ensure(not unknown, f"{what}: no such commands: {unknown}; there are {', '.join(SUBMIT_COMMANDS)}")
    parser = argparse.ArgumentParser()
    action = parser.add_argument(option.name, help=option.help, **option.argument)
    arguments = parser.parse_args([option.name] if action.nargs == 0 else [option.name, value])
    given = getattr(arguments, action.dest)
    if option.preinit is not None:
        option.preinit(arguments, given)
    made = jobspec()
    if option.modify is not None:
        made = option.modify(deepcopy(made), given) or made
        check_jobspec(made)
    if option.validate is not None:
        reason = option.validate(made, given)
        if reason is not None:
            ensure_reason(reason, f"{what}: validate")
