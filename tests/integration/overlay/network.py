"""Hosts of a test's own: network namespaces on a switch, with cables that can be pulled."""

from __future__ import annotations

import os
import subprocess


class Network:
    """Namespaces that each have one cable to a switch, which is a bridge in a namespace too."""

    def __init__(self, count: int) -> None:
        self._mark = f"bn{os.getpid() % 100_000}"
        self._switch = f"{self._mark}s"
        self.hosts = [f"{self._mark}h{number}" for number in range(count)]
        self._made: list[str] = []

    def raise_up(self) -> None:
        """Make all; OSError where this machine or this user may not."""
        self._add(self._switch)
        _ip("-n", self._switch, "link", "add", "lan", "type", "bridge")
        _ip("-n", self._switch, "link", "set", "lan", "up")
        for number, host in enumerate(self.hosts):
            self._add(host)
            port = f"port{number}"
            cable = ("type", "veth", "peer", "name", "eth0", "netns", host)
            _ip("-n", self._switch, "link", "add", port, *cable)
            _ip("-n", self._switch, "link", "set", port, "master", "lan", "up")
            _ip("-n", host, "addr", "add", f"{self.address(number)}/24", "dev", "eth0")
            _ip("-n", host, "link", "set", "lo", "up")
            _ip("-n", host, "link", "set", "eth0", "up")

    def _add(self, name: str) -> None:
        _ip("netns", "add", name)
        self._made.append(name)

    def address(self, number: int) -> str:
        """Return the address of a host."""
        return f"10.213.77.{number + 1}"

    def inside(self, number: int) -> list[str]:
        """Return the words that run a command on a host."""
        return ["ip", "netns", "exec", self.hosts[number]]

    def pull(self, number: int) -> None:
        """Pull a host's cable at the switch: nothing gets through, and nobody is told."""
        _ip("-n", self._switch, "link", "set", f"port{number}", "nomaster")

    def plug(self, number: int) -> None:
        """Put it in again."""
        _ip("-n", self._switch, "link", "set", f"port{number}", "master", "lan")

    def part(self, *numbers: int) -> None:
        """Let nothing through between these hosts; the others reach them, and they the others."""
        for number in numbers:
            _ip("-n", self._switch, "link", "set", f"port{number}", "type", "bridge_slave", "isolated", "on")

    def take_down(self) -> None:
        """Remove all that was made."""
        for name in reversed(self._made):
            _ip("netns", "del", name)


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"ip {' '.join(words)}: {done.stderr.strip()}")
