"""Read Export-Clixml files (MS-PSRP section 2.2.5) as plain values.

The parser refuses every document type, so no entity is ever expanded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

_DEEPEST = 40
_MOST_ELEMENTS = 50_000
_LISTS = frozenset({"LST", "IE", "QUE", "STK"})
_PROPERTIES = frozenset({"Props", "MS"})
_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")
# The text of an object, next to its properties.
TEXT_KEY = ""


class ClixmlError(ValueError):
    """The file is no readable Clixml."""


@dataclass(slots=True)
class _Element:
    tag: str
    attributes: dict[str, str]
    children: list[_Element] = field(default_factory=list)
    text: list[str] = field(default_factory=list)


def read_clixml(text: str) -> list[Any]:
    """The objects of the file. Raises ClixmlError.

    A list is a list, a dictionary or an object is a dict, whose own text has the key TEXT_KEY.
    """
    root = _parse(text)
    if root.tag != "Objs":
        raise ClixmlError("no Objs element")
    objects: dict[str, Any] = {}
    return [_value(child, objects) for child in root.children]


def _parse(text: str) -> _Element:
    parser = expat.ParserCreate("utf-8")
    stack: list[_Element] = []
    roots: list[_Element] = []
    left = iter(range(_MOST_ELEMENTS))

    def start(tag: str, attributes: dict[str, str]) -> None:
        if len(stack) >= _DEEPEST or next(left, None) is None:
            raise ClixmlError("too deep or too many elements")
        element = _Element(tag, attributes)
        (stack[-1].children if stack else roots).append(element)
        stack.append(element)

    def end(tag: str) -> None:
        stack.pop()

    def data(part: str) -> None:
        if stack:
            stack[-1].text.append(part)

    def refuse(*arguments: object) -> None:
        raise ClixmlError("a document type")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = data
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(_without_declaration(text).encode(), True)
    except (expat.ExpatError, UnicodeEncodeError) as error:
        raise ClixmlError(str(error)) from error
    return roots[0]


def _without_declaration(text: str) -> str:
    """The text has been decoded, so the encoding that the file names no longer applies."""
    stripped = text.lstrip()
    if stripped.startswith("<?xml"):
        return stripped.partition("?>")[2]
    return stripped


def _value(element: _Element, objects: dict[str, Any]) -> Any:
    """The value of an element. An object that refers to an earlier one is the same value."""
    match element.tag:
        case "Nil":
            return None
        case "B":
            return "".join(element.text).strip().lower() == "true"
        case "Ref":
            return objects.get(element.attributes.get("RefId", ""))
        case "Obj":
            value = _object(element, objects)
            objects[element.attributes.get("RefId", "")] = value
            return value
        case _:
            return _unescaped("".join(element.text))


def _object(element: _Element, objects: dict[str, Any]) -> Any:
    for child in element.children:
        if child.tag in _LISTS:
            return [_value(item, objects) for item in child.children]
    found: dict[str, Any] = {}
    for child in element.children:
        if child.tag == "ToString":
            found[TEXT_KEY] = _unescaped("".join(child.text))
        elif child.tag == "DCT":
            found.update(_entries(child, objects))
        elif child.tag in _PROPERTIES:
            for item in child.children:
                found.setdefault(_unescaped(item.attributes.get("N", "")), _value(item, objects))
    return found


def _entries(dictionary: _Element, objects: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for entry in dictionary.children:
        parts = {item.attributes.get("N", ""): item for item in entry.children}
        if "Key" in parts and "Value" in parts:
            key = _value(parts["Key"], objects)
            # The text of a list of references can be longer than any memory.
            if isinstance(key, str):
                yield key, _value(parts["Value"], objects)


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)
