"""The address by which the brokers of other hosts reach this one."""

from __future__ import annotations

import errno
import fcntl
import ipaddress
import socket
import struct

from bourn.errors import BournError, suggest

_FAR = ("192.0.2.1", 9)
"""An address for documentation (RFC 5737): the kernel is asked for the way there, and nothing is sent."""
_SIOCGIFADDR = 0x8915


def own_address(interface: str = "") -> str:
    """Return the address to listen at: that of `interface`, or as it stands where it is an address itself.

    By default the address from which the default route starts; without any route, the loopback's.
    """
    if not interface:
        return _default()
    try:
        return str(ipaddress.ip_address(interface))
    except ValueError:
        return _of_interface(interface)


def _default() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(_FAR)
            return str(sock.getsockname()[0])
        except OSError:
            return "127.0.0.1"


def _of_interface(name: str) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            found = fcntl.ioctl(sock, _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
        except OSError as error:
            known = [name for _, name in socket.if_nameindex()]
            if error.errno != errno.ENODEV:
                raise BournError(f'[tbon] interface = "{name}" has no IPv4 address') from None
            raise BournError(
                f'[tbon] interface = "{name}": there is no such interface{suggest(name, known)}'
            ) from None
    return socket.inet_ntoa(found[20:24])
