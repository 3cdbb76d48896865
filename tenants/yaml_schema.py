"""Reads YAML data files strictly. Each error has file, line and reason."""

from __future__ import annotations

import datetime
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tenants.errors import TenantError

_TAG = "tag:yaml.org,2002:"
# The plan template needs eight levels.
MAX_LEVELS = 30


class YamlSchemaError(TenantError):
    """A data file violates its schema."""

    def __init__(self, path: Path, line: int, reason: str) -> None:
        super().__init__(f"{path}:{line}: {reason}")
        self.path = path
        self.line = line
        self.reason = reason


class PlainLoader(yaml.SafeLoader):
    """YAML of texts, numbers, dates, lists and mappings. Every error is a MarkedYAMLError.

    An alias makes a small text large (`&a [*b, *b, …]`), deep nesting exhausts the stack of the
    process, and PyYAML raises other errors for an explicit type such as `!!int x`.
    """

    _levels = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if self.check_event(yaml.AliasEvent):
            raise _refused("an alias (*) is not supported", event)
        if getattr(event, "tag", None):
            raise _refused("a type (!) is not supported", event)
        if self._levels == MAX_LEVELS:
            raise _refused(f"more than {MAX_LEVELS} levels are not supported", event)
        self._levels += 1
        node = super().compose_node(parent, index)
        self._levels -= 1
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except ValueError as error:
            # 2026-02-30 and 0x_ have the form of a date and of a number.
            raise _refused("a date or number is invalid: write it in quotation marks", node) from (
                error
            )


def _refused(reason: str, found: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=reason, problem_mark=found.start_mark)


@dataclass(frozen=True)
class YamlSection:
    """One value of a data file, with its position and its name."""

    path: Path
    node: yaml.Node
    name: str
    key_line: int = 0

    @property
    def line(self) -> int:
        return int(self.node.start_mark.line) + 1

    @property
    def is_null(self) -> bool:
        return bool(self.node.tag == f"{_TAG}null")

    @property
    def is_integer(self) -> bool:
        return isinstance(self.node, yaml.ScalarNode) and self.node.tag == f"{_TAG}int"

    @property
    def is_list(self) -> bool:
        return isinstance(self.node, yaml.SequenceNode)

    def error(self, reason: str) -> YamlSchemaError:
        return YamlSchemaError(self.path, self.line, reason)

    def mapping(
        self, required: Collection[str] = (), optional: Collection[str] = ()
    ) -> dict[str, YamlSection]:
        """The entries by key. Raises YamlSchemaError for a missing or an unknown key."""
        found = self.entries()
        for key, section in found.items():
            if key not in required and key not in optional:
                raise YamlSchemaError(
                    self.path, section.key_line, f"unknown key “{key}” in {self.name}"
                )
        for key in required:
            if key not in found:
                raise self.error(f"{self.name} lacks the key “{key}”")
        return found

    def entries(self) -> dict[str, YamlSection]:
        """The entries by key, with any keys."""
        if not isinstance(self.node, yaml.MappingNode):
            raise self.error(f"{self.name} must be a mapping")
        found: dict[str, YamlSection] = {}
        for key_node, value_node in self.node.value:
            key_section = YamlSection(self.path, key_node, f"a key of {self.name}")
            key = key_section.text()
            if key in found:
                raise key_section.error(f"duplicate key “{key}” in {self.name}")
            found[key] = YamlSection(self.path, value_node, f"“{key}”", key_section.line)
        return found

    def items(self) -> list[YamlSection]:
        if not isinstance(self.node, yaml.SequenceNode):
            raise self.error(f"{self.name} must be a list")
        return [YamlSection(self.path, node, f"an item of {self.name}") for node in self.node.value]

    def text(self) -> str:
        value = self._scalar("str", "text")
        if not value.strip():
            raise self.error(f"{self.name} is empty")
        return value.strip()

    def texts(self) -> tuple[str, ...]:
        return tuple(item.text() for item in self.items())

    def integer(self) -> int:
        return int(self._scalar("int", "a whole number"))

    def boolean(self) -> bool:
        return self._scalar("bool", "true or false").lower() in ("true", "yes", "on")

    def date(self) -> datetime.date:
        text = self._scalar("timestamp", "a date")
        try:
            return datetime.date.fromisoformat(text)
        except ValueError:
            raise self.error(f"{self.name} must be a date such as 2026-11-23") from None

    def choice(self, allowed: Collection[str]) -> str:
        value = self.text()
        if value not in allowed:
            raise self.error(
                f"{self.name} is “{value}”, but must be one of {', '.join(sorted(allowed))}"
            )
        return value

    def _scalar(self, tag: str, wanted: str) -> str:
        if not isinstance(self.node, yaml.ScalarNode) or self.node.tag != f"{_TAG}{tag}":
            raise self.error(f"{self.name} must be {wanted}")
        return str(self.node.value)


Location = tuple[str | int, ...]


class DataDocument:
    """Plain JSON data as a section, validated as strictly as a file.

    Each value has its own line number. `locations` maps the line to the value's path of keys and
    indexes.
    """

    def __init__(self, data: object, name: str) -> None:
        self.locations: list[Location] = []
        self.root = YamlSection(Path(name), self._node(data, ()), "the file")

    def location_of(self, error: YamlSchemaError) -> Location:
        return self.locations[error.line - 1]

    def _node(self, data: object, location: Location) -> yaml.Node:
        mark = yaml.Mark("", 0, len(self.locations), 0, None, 0)
        self.locations.append(location)
        if isinstance(data, dict):
            pairs = [
                (
                    yaml.ScalarNode(f"{_TAG}str", str(key), mark, mark),
                    self._node(value, (*location, key)),
                )
                for key, value in data.items()
            ]
            return yaml.MappingNode(f"{_TAG}map", pairs, mark, mark)
        if isinstance(data, list):
            items = [self._node(item, (*location, index)) for index, item in enumerate(data)]
            return yaml.SequenceNode(f"{_TAG}seq", items, mark, mark)
        tag, text = _scalar_of(data)
        return yaml.ScalarNode(f"{_TAG}{tag}", text, mark, mark)


def _scalar_of(data: object) -> tuple[str, str]:
    match data:
        case None:
            return "null", ""
        case bool():
            return "bool", str(data).lower()
        case int():
            return "int", str(data)
    assert isinstance(data, str), f"{type(data).__name__} is not a JSON type"
    return "str", data


def read_yaml(path: Path) -> YamlSection:
    """The whole file as one section. Raises YamlSchemaError if it is unreadable or not YAML."""
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=PlainLoader)
    except OSError as error:
        raise YamlSchemaError(path, 1, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise YamlSchemaError(path, line, "is not UTF-8 text") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise YamlSchemaError(path, line, f"is not valid YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise YamlSchemaError(path, 1, "is not valid YAML") from error
    if root is None:
        raise YamlSchemaError(path, 1, "is empty")
    return YamlSection(path, root, "the file")
