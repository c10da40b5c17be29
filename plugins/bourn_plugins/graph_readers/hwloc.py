"""hwloc XML (versions 1 and 2): one machine as a node, with the types that are allowed."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

from bourn.errors import BournError
from bourn.hookspecs.resource_io import Resources
from bourn_plugins.graph_readers.rv1 import split_host

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bourn.hookspecs.resource_io import GraphBuilder

_SIMPLE = {
    "Group": "group",
    "NUMANode": "numanode",
    "Package": "socket",
    "Socket": "socket",
    "Core": "core",
    "PU": "pu",
}
_CACHE = re.compile(r"L([1-9])(i?)Cache$")
_GPU_CLASSES = {"5": "coproc", "1": "gpu", "0": "block", "CoProc": "coproc", "GPU": "gpu", "Block": "block"}


def read_hwloc(content: bytes, options: Mapping[str, Any]) -> Resources:
    """Read a topology; the option ``allowlist`` is a set of types, all where it is missing."""
    try:
        top = ET.fromstring(content)
    except ET.ParseError as error:
        raise BournError(f"not an hwloc XML document: {error}") from None
    root = top.find("object")
    if top.tag != "topology" or root is None:
        raise BournError("not an hwloc XML document: it has no topology with an object")
    allowlist = allowed_types(options)

    def build(builder: GraphBuilder) -> None:
        cluster = builder.vertex("cluster", basename="cluster", id=0)
        _Walk(builder, allowlist, top.get("version", "1.0")).visit(root, cluster)

    return Resources(build=build)


def allowed_types(options: Mapping[str, Any]) -> set[str] | None:
    """Return the option ``allowlist`` as a set of types; None where all are allowed."""
    allowlist = options.get("allowlist") or ()
    names = allowlist.split(",") if isinstance(allowlist, str) else allowlist
    return {name.strip() for name in names if name.strip()} or None


class _Walk:
    def __init__(self, builder: GraphBuilder, allowlist: set[str] | None, version: str) -> None:
        self.builder = builder
        self.allowlist = allowlist
        self.version = version
        self.counts: dict[str, int] = {}

    def allowed(self, name: str) -> bool:
        return not self.allowlist or name in self.allowlist

    def visit(self, element: ET.Element, parent: int) -> None:
        made = self.make(element, parent)
        owner = parent if made is None else made
        children = element.findall("object")
        # hwloc 2 hangs memory beside the objects that use it; its own order is normal, memory, I/O, misc.
        children.sort(key=lambda child: _order(child.get("type", "")))
        for child in children:
            self.visit(child, owner)

    def make(self, element: ET.Element, parent: int) -> int | None:
        kind = element.get("type", "")
        number = self._logical(kind)
        if kind == "Machine":
            host = _info(element, "HostName")
            if host is None or not self.allowed("node"):
                return None
            basename, id = split_host(host)
            return self.builder.vertex("node", parent, basename=basename, id=id, name=host)
        if kind in _SIMPLE:
            type = _SIMPLE[kind]
            if not self.allowed(type):
                return None
            return self.builder.vertex(type, parent, id=number, name=f"{type}{number}")
        if kind == "Cache" or _CACHE.match(kind):
            return self._cache(element, kind, number, parent)
        if kind == "OSDev":
            return self._device(element, number, parent)
        return None

    def _logical(self, kind: str) -> int:
        number = self.counts.get(kind, 0)
        self.counts[kind] = number + 1
        return number

    def _cache(self, element: ET.Element, kind: str, number: int, parent: int) -> int | None:
        match = _CACHE.match(kind)
        if match is not None and match[2]:
            return None
        depth = match[1] if match else element.get("depth", "1")
        basename = f"L{depth}cache"
        if not self.allowed(basename):
            return None
        size = max(1, int(element.get("cache_size", "1024")) // 1024)
        name = f"{basename}{number}"
        return self.builder.vertex("cache", parent, basename=basename, id=number, name=name, size=size)

    def _device(self, element: ET.Element, number: int, parent: int) -> int | None:
        name = element.get("name", "")
        kind = _GPU_CLASSES.get(element.get("osdev_type", ""))
        if kind == "coproc" or (kind == "gpu" and name.startswith("rsmi")):
            if not self.allowed("gpu"):
                return None
            id = _device_id(name)
            return self.builder.vertex("gpu", parent, id=id)
        if kind == "block" and self.allowed("storage"):
            text = _info(element, "Size")
            if text is None or not text.isdigit() or int(text) == 0:
                raise BournError(f"block device '{name}': its size is missing")
            properties = {"LinuxDeviceID": _info(element, "LinuxDeviceID") or "-1"}
            size = int(text) // 1000000
            return self.builder.vertex("storage", parent, id=number, size=size, properties=properties)
        return None


def _order(kind: str) -> int:
    if kind == "NUMANode":
        return 1
    return 2 if kind in ("Bridge", "PCIDev", "OSDev") else 3 if kind == "Misc" else 0


def _info(element: ET.Element, name: str) -> str | None:
    for info in element.findall("info"):
        if info.get("name") == name:
            return info.get("value")
    return None


def _device_id(name: str) -> int:
    for prefix in ("cuda", "rsmi"):
        if name.startswith(prefix):
            digits = re.match(r"\d+", name[len(prefix) :])
            return int(digits[0]) if digits else 0
    opencl = re.match(r"opencl\d*d(\d+)", name)
    return int(opencl[1]) if opencl else 0
