"""R, the resource set: which cores and GPUs of which ranks (RFC 20)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bourn.errors import BournError
from bourn.model.hostlist import Hostlist
from bourn.model.idset import IdSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class ResourceSet:
    """Cores and GPUs by rank; operations return new sets.

    `starttime` and `expiration` are seconds since the epoch, 0 for none. `nslots` and `scheduling` (the
    scheduler's own key) are carried along unchanged by `from_dict` and `to_dict` only.
    """

    __slots__ = ("_nodes", "expiration", "nslots", "properties", "scheduling", "starttime")

    def __init__(self, starttime: float = 0.0, expiration: float = 0.0) -> None:
        self._nodes: dict[int, _Node] = {}
        self.properties: dict[str, IdSet] = {}
        self.starttime = starttime
        self.expiration = expiration
        self.nslots: int | None = None
        self.scheduling: dict[str, Any] | None = None

    @classmethod
    def from_dict(cls, obj: object) -> ResourceSet:
        """Check and take an RFC 20 object; BournError names the path of a bad field."""
        if not isinstance(obj, dict):
            raise _bad("", "must be a dictionary with version and execution")
        if obj.get("version") != 1:
            raise _bad("version", f"must be 1, not {obj.get('version')!r}")
        execution = obj.get("execution")
        if not isinstance(execution, dict):
            raise _bad("execution", "must be a dictionary with R_lite and nodelist")
        new = cls(_time(execution, "starttime"), _time(execution, "expiration"))
        if new.starttime and new.expiration and new.expiration <= new.starttime:
            raise _bad("execution.expiration", "must be later than starttime")
        entries = execution.get("R_lite")
        if not isinstance(entries, list):
            raise _bad("execution.R_lite", "must be a list of {rank, children}")
        for i, entry in enumerate(entries):
            new._take_entry(entry, f"execution.R_lite[{i}]")
        new._nodes = dict(sorted(new._nodes.items()))
        new._name_hosts(execution)
        properties = execution.get("properties", {})
        if not isinstance(properties, dict):
            raise _bad("execution.properties", "must be a dictionary of name: idset of ranks")
        for name, ranks in properties.items():
            new.properties[name] = _idset(ranks, f"execution.properties.{name}")
            if stray := new.properties[name] - new.ranks:
                raise _bad(f"execution.properties.{name}", f"ranks {stray} are not in R_lite")
        nslots = execution.get("nslots")
        if nslots is not None and (type(nslots) is not int or nslots < 1):
            raise _bad("execution.nslots", f"must be an integer from 1, not {nslots!r}")
        new.nslots = nslots
        new.scheduling = obj.get("scheduling")
        return new

    @classmethod
    def from_nodes(cls, nodes: Iterable[tuple[int, str, IdSet | str, IdSet | str]]) -> ResourceSet:
        """Make a set from (rank, host name, cores, GPUs)."""
        new = cls()
        for rank, host, cores, gpus in nodes:
            new._nodes[rank] = _Node(host, _mask(cores), _mask(gpus))
        new._nodes = dict(sorted(new._nodes.items()))
        return new

    def to_dict(self) -> dict[str, Any]:
        """Return the RFC 20 object; neighbours with equal cores and GPUs share an entry."""
        groups: dict[tuple[int, int], int] = {}
        for rank, node in self._nodes.items():
            key = (node.cores, node.gpus)
            groups[key] = groups.get(key, 0) | 1 << rank
        entries = []
        for (cores, gpus), ranks in groups.items():
            children = {"core": str(IdSet.from_mask(cores))}
            if gpus:
                children["gpu"] = str(IdSet.from_mask(gpus))
            entries.append({"rank": str(IdSet.from_mask(ranks)), "children": children})
        execution: dict[str, Any] = {
            "R_lite": entries,
            "nodelist": [str(self.nodelist)] if self._nodes else [],
            "starttime": self.starttime,
            "expiration": self.expiration,
        }
        if self.nslots is not None:
            execution["nslots"] = self.nslots
        if self.properties:
            execution["properties"] = {name: str(ranks) for name, ranks in self.properties.items() if ranks}
        obj: dict[str, Any] = {"version": 1, "execution": execution}
        if self.scheduling is not None:
            obj["scheduling"] = self.scheduling
        return obj

    @property
    def ranks(self) -> IdSet:
        """The ranks that have anything."""
        return IdSet(self._nodes)

    @property
    def nodelist(self) -> Hostlist:
        """Host names in the order of ranks."""
        return Hostlist([node.host for node in self._nodes.values()])

    @property
    def nnodes(self) -> int:
        """Number of ranks."""
        return len(self._nodes)

    @property
    def ncores(self) -> int:
        """Number of cores on all ranks."""
        return sum(node.cores.bit_count() for node in self._nodes.values())

    @property
    def ngpus(self) -> int:
        """Number of GPUs on all ranks."""
        return sum(node.gpus.bit_count() for node in self._nodes.values())

    def hostname(self, rank: int) -> str:
        """Return the host name of a rank; KeyError when the rank isn't in the set."""
        return self._nodes[rank].host

    def cores(self, rank: int) -> IdSet:
        """Return the cores of a rank, empty when the rank isn't in the set."""
        node = self._nodes.get(rank)
        return IdSet.from_mask(node.cores if node else 0)

    def gpus(self, rank: int) -> IdSet:
        """Return the GPUs of a rank, empty when the rank isn't in the set."""
        node = self._nodes.get(rank)
        return IdSet.from_mask(node.gpus if node else 0)

    def properties_of(self, rank: int) -> set[str]:
        """Return the names of a rank's properties."""
        return {name for name, ranks in self.properties.items() if rank in ranks}

    def copy_ranks(self, ranks: IdSet) -> ResourceSet:
        """Return the part that lies on these ranks."""
        return self._with({rank: node for rank, node in self._nodes.items() if rank in ranks})

    def remap_ranks(self, ranks: IdSet | None = None) -> ResourceSet:
        """Return the set with its ranks, in order, renumbered to `ranks` (0, 1, ... by default)."""
        new_ranks = range(len(self._nodes)) if ranks is None else list(ranks)
        if len(new_ranks) != len(self._nodes):
            raise BournError(f"{len(new_ranks)} ranks can't stand for the set's {len(self._nodes)}")
        names = dict(zip(self._nodes, new_ranks, strict=True))
        new = self._with({names[rank]: node for rank, node in self._nodes.items()})
        new.properties = {name: IdSet(names[rank] for rank in old) for name, old in self.properties.items()}
        return new

    def union(self, other: ResourceSet) -> ResourceSet:
        """Return what is in either; host names come from this set where both have the rank."""
        nodes = dict(self._nodes)
        for rank, node in other._nodes.items():
            mine = nodes.get(rank)
            nodes[rank] = _Node(mine.host, mine.cores | node.cores, mine.gpus | node.gpus) if mine else node
        new = self._with(dict(sorted(nodes.items())))
        new.properties = dict(self.properties)
        for name, ranks in other.properties.items():
            new.properties[name] = new.properties.get(name, IdSet()) | ranks
        return new

    def diff(self, other: ResourceSet) -> ResourceSet:
        """Return what is in this one and not in the other; a rank with nothing left goes."""
        nodes = {}
        for rank, node in self._nodes.items():
            theirs = other._nodes.get(rank)
            if theirs is None:
                nodes[rank] = node
                continue
            left = _Node(node.host, node.cores & ~theirs.cores, node.gpus & ~theirs.gpus)
            if left.cores or left.gpus:
                nodes[rank] = left
        return self._with(nodes)

    def intersect(self, other: ResourceSet) -> ResourceSet:
        """Return what is in both."""
        nodes = {}
        for rank, node in self._nodes.items():
            theirs = other._nodes.get(rank)
            if theirs is not None:
                both = _Node(node.host, node.cores & theirs.cores, node.gpus & theirs.gpus)
                if both.cores or both.gpus:
                    nodes[rank] = both
        return self._with(nodes)

    def summary(self) -> str:
        """Return a line such as `rank[0-1]/core[0-3],gpu0`, for logs."""
        parts = []
        for entry in self.to_dict()["execution"]["R_lite"]:
            kinds = ",".join(f"{kind}{_bracket(ids)}" for kind, ids in entry["children"].items() if ids)
            parts.append(f"rank{_bracket(entry['rank'])}/{kinds}")
        return " ".join(parts)

    def __bool__(self) -> bool:
        return bool(self._nodes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ResourceSet) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"ResourceSet({self.summary()!r})"

    def _with(self, nodes: dict[int, _Node]) -> ResourceSet:
        new = ResourceSet(self.starttime, self.expiration)
        new._nodes = nodes
        ranks = IdSet(nodes)
        new.properties = {name: both for name, old in self.properties.items() if (both := old & ranks)}
        return new

    def _take_entry(self, entry: object, path: str) -> None:
        if not isinstance(entry, dict) or not isinstance(entry.get("children"), dict):
            raise _bad(path, "must be a dictionary with rank and children")
        children = entry["children"]
        for kind in children:
            if kind not in ("core", "gpu"):
                raise _bad(f"{path}.children", f"unknown key '{kind}'; there are: core, gpu")
        cores = _idset(children.get("core", ""), f"{path}.children.core").mask
        gpus = _idset(children.get("gpu", ""), f"{path}.children.gpu").mask
        for rank in _idset(entry.get("rank"), f"{path}.rank"):
            node = self._nodes.setdefault(rank, _Node("", 0, 0))
            if node.cores & cores or node.gpus & gpus:
                raise _bad(path, f"rank {rank} has a core or GPU twice")
            node.cores |= cores
            node.gpus |= gpus

    def _name_hosts(self, execution: Mapping[str, Any]) -> None:
        nodelist = execution.get("nodelist")
        if nodelist is None:
            return
        if not isinstance(nodelist, list) or not all(isinstance(text, str) for text in nodelist):
            raise _bad("execution.nodelist", f"must be a list of hostlists, not {nodelist!r}")
        try:
            hosts = Hostlist(nodelist)
        except BournError as err:
            raise _bad("execution.nodelist", err.message) from None
        if len(hosts) != len(self._nodes):
            raise _bad("execution.nodelist", f"{len(hosts)} hosts for {len(self._nodes)} ranks")
        for node, host in zip(self._nodes.values(), hosts, strict=True):
            node.host = host


class _Node:
    __slots__ = ("cores", "gpus", "host")

    def __init__(self, host: str, cores: int, gpus: int) -> None:
        self.host = host
        self.cores = cores
        self.gpus = gpus


def ending(obj: Mapping[str, Any], expiration: float) -> dict[str, Any]:
    """Return an R in the form of RFC 20 that ends at another time (seconds since the epoch, 0 for never)."""
    return {**obj, "execution": {**obj["execution"], "expiration": expiration}}


def _mask(ids: IdSet | str) -> int:
    return ids.mask if isinstance(ids, IdSet) else IdSet(ids).mask


def _bracket(ids: str) -> str:
    return f"[{ids}]" if "," in ids or "-" in ids else ids


def _idset(text: object, path: str) -> IdSet:
    if not isinstance(text, str):
        raise _bad(path, f"must be an idset such as '0-3', not {text!r}")
    try:
        return IdSet(text)
    except BournError as err:
        raise _bad(path, err.message) from None


def _time(execution: Mapping[str, Any], key: str) -> float:
    value = execution.get(key, 0.0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise _bad(f"execution.{key}", f"must be seconds since the epoch, not {value!r}")
    return value


def _bad(path: str, reason: str) -> BournError:
    return BournError(f"R: {path}: {reason}" if path else f"R: {reason}")
