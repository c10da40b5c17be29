"""The jobspecs that the broker has sent: kept by number until it says otherwise, taken apart once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from bourn.errors import BournError
from bourn.shell.private import PrivateSpec, is_private
from bourn.shell.spec import ENVIRONMENT, JOB_NAME, ShellSpec, choose_plugins

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bourn.hookspecs.shell import ShellPlugin
    from bourn.shell.wire import ToHost


class Sent:
    """A jobspec as it was sent, taken apart when its first job comes."""

    __slots__ = ("_environment", "_text", "compiled")

    def __init__(self, text: msgspec.Raw, environment: Mapping[str, str | None] | None = None) -> None:
        self._text = text
        self._environment = environment
        self.compiled: ShellSpec | PrivateSpec | BournError | None = None

    def decode(self) -> dict[str, Any]:
        """Return the whole jobspec; the environment in it is shared."""
        jobspec: dict[str, Any] = msgspec.json.decode(self._text)
        if self._environment is not None:
            jobspec["attributes"]["system"]["environment"] = self._environment
        return jobspec

    def whole(self) -> msgspec.Raw:
        """Return the text of the whole jobspec."""
        return self._text if self._environment is None else msgspec.Raw(msgspec.json.encode(self.decode()))


class Specs:
    """All that were sent.

    Args:
        plugins: of the host, in calling order.
        private: whether this is the host of one job only, so that none gets one of its own.
    """

    def __init__(self, plugins: list[ShellPlugin], *, private: bool) -> None:
        self._plugins = plugins
        self._private = private
        self._sent: dict[int, Sent] = {}
        self._environments: dict[int, dict[str, str | None]] = {}

    def take(self, batch: ToHost) -> None:
        """Forget and learn what a batch says."""
        sent, environments = self._sent, self._environments
        for key in batch.forget:
            sent.pop(key, None)
        for key, text in batch.specs:
            sent[key] = Sent(text)
        for key in batch.forget_environments:
            environments.pop(key, None)
        for key, text in batch.environments:
            environments[key] = msgspec.json.decode(text)
        for key, text, environment in batch.parted:
            sent[key] = Sent(text, environments[environment])

    def get(self, key: int) -> Sent | None:
        """Return one by its number, to be held by who still needs it when it is forgotten."""
        return self._sent.get(key)

    def resolve(
        self, sent: Sent | None, overrides: Mapping[str, Any] | None
    ) -> ShellSpec | PrivateSpec | BournError:
        """Return what a job is to run, or why it can't.

        Overrides of the environment and of the job's name are left to the job; others make another spec.
        """
        if sent is None:
            return BournError("the shell host was never sent this job's jobspec")
        if overrides and any(not k.startswith(ENVIRONMENT) and k != JOB_NAME for k in overrides):
            from bourn.model.overrides import apply_overrides

            rest = {k: v for k, v in overrides.items() if not k.startswith(ENVIRONMENT)}
            return self._compile(sent, apply_overrides(sent.decode(), rest))
        if sent.compiled is None:
            sent.compiled = self._compile(sent, sent.decode())
        return sent.compiled

    def _compile(self, sent: Sent, jobspec: dict[str, Any]) -> ShellSpec | PrivateSpec | BournError:
        try:
            spec = ShellSpec(jobspec)
            if not self._private and is_private(spec.options):
                # The overrides of its jobs go with them.
                return PrivateSpec(sent.whole(), spec.cwd, spec.options)
            choose_plugins(spec, self._plugins)
        except BournError as error:
            return error
        except (AttributeError, KeyError, IndexError, TypeError) as error:
            return BournError(f"the jobspec is none that a shell can run: {error!r}")
        return spec
