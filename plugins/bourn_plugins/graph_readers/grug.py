"""GRUG: a GraphML recipe that says how many of what to make where, and what to link."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

from attrs import define, field

from bourn.errors import BournError
from bourn.hookspecs.resource_io import Resources

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bourn.hookspecs.resource_io import GraphBuilder

_NUMBERS = {
    "root",
    "size",
    "id_scope",
    "id_start",
    "id_stride",
    "multi_scale",
    "as_tgt_uplvl",
    "as_src_uplvl",
}


@define(eq=False)
class _Recipe:
    key: str
    type: str
    basename: str
    size: int
    unit: str
    subsystem: str
    root: bool
    edges: list[_Step] = field(factory=list)
    made: list[_Made] = field(factory=list)


@define(eq=False)
class _Step:
    key: str
    target: _Recipe
    values: dict[str, Any]


@define(eq=False)
class _Made:
    """A vertex that has been made: its handle, and what later steps ask of it."""

    handle: int
    name: str
    paths: dict[str, str]


def read_grug(content: bytes, options: Mapping[str, Any]) -> Resources:
    """Read a recipe; BournError names the element that is wrong."""
    recipes = _parse(content)

    def build(builder: GraphBuilder) -> None:
        _Maker(builder).run(recipes)

    return Resources(build=build)


def _parse(content: bytes) -> list[_Recipe]:
    try:
        top = ET.fromstring(content)
    except ET.ParseError as error:
        raise BournError(f"not a GraphML document: {error}") from None
    keys: dict[str, tuple[str, str]] = {}
    defaults: dict[str, dict[str, str]] = {"node": {}, "edge": {}}
    for key in _all(top, "key"):
        name, kind = key.get("attr.name", key.get("id", "")), key.get("for", "node")
        keys[key.get("id", "")] = (kind, name)
        default = next(_all(key, "default"), None)
        if default is not None and kind in defaults:
            defaults[kind][name] = (default.text or "").strip()
    graph = next(_all(top, "graph"), None)
    if graph is None:
        raise BournError("graphml: there is no graph element")
    recipes: dict[str, _Recipe] = {}
    for element in _all(graph, "node"):
        id = element.get("id", "")
        values = _values(element, keys, defaults["node"], f"node '{id}'")
        if not values.get("type"):
            raise BournError(f"node '{id}': data 'type' is missing")
        size = values.get("size", 1)
        if size < 1:
            raise BournError(f"node '{id}': size must be at least 1, not {size}")
        recipes[id] = _Recipe(
            id,
            values["type"],
            values.get("basename") or values["type"],
            size,
            values.get("unit", ""),
            values.get("subsystem", "containment"),
            bool(values.get("root", 0)),
        )
    for element in _all(graph, "edge"):
        id = element.get("id", "")
        ends = []
        for side in ("source", "target"):
            end = recipes.get(element.get(side, ""))
            if end is None:
                raise BournError(f"edge '{id}': {side} '{element.get(side, '')}' is no node")
            ends.append(end)
        values = _values(element, keys, defaults["edge"], f"edge '{id}'")
        ends[0].edges.append(_Step(id, ends[1], values))
    return list(recipes.values())


def _all(element: ET.Element, tag: str) -> Any:
    return (child for child in element.iter() if child.tag.rpartition("}")[2] == tag)


def _values(
    element: ET.Element, keys: dict[str, tuple[str, str]], defaults: dict[str, str], where: str
) -> dict[str, Any]:
    values: dict[str, Any] = dict(defaults)
    for data in _all(element, "data"):
        values[keys.get(data.get("key", ""), ("", data.get("key", "")))[1]] = (data.text or "").strip()
    for name in _NUMBERS & values.keys():
        try:
            values[name] = int(values[name])
        except ValueError:
            raise BournError(f"{where}: {name} must be an integer, not '{values[name]}'") from None
    return values


class _Maker:
    """Walks the recipe depth first and makes what each edge says."""

    def __init__(self, builder: GraphBuilder) -> None:
        self.builder = builder
        self.roots: dict[str, _Made] = {}
        self.by_type: dict[str, list[_Made]] = {}
        self.scales: list[int] = []
        self.rank = 0
        self.sources: set[str] = set()

    def run(self, recipes: list[_Recipe]) -> None:
        self.sources = {
            step.target.type
            for recipe in recipes
            for step in recipe.edges
            if step.values.get("gen_method", "MULTIPLY") != "MULTIPLY"
        }
        seen: set[str] = set()
        for recipe in recipes:
            recipe.made = []
        for recipe in recipes:
            if recipe.key not in seen:
                self._visit(recipe, seen)

    def _visit(self, recipe: _Recipe, seen: set[str]) -> None:
        seen.add(recipe.key)
        for step in recipe.edges:
            if step.target.key in seen:
                continue
            if recipe.root and not recipe.made:
                recipe.made.append(self._root(recipe))
            step.target.made = []
            method = step.values.get("gen_method", "MULTIPLY")
            if method == "MULTIPLY":
                self._multiply(recipe, step)
            elif method == "ASSOCIATE_IN":
                self._associate(recipe, step, by_path=False)
            elif method == "ASSOCIATE_BY_PATH_IN":
                self._associate(recipe, step, by_path=True)
            else:
                raise BournError(
                    f"edge '{step.key}': unknown gen_method '{method}'; "
                    "there are: ASSOCIATE_BY_PATH_IN, ASSOCIATE_IN, MULTIPLY"
                )
            self._visit(step.target, seen)
        if self.scales:
            self.scales.pop(0)

    def _root(self, recipe: _Recipe) -> _Made:
        if recipe.subsystem in self.roots:
            return self.roots[recipe.subsystem]
        rank = -1
        if recipe.type == "node":
            rank, self.rank = self.rank, self.rank + 1
        name = f"{recipe.basename}0"
        handle = self.builder.vertex(
            recipe.type,
            basename=recipe.basename,
            id=0,
            name=name,
            rank=rank,
            size=recipe.size,
            unit=recipe.unit,
            subsystem=recipe.subsystem,
        )
        made = _Made(handle, name, {recipe.subsystem: f"/{name}"})
        self.roots[recipe.subsystem] = made
        self.by_type.setdefault(recipe.type, []).append(made)
        return made

    def _multiply(self, recipe: _Recipe, step: _Step) -> None:
        target, values, scale = step.target, step.values, step.values.get("multi_scale", 1)
        start, stride, scope = (
            values.get("id_start", 0),
            values.get("id_stride", 1),
            values.get("id_scope", 0),
        )
        if scope < 0:
            raise BournError(f"edge '{step.key}': id_scope must not be negative")
        wrap = 1
        for number in self.scales[: min(scope, len(self.scales))]:
            wrap *= number
        ids = [
            start + i if scope == 0 else start + (j % wrap) * scale * stride + i * stride
            for j in range(len(recipe.made))
            for i in range(scale)
        ]
        contained = target.subsystem == values.get("e_subsystem", "containment") == "containment"
        if contained and not target.edges and target.type != "node" and target.type not in self.sources:
            parents = [made.handle for made in recipe.made for _ in range(scale)]
            self.builder.leaves(parents, target.type, target.basename, target.size, target.unit, ids)
        else:
            self._make(recipe, step, ids, scale)
        self.scales.insert(0, scale)

    def _make(self, recipe: _Recipe, step: _Step, ids: list[int], scale: int) -> None:
        target = step.target
        subsystem = step.values.get("e_subsystem", "containment")
        made_of_type = self.by_type.setdefault(target.type, [])
        k = 0
        for source in recipe.made:
            prefix = source.paths.get(target.subsystem, "")
            for _ in range(scale):
                number = ids[k]
                k += 1
                name = f"{target.basename}{number}" if number != -1 else target.basename
                rank = -1
                if target.type == "node":
                    rank, self.rank = self.rank, self.rank + 1
                handle = self.builder.vertex(
                    target.type,
                    source.handle,
                    basename=target.basename,
                    id=number,
                    name=name,
                    rank=rank,
                    size=target.size,
                    unit=target.unit,
                    subsystem=subsystem,
                )
                made = _Made(handle, name, {target.subsystem: f"{prefix}/{name}"})
                target.made.append(made)
                made_of_type.append(made)

    def _associate(self, recipe: _Recipe, step: _Step, *, by_path: bool) -> None:
        values, target = step.values, step.target
        subsystem = values.get("e_subsystem", "containment")
        inside = values.get("as_tgt_subsystem", "containment")
        candidates = self.by_type.get(target.type, [])
        below = _by_prefix(candidates, inside, values.get("as_tgt_uplvl", 1)) if by_path else {}
        for source in recipe.made:
            matching = candidates
            if by_path:
                prefix = _prefix(source.paths.get(inside, ""), values.get("as_src_uplvl", 1))
                matching = below.get(prefix, [])
            for made in list(matching):
                made.paths[subsystem] = f"{source.paths.get(subsystem, '')}/{made.name}"
                self.builder.edge(source.handle, made.handle, subsystem, values.get("relation", "contains"))
                target.made.append(made)


def _by_prefix(candidates: list[_Made], subsystem: str, levels: int) -> dict[str, list[_Made]]:
    table: dict[str, list[_Made]] = {}
    for made in candidates:
        table.setdefault(_prefix(made.paths.get(subsystem, ""), levels), []).append(made)
    return table


def _prefix(path: str, levels: int) -> str:
    """Return a path without its last `levels` names, with a slash at its end."""
    parts = path.split("/")
    if levels >= len(parts) - 1:
        return ""
    return "/".join(parts[: len(parts) - levels]) + "/"
