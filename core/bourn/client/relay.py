"""A connection to an instance on another host, by `ssh HOST bourn relay PATH`."""

from __future__ import annotations

import errno
import os
import shlex
import socket
import subprocess
from contextlib import suppress

from bourn.errors import BournError

SSH = "BOURN_SSH"
"""Environment variable: the command that runs another one on a host, `ssh` by default."""
READY = b"bourn-relay ready\n"
"""What the relay says first, once it has reached the instance."""
FAILED = b"bourn-relay error: "
"""What it says, to the end of the line, where it hasn't."""
GREETING_MAX = 4096
END_SECONDS = 2.0


class Relay:
    """One `ssh`. `socket` speaks with the instance."""

    def __init__(self, uri: str) -> None:
        host, slash, path = uri.removeprefix("ssh://").partition("/")
        if not host or not slash or host.startswith("-"):
            raise BournError(f"'{uri}' is no address of an instance; one has the form ssh://HOST/PATH")
        command = shlex.split(os.environ.get(SSH) or "ssh")
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
        said = b""
        while not said.endswith(b"\n") and len(said) < GREETING_MAX:
            # Byte by byte: what follows the line is the instance's.
            byte = self.socket.recv(1)
            if not byte:
                break
            said += byte
        if said == READY:
            return
        if said.startswith(FAILED):
            reason = said.removeprefix(FAILED).decode(errors="replace").strip()
            raise BournError(f"{uri}: {reason}", errno.ENOENT)
        self.socket.close()
        self._process.wait()
        os.lseek(errors, 0, os.SEEK_SET)
        lines = os.read(errors, 65536).decode(errors="replace").strip().splitlines()
        reason = lines[-1].strip() if lines else f"ssh ended with status {self._process.returncode}"
        raise BournError(f"{uri}: {reason}", errno.EHOSTUNREACH)
