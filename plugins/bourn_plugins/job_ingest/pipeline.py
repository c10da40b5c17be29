"""From a submitted jobspec to one that the instance runs: structure, frobnicators, validators. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from bourn.config.tables import IngestTable
from bourn.errors import BournError, JobspecError
from bourn.model.flags import NOVALIDATE
from bourn.model.interned import INTERNED, Environment, InternedJobspec, jobspec_hash
from bourn.model.jobspec_check import check_jobspec
from bourn.model.overrides import CHECKED, LABELS, apply_overrides

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from bourn.config import Config
    from bourn.hookspecs.ingest import Frobnicator, SubmitInfo, Validator
    from bourn.plugins import Owned, PluginRecord

Step = TypeVar("Step", "Frobnicator", "Validator")

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode

KEPT = 128
"""How many distinct jobspecs' results are kept for later requests."""


def select(kind: str, config: Config, known: Mapping[str, Owned[Step]]) -> list[Owned[Step]]:
    """Return the steps that `[ingest]` names under `kind`, or the default ones, in order."""
    names = getattr(config.table("ingest", IngestTable), kind)
    if names is None:
        return [owned for owned in known.values() if owned.value.default]
    for i, name in enumerate(names):
        if name not in known:
            there = ", ".join(sorted(known)) or "none"
            raise config.error(("ingest", kind, i), f"there is no '{name}'; there are: {there}")
        if name in names[:i]:
            raise config.error(("ingest", kind, i), f"'{name}' is named twice")
    return [known[name] for name in names]


class Pipeline:
    """Checks jobspecs by one configuration's steps, each distinct one once.

    `info` makes the SubmitInfo of (userid, rolemask, urgency, flags). `report` is told when a plugin fails.
    """

    def __init__(
        self,
        frobnicators: Sequence[Owned[Frobnicator]],
        validators: Sequence[Owned[Validator]],
        info: Callable[[int, int, int, int], SubmitInfo],
        report: Callable[[PluginRecord, str, BaseException], str],
    ) -> None:
        self.frobnicators = frobnicators
        self.validators = validators
        self._info = info
        self._report = report
        steps: list[Owned[Any]] = [*frobnicators, *validators]
        self._pure = all(owned.value.pure for owned in steps)
        self._frob_ignores = _common_prefixes(owned.value.ignores for owned in frobnicators)
        self._ignores = _common_prefixes(owned.value.ignores for owned in steps)
        self._kept: dict[tuple[bytes, int, int, int, int], InternedJobspec] = {}

    def check(self, obj: object, userid: int, rolemask: int, urgency: int, flags: int) -> InternedJobspec:
        """Return the jobspec to run; BournError is the refusal that the user reads."""
        try:
            body, environment = INTERNED.part(obj)
            text = _encode(body)
        except (TypeError, ValueError, RecursionError) as err:
            raise JobspecError("", f"the jobspec can't be written as JSON: {err}") from None
        key = (jobspec_hash(text, environment), userid, rolemask, urgency, flags)
        found = self._kept.get(key)
        if found is None:
            check_jobspec(obj)
            # Frobnicators get a tree of their own; decoding is the fastest way to copy one.
            tree: dict[str, Any] = _decode(text)
            found = self._admit(tree, text, environment, self._info(userid, rolemask, urgency, flags))
            if self._pure:
                if len(self._kept) >= KEPT:
                    del self._kept[next(iter(self._kept))]
                self._kept[key] = found
        return found

    def check_overrides(
        self,
        obj: dict[str, Any],
        checked: InternedJobspec,
        overrides: dict[str, Any],
        who: tuple[int, int, int, int],
    ) -> tuple[InternedJobspec, dict[str, Any] | None]:
        """Return the jobspec of one job of a batch, and what lies over it.

        `obj` is the jobspec as submitted, `checked` what became of it. Settings that no frobnicator cares for
        stay beside the shared jobspec; others make a jobspec of its own.
        """
        unseen = all(path.startswith(self._ignores) for path in overrides)
        if unseen and all(path.startswith(CHECKED) for path in overrides):
            return checked, overrides
        if not all(path.startswith(self._frob_ignores) for path in overrides):
            return self.check(apply_overrides(obj, overrides), *who), None
        tree = apply_overrides(checked.obj, overrides)
        check_jobspec(tree)
        if not unseen:
            self._validate(tree, self._info(*who), tuple(overrides))
        return checked, overrides

    @property
    def kept(self) -> int:
        """How many results are kept."""
        return len(self._kept)

    def _admit(
        self, tree: dict[str, Any], text: bytes, environment: Environment | None, info: SubmitInfo
    ) -> InternedJobspec:
        """Return what frobnicators and validators make of a jobspec; `text` is its JSON, checked already, and
        it and `tree` lack the environment.
        """
        attributes = tree["attributes"]
        if attributes is None:
            attributes = tree["attributes"] = {}
        system = attributes.setdefault("system", {})
        if environment is not None:
            system["environment"] = environment.obj.copy()
        for owned in self.frobnicators:
            tree = self._call("frobnicator", owned, owned.value.apply, tree, info)
            if type(tree) is not dict:
                raise self._failed("frobnicator", owned, TypeError(f"returned {tree!r:.40}, not a jobspec"))
        body, after = INTERNED.part(tree, environment)
        if self.frobnicators and (after is not environment or _encode(body) != text):
            check_jobspec(tree)
        system = tree["attributes"]["system"]
        if "duration" not in system:
            system["duration"] = 0.0
            body, after = INTERNED.part(tree, after)
        if after is not None:
            system["environment"] = after.obj
        self._validate(tree, info)
        return INTERNED.intern(_encode(body), tree, after)

    def _validate(self, tree: dict[str, Any], info: SubmitInfo, paths: tuple[str, ...] = ()) -> None:
        if info.flags & NOVALIDATE:
            return
        for owned in self.validators:
            ignores = owned.value.ignores
            if paths and ignores and all(path.startswith(ignores) for path in paths):
                continue
            reason = self._call("validator", owned, owned.value.check, tree, info)
            if reason is not None:
                if type(reason) is not str:
                    raise self._failed(
                        "validator", owned, TypeError(f"returned {reason!r:.40}, not a reason")
                    )
                raise BournError(reason)

    def _call(
        self,
        kind: str,
        owned: Owned[Any],
        function: Callable[[dict[str, Any], SubmitInfo], Any],
        tree: dict[str, Any],
        info: SubmitInfo,
    ) -> Any:
        """Call a plugin's function; what it raises refuses the job and names the plugin."""
        try:
            return function(tree, info)
        except Exception as err:
            if kind == "frobnicator" and isinstance(err, JobspecError):
                # A refusal on purpose; a validator returns its reason instead.
                raise
            raise self._failed(kind, owned, err) from err

    def _failed(self, kind: str, owned: Owned[Any], error: Exception) -> BournError:
        return BournError(self._report(owned.record, f"{kind} '{owned.value.name}'", error))


def _common_prefixes(ignores: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the prefixes under which every step ignores everything."""
    sets = [tuple(prefixes) for prefixes in ignores]
    if not sets:
        # Nobody looks, but resources, queue and limits belong to a jobspec of its own.
        return LABELS
    return tuple(p for prefixes in sets for p in prefixes if all(p.startswith(other) for other in sets))
