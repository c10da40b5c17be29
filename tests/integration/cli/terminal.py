"""A terminal that a script plays: what is typed goes to a command, pyte keeps what a person would see."""

import fcntl
import os
import pty
import select
import struct
import termios
import time

import pytest

pyte = pytest.importorskip("pyte", reason="needs pyte, a terminal emulator, to see the screen")

PATIENCE = 8.0


class Terminal:
    """Runs a command in a terminal of its own; types, and looks at the screen."""

    def __init__(self, *command, env, rows=24, columns=100):
        pid, self.fd = pty.fork()
        if pid == 0:
            try:
                _resize(0, rows, columns)
                os.execvpe(command[0], command, {**env, "TERM": "linux", "LC_ALL": "C.UTF-8"})
            finally:
                os._exit(127)
        self.pid = pid
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)

    def size(self, rows, columns):
        self.screen.resize(rows, columns)
        _resize(self.fd, rows, columns)

    def type(self, text):
        os.write(self.fd, text.encode())

    @property
    def lines(self):
        return [line.rstrip() for line in self.screen.display]

    def shows(self, *texts, without=()):
        """Wait until the screen has all of the texts; return its lines."""
        deadline = time.monotonic() + PATIENCE
        while True:
            seen = "\n".join(self.lines)
            if all(text in seen for text in texts) and not any(text in seen for text in without):
                return self.lines
            left = max(0.0, deadline - time.monotonic())
            assert select.select([self.fd], [], [], left)[0], f"{texts} never came:\n{seen}"
            assert self._more(), f"ended before {texts}:\n{seen}"

    def ends(self):
        while self._more():
            pass
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def _more(self):
        try:
            data = os.read(self.fd, 1 << 16)
        except OSError:
            return False
        self.stream.feed(data)
        return bool(data)


def _resize(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
