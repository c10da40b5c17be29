"""The TOML table `[kvs]`."""

from attrs import frozen


@frozen
class KvsTable:
    """How much of the past the key-value store remembers."""

    history: int = 1024
    """How many versions of a namespace can be read back; older ones go, except those that a client holds."""
