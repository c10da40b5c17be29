"""`bourn keygen`: make the authority of an instance of several hosts."""

from __future__ import annotations

import os
import socket

from bourn.cli.parser import Parser
from bourn.errors import BournError

DESCRIPTION = """\
Make the authority of an instance: a key and a certificate in one file, to be copied to all
hosts of [bootstrap]. Whoever can read it is trusted by all brokers of the instance.
"""


def main(argv: list[str]) -> int:
    """Write the file, readable by its owner only."""
    parser = Parser(prog="bourn keygen", description=DESCRIPTION)
    parser.add_argument(
        "--name", default="", metavar="NAME", help="name in the certificate (default: the host's)"
    )
    parser.add_argument("path", metavar="FILE")
    args = parser.parse_args(argv)
    from bourn.broker.overlay.certs import make_authority

    content = make_authority(args.name or socket.gethostname().partition(".")[0])
    try:
        fd = os.open(args.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise BournError(f"{args.path} exists; remove it first if all hosts are to get another one") from None
    with open(fd, "wb") as file:
        file.write(content)
    return 0
