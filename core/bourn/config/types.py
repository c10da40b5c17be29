"""Types of configuration values that TOML has no word for."""

from __future__ import annotations

from typing import Annotated, TypeAlias

__all__ = ["Seconds"]

Seconds: TypeAlias = Annotated[float, "seconds"]
"""A duration; written as a number of seconds or as a text of RFC 23, such as "1.5h"; "inf" is no limit."""
