"""From `[resource]` in TOML, a file, or the machine itself to a resource set R (RFC 20)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.errors import BournError, ConfigError, suggest
from bourn.hookspecs.resource_io import ResourceReader, Resources
from bourn.model.hostlist import Hostlist
from bourn.model.idset import IdSet, mask_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from bourn.config.tables import ResourceHost


def from_hosts(entries: Sequence[ResourceHost]) -> dict[str, Any]:
    """Return the R of `[resource] config`: hosts get ranks in the order in which they are first named.

    A host may be named by several entries, which add up. Raises ConfigError with the entry's place.
    """
    ranks: dict[str, int] = {}
    cores: list[int] = []
    gpus: list[int] = []
    properties: dict[str, int] = {}
    for place, entry in enumerate(entries):
        try:
            hosts = Hostlist(entry.hosts)
            core_mask, gpu_mask = IdSet(entry.cores).mask, IdSet(entry.gpus).mask
        except BournError as error:
            raise ConfigError(f"resource.config[{place}]: {error}") from None
        for host in hosts:
            rank = ranks.setdefault(host, len(ranks))
            if rank == len(cores):
                cores.append(0)
                gpus.append(0)
            cores[rank] |= core_mask
            gpus[rank] |= gpu_mask
            for name in entry.properties:
                properties[name] = properties.get(name, 0) | 1 << rank
    for host, rank in ranks.items():
        if not cores[rank]:
            raise ConfigError(f"resource.config: host '{host}' has no cores; give it some: cores = \"0-15\"")
    return make_rset(list(ranks), cores, gpus, properties)


def make_rset(
    hosts: Sequence[str],
    cores: Sequence[int],
    gpus: Sequence[int],
    properties: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """Return an R for hosts of rank 0, 1, ...: masks of cores and of GPUs by rank, of ranks by property."""
    alike: dict[tuple[int, int], int] = {}
    for rank, children in enumerate(zip(cores, gpus, strict=True)):
        alike[children] = alike.get(children, 0) | 1 << rank
    lite = []
    for (core_mask, gpu_mask), ranks in alike.items():
        children_text = {"core": mask_text(core_mask)}
        if gpu_mask:
            children_text["gpu"] = mask_text(gpu_mask)
        lite.append({"rank": mask_text(ranks), "children": children_text})
    execution: dict[str, Any] = {
        "R_lite": lite,
        "nodelist": [str(Hostlist(hosts))],
        "starttime": 0.0,
        "expiration": 0.0,
    }
    if properties:
        execution["properties"] = {name: mask_text(mask) for name, mask in sorted(properties.items())}
    return {"version": 1, "execution": execution}


def read_machine(content: bytes, options: Mapping[str, Any]) -> Resources:
    """Look at this machine; what the reader `machine` does."""
    from bourn.machine import discover

    found = discover()
    return Resources(R=make_rset([found.hostname], [found.cores.mask], [found.gpus.mask]))


def read_R(content: bytes, options: Mapping[str, Any]) -> Resources:
    """Parse an R of RFC 20; what the reader `R` does."""
    import msgspec

    from bourn.model.rset import ResourceSet

    try:
        tree = msgspec.json.decode(content)
    except msgspec.DecodeError as error:
        raise BournError(f"not JSON: {error}") from None
    return Resources(R=ResourceSet.from_dict(tree).to_dict())


def read_file(path: Path, reader: str, readers: Mapping[str, ResourceReader]) -> dict[str, Any]:
    """Return the R that a file describes; `reader` names the format, "" goes by the file's suffix.

    Raises BournError that names the file.
    """
    if reader and reader not in readers:
        raise ConfigError(f'[resource] reader = "{reader}" is unknown{suggest(reader, readers)}')
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no file has such a name"
        raise BournError(f"{path}: {reason}") from None
    chosen = readers[reader] if reader else _by_suffix(path, readers)
    try:
        found = chosen.read(content, {})
    except BournError as error:
        raise BournError(f"{path}: {error}") from None
    except Exception as error:
        what = f"resource reader '{chosen.name}' failed: {type(error).__name__}: {error}"
        raise BournError(f"{path}: {what}") from error
    if found.R is None:
        raise BournError(f"{path}: a '{chosen.name}' file has no R; name it in [scheduler] load-file instead")
    return found.R


def _by_suffix(path: Path, readers: Mapping[str, ResourceReader]) -> ResourceReader:
    for reader in readers.values():
        if path.suffix in reader.suffixes:
            return reader
    return readers["R"]
