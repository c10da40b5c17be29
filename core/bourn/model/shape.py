"""The shape shorthand for resources: `slot=4/node/[core=2;gpu]` (RFC 46), counts as in RFC 45."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bourn.errors import BournError
from bourn.model.count import format_count, parse_count

if TYPE_CHECKING:
    from typing import NoReturn

    Vertex = dict[str, Any]

_SPECIAL = frozenset("=/;,:{}[]\"'")


def parse_shape(text: str) -> list[Vertex]:
    """Return the `resources` list of a jobspec; a lone slot without a label gets the label `default`.

    BournError says what is wrong and at which character.
    """
    parser = _Parser(text)
    resources = parser.list()
    if parser.rest():
        parser.bad(f"'{parser.rest()}' is too much")
    slots = parser.slots
    if len(slots) == 1:
        slots[0].setdefault("label", "default")
    elif any("label" not in slot for slot in slots):
        raise BournError(f"shape '{text}': every one of several slots needs a label, as slot{{name}}")
    return resources


def format_shape(resources: list[Vertex]) -> str:
    """Return the shape string of a `resources` list."""
    text = ";".join(_format_vertex(vertex) for vertex in resources)
    return text if len(resources) == 1 else f"[{text}]"


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text.strip()
        self.at = 0
        self.slots: list[Vertex] = []
        self.depth = 0

    def rest(self) -> str:
        return self.text[self.at :]

    def bad(self, reason: str) -> NoReturn:
        raise BournError(f"shape '{self.text}', character {self.at + 1}: {reason}")

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def take(self, c: str) -> bool:
        if self.text.startswith(c, self.at):
            self.at += len(c)
            return True
        return False

    def expect(self, c: str) -> None:
        if not self.take(c):
            self.bad(f"'{c}' is missing")

    def list(self) -> list[Vertex]:
        self.depth += 1
        if self.depth > 64:
            self.bad("nested too deep")
        if self.take("["):
            vertices = [self.vertex()]
            while self.take(";"):
                vertices.append(self.vertex())
            self.expect("]")
        else:
            vertices = [self.vertex()]
        self.depth -= 1
        return vertices

    def vertex(self) -> Vertex:
        kind = self.word("the type of a resource")
        vertex: Vertex = {"type": kind, "count": self.count() if self.take("=") else 1}
        if kind == "slot":
            self.slots.append(vertex)
        if self.take("{"):
            if kind == "slot":
                vertex["label"] = self.word("the slot's label")
                if not self.take("}"):
                    self.expect(",")
                    self.items(vertex)
            elif not self.take("}"):
                self.items(vertex)
        if self.take("/"):
            vertex["with"] = self.list()
        elif kind == "slot":
            self.bad("a slot must have resources in it, as slot/core")
        return vertex

    def count(self) -> Any:
        bracket = self.take("[")
        start = self.at
        while self.peek() and self.peek() in "0123456789-+,:*^":
            self.at += 1
        body = self.text[start : self.at]
        if bracket:
            self.expect("]")
        try:
            return parse_count(body)
        except BournError as err:
            self.at = start
            self.bad(err.message)

    def items(self, table: Vertex) -> None:
        """Take `key:value`, `key`, `+key` and `-key` up to the closing brace."""
        while True:
            sign = "+" if self.take("+") else "-" if self.take("-") else ""
            key = self.word("a key")
            value: Any = sign != "-"
            if self.take(":"):
                if sign:
                    self.bad(f"'{sign}{key}' takes no value")
                value = self.value()
            table["exclusive" if key == "x" else key] = value
            if self.take("}"):
                return
            self.expect(",")

    def value(self) -> Any:
        if self.take("{"):
            table: Vertex = {}
            if not self.take("}"):
                self.items(table)
            return table
        if self.take("["):
            values: list[Any] = []
            while not self.take("]"):
                if values:
                    self.expect(",")
                values.append(self.value())
            return values
        quoted = self.peek() == '"'
        word = self.word("a value")
        if not quoted:
            try:
                return json.loads(word, parse_constant=lambda name: name)
            except ValueError:
                pass
        return word

    def word(self, what: str) -> str:
        if self.peek() == '"':
            try:
                word, self.at = json.JSONDecoder().raw_decode(self.text, self.at)
            except ValueError:
                self.bad("a quoted string doesn't end")
            return str(word)
        start = self.at
        while self.peek() and self.peek() not in _SPECIAL and not self.peek().isspace():
            self.at += 1
        if self.at == start:
            self.bad(f"{what} is missing")
        return self.text[start : self.at]


def _format_vertex(vertex: Vertex) -> str:
    text = _format_word(vertex["type"])
    if vertex["count"] != 1:
        text += "=" + format_count(vertex["count"])
    items = []
    if vertex["type"] == "slot":
        items.append(_format_word(vertex["label"]))
    for key, value in vertex.items():
        if key in ("type", "count", "with") or (key == "label" and vertex["type"] == "slot"):
            continue
        items.append(_format_item(key, value))
    if items and items != ["default"]:
        text += "{" + ",".join(items) + "}"
    if vertex.get("with"):
        text += "/" + format_shape(vertex["with"])
    return text


def _format_item(key: str, value: Any) -> str:
    name = "x" if key == "exclusive" else _format_word(key)
    if value is True:
        return name
    return f"-{name}" if value is False else f"{name}:{_format_value(value)}"


def _format_value(value: Any) -> str:
    if isinstance(value, str):
        return _format_word(value)
    if isinstance(value, dict):
        return "{" + ",".join(_format_item(k, v) for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_format_value(v) for v in value) + "]"
    return json.dumps(value)


def _format_word(word: str) -> str:
    plain = word and word[0] not in "+-" and not any(c in _SPECIAL or c.isspace() for c in word)
    if plain:
        try:
            json.loads(word, parse_constant=lambda name: None)
        except ValueError:
            return word
    return json.dumps(word, ensure_ascii=False)
