"""A connection to an instance on another host, by `ssh HOST bourn relay PATH`."""

from __future__ import annotations

import errno
import os
import shlex
import socket
import subprocess
from contextlib import suppress

from bourn.client.ssh import SSH, ssh_command
from bourn.errors import BournError

READY = b"bourn-relay ready\n"
"""What the relay says first, once it has reached the instance."""
FAILED = b"bourn-relay error: "
"""What it says, to the end of the line, where it hasn't."""
GREETING_MAX = 65536
"""How many bytes may come before that: a shell's start-up files may print something."""
NOT_FOUND = 127
"""A shell's status for a command that isn't there."""
END_SECONDS = 2.0


class Relay:
    """One `ssh`. `socket` speaks with the instance."""

    def __init__(self, uri: str) -> None:
        host, slash, path = uri.removeprefix("ssh://").partition("/")
        if not host or not slash or host.startswith("-"):
            raise BournError(f"'{uri}' is no address of an instance; one has the form ssh://HOST/PATH")
        command = ssh_command()
        self.socket, theirs = socket.socketpair()
        errors = os.memfd_create("bourn-ssh", os.MFD_CLOEXEC)
        try:
            with theirs:
                self._process = subprocess.Popen(
                    [*command, host, shlex.join(["bourn", "relay", f"/{path}"])],
                    stdin=theirs.fileno(),
                    stdout=theirs.fileno(),
                    stderr=errors,
                )
            self._greet(uri, errors)
        except OSError as error:
            self.socket.close()
            what = f"it is on host '{host}', and '{command[0]}' can't be run to get there"
            raise BournError(f"{uri}: {what}: {error.strerror} ({SSH} names another command)") from None
        except BournError:
            self.close()
            raise
        finally:
            os.close(errors)

    def close(self) -> None:
        """Hang up and see the process end."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.reap()

    def reap(self) -> None:
        """See the process end, whose socket is closed already."""
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _greet(self, uri: str, errors: int) -> None:
        left, noise = GREETING_MAX, b""
        while left > 0 and (said := self._line()):
            if said == READY:
                return
            if said.startswith(FAILED):
                reason = said.removeprefix(FAILED).decode(errors="replace").strip()
                raise BournError(f"{uri}: {reason}", errno.ENOENT)
            left -= len(said)
            noise = said.strip() or noise
        self.socket.close()
        if left <= 0:
            self._process.kill()
        status = self._process.wait()
        os.lseek(errors, 0, os.SEEK_SET)
        # A login that isn't allowed says so on standard output.
        said = os.read(errors, GREETING_MAX).strip() or noise
        reason = said.decode(errors="replace").splitlines()[-1].strip() if said else ""
        if status == NOT_FOUND:
            reason += "; `bourn` must be on the PATH that ssh gives"
        raise BournError(f"{uri}: {reason or f'ssh ended with status {status}'}", errno.EHOSTUNREACH)

    def _line(self) -> bytes:
        said = b""
        while not said.endswith(b"\n") and len(said) < GREETING_MAX:
            # Byte by byte: what follows the greeting is the instance's.
            byte = self.socket.recv(1)
            if not byte:
                break
            said += byte
        return said
