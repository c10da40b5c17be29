"""How operations and entries travel as JSON: text as a string, other bytes as {"b64": ...}."""

from __future__ import annotations

import base64
import binascii
import errno
from typing import Any

from bourn.errors import BournError, suggest

from .tree import KINDS, Node, normalize

ARGUMENTS = {"put": 2, "append": 2, "unlink": 1, "mkdir": 1, "symlink": 2}


def value_in(value: Any) -> str | bytes:
    """Return a value that a client sent."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and isinstance(value.get("b64"), str):
        try:
            data = base64.b64decode(value["b64"], validate=True)
        except binascii.Error as e:
            raise BournError(f"KVS value is not base64: {e}", errno.EPROTO) from e
        try:
            return data.decode()
        except UnicodeDecodeError:
            return data
    raise BournError(f'a KVS value must be a string or {{"b64": ...}}, not {value!r:.40}', errno.EPROTO)


def value_out(value: str | bytes | None) -> Any:
    """Return a value as a client gets it."""
    return {"b64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def ops_in(raw: Any) -> list[tuple[Any, ...]]:
    """Check a transaction's operations; EPROTO names the wrong one."""
    if not isinstance(raw, list):
        raise BournError("KVS transaction: 'ops' must be a list", errno.EPROTO)
    ops: list[tuple[Any, ...]] = []
    for i, op in enumerate(raw):
        if not isinstance(op, (list, tuple)) or not op or not isinstance(op[0], str):
            raise BournError(f"KVS transaction: ops[{i}] must be a list [name, key, ...]", errno.EPROTO)
        name, *args = op
        if name not in ARGUMENTS:
            raise BournError(f"KVS transaction: ops[{i}]: no operation '{name}'{suggest(name, ARGUMENTS)}")
        wanted = ARGUMENTS[name]
        if len(args) < wanted or len(args) > wanted + (name == "symlink") or not isinstance(args[0], str):
            raise BournError(f"KVS transaction: ops[{i}]: '{name}' takes {wanted} arguments", errno.EPROTO)
        key = normalize(args[0])
        if name in ("put", "append"):
            ops.append((name, key, value_in(args[1])))
        elif name == "symlink":
            if not all(a is None or isinstance(a, str) for a in args[1:]) or not args[1]:
                raise BournError(f"KVS transaction: ops[{i}]: a symlink's target is a key", errno.EPROTO)
            ops.append((name, key, normalize(args[1]), args[2] if len(args) > 2 else None))
        else:
            ops.append((name, key))
    return ops


def entry_out(node: Node) -> dict[str, Any]:
    """Return an entry as a client gets it."""
    return {"kind": KINDS[node.kind], "value": value_out(node.value)}
