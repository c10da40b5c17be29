"""The options of a distribution policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.errors import ConfigError, suggest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def check_options(policy: str, options: Mapping[str, Any], known: Sequence[str] = ()) -> None:
    """Raise `ConfigError` for an option that the policy doesn't have."""
    for name in options:
        if name not in known:
            hint = suggest(name, known) if known else "; it has none"
            raise ConfigError(f"distribution policy '{policy}': no option '{name}'{hint}")
