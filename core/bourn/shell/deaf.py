"""Signals that a shell host never hears."""

import signal

DEAF_TO = (signal.SIGUSR1, signal.SIGUSR2)
"""Users send them to all processes of an allocation and mean programs. A host, unlike its tasks, has them
blocked from its first instant."""
