"""The part of the PMIx server library (libpmix, version 4 or 5) that is used, bound by ctypes.

Structures and numbers are those of pmix_common.h and pmix_server.h, which are the same in both versions.
"""

from __future__ import annotations

import ctypes
from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    byref,
    c_bool,
    c_char,
    c_char_p,
    c_int,
    c_size_t,
    c_uint16,
    c_uint32,
)
from ctypes import c_void_p as Pointer
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FILE = "libpmix.so.2"
SUCCESS = 0
NOT_FOUND = -46
NOT_SUPPORTED = -47
OPERATION_SUCCEEDED = -157
"""The request is carried out already: there will be no callback."""
RANK_WILDCARD = 0xFFFFFFFE
_NSPACE = 256
_KEY = 512

_BOOL, _STRING, _UINT32, _PROC_RANK, _REGEX = 1, 3, 14, 40, 49


class LibraryError(Exception):
    """The library isn't there, is too old, or refused something."""


class Proc(Structure):
    """A process: name space and rank."""

    _fields_ = [("nspace", c_char * _NSPACE), ("rank", c_uint32)]


class _Value(Structure):
    # The union's largest member has 24 bytes.
    _fields_ = [("type", c_uint16), ("data", ctypes.c_uint64 * 3)]


class _Info(Structure):
    _fields_ = [("key", c_char * _KEY), ("flags", c_uint32), ("value", _Value)]


ModexDone = CFUNCTYPE(None, c_int, c_char_p, c_size_t, Pointer, Pointer, Pointer)
"""(status, data, size, cbdata, release function, its argument)"""
Release = CFUNCTYPE(None, c_size_t)
Finalized = CFUNCTYPE(c_int, POINTER(Proc), Pointer, Pointer, Pointer)
Abort = CFUNCTYPE(c_int, POINTER(Proc), Pointer, c_int, c_char_p, POINTER(Proc), c_size_t, Pointer, Pointer)
Fence = CFUNCTYPE(
    c_int, POINTER(Proc), c_size_t, Pointer, c_size_t, POINTER(c_char), c_size_t, Pointer, Pointer
)
DirectModex = CFUNCTYPE(c_int, POINTER(Proc), Pointer, c_size_t, Pointer, Pointer)

_MEMBERS = (
    "client_connected", "client_finalized", "abort", "fence_nb", "direct_modex", "publish", "lookup",
    "unpublish", "spawn", "connect", "disconnect", "register_events", "deregister_events", "listener",
    "notify_event", "query", "tool_connected", "log", "allocate", "job_control", "monitor", "get_credential",
    "validate_credential", "iof_pull", "push_stdin", "group", "fabric", "client_connected2",
)  # fmt: skip


class Upcalls(Structure):
    """What the library calls, on its own thread; members that are null are not supported."""

    _fields_ = [(name, Pointer) for name in _MEMBERS]


class Text(NamedTuple):
    """A value of type string."""

    value: str


class Word(NamedTuple):
    """A value of type uint32."""

    value: int


class Switch(NamedTuple):
    """A value of type bool."""

    value: bool


class Rank(NamedTuple):
    """A value of type rank."""

    value: int


class Regex(NamedTuple):
    """What `Library.regex` or `Library.ppn` returned."""

    value: Any


class Library:
    """The loaded library; methods raise `LibraryError`."""

    def __init__(self) -> None:
        try:
            self._lib = ctypes.CDLL(FILE)
            self._lib.PMIx_Info_load  # noqa: B018 - since version 4
        except OSError as error:
            raise LibraryError(f"the PMIx library can't be loaded: {error}") from error
        except AttributeError as error:
            raise LibraryError(f"{FILE} is too old: PMIx 4 or later is needed") from error
        self._lib.PMIx_Error_string.restype = c_char_p

    def init(self, upcalls: Upcalls, info: Mapping[str, Any]) -> None:
        """Become a server."""
        array = self._infos(info)
        self._do("PMIx_server_init", byref(upcalls), array, c_size_t(len(info)))

    def regex(self, names: Sequence[str]) -> Regex:
        """Return node names as the library wants them."""
        return self._generate("PMIx_generate_regex", ",".join(names))

    def ppn(self, ranks: Sequence[Sequence[int]]) -> Regex:
        """Return the ranks on each node as the library wants them."""
        return self._generate("PMIx_generate_ppn", ";".join(",".join(map(str, each)) for each in ranks))

    def register_nspace(self, nspace: str, local: int, info: Mapping[str, Any]) -> None:
        """Tell about a job, of which `local` tasks are on this node."""
        array = self._infos(info)
        args = (nspace.encode(), c_int(local), array, c_size_t(len(info)), None, None)
        self._do("PMIx_server_register_nspace", *args)

    def register_client(self, proc: Proc, uid: int, gid: int) -> None:
        """Tell about a task that will connect."""
        args = (byref(proc), c_uint32(uid), c_uint32(gid), None, None, None)
        self._do("PMIx_server_register_client", *args)

    def environment(self, proc: Proc) -> dict[str, str]:
        """Return the variables that a task needs to connect."""
        env = POINTER(c_char_p)()
        self._do("PMIx_server_setup_fork", byref(proc), byref(env))
        found = {}
        at = 0
        while (entry := env[at]) is not None:
            name, _, value = entry.decode().partition("=")
            found[name] = value
            at += 1
        return found

    def _generate(self, function: str, text: str) -> Regex:
        made = Pointer()
        self._do(function, text.encode(), byref(made))
        return Regex(made)

    def _infos(self, given: Mapping[str, Any]) -> Any:
        array = (_Info * len(given))()
        for info, (key, value) in zip(array, given.items(), strict=True):
            self._load(info, key, value)
        return array

    def _load(self, info: _Info, key: str, value: Any) -> None:
        data: Any
        if isinstance(value, Text):
            data, kind = value.value.encode(), _STRING
        elif isinstance(value, Regex):
            data, kind = value.value, _REGEX
        elif isinstance(value, Switch):
            data, kind = byref(c_bool(value.value)), _BOOL
        else:
            data = byref(c_uint32(value.value))
            kind = _PROC_RANK if isinstance(value, Rank) else _UINT32
        self._do("PMIx_Info_load", byref(info), key.encode(), data, c_uint16(kind))

    def _do(self, function: str, *args: object) -> None:
        status = getattr(self._lib, function)(*args)
        if status not in (SUCCESS, OPERATION_SUCCEEDED):
            raise LibraryError(f"{function}: {self._lib.PMIx_Error_string(status).decode()}")
