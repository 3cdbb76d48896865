"""Every regular expression of the product takes linear time on generated worst-case input.

The patterns are found in the modules and in their source. The inputs repeat pieces that the pattern
itself accepts, and end with a character that it rejects, which makes a careless pattern backtrack.
"""

from __future__ import annotations

import ast
import importlib
import re
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from re import _constants as constants  # the parser of re
from re import _parser as parser
from typing import Any

import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
APPS = ("checks", "config", "onboarding", "tenants")
CALLS = {"compile", "match", "fullmatch", "search", "sub", "subn", "findall", "finditer", "split"}
# A linear pattern takes microseconds. Exponential time shows at 24 characters, cubic time at 400,
# quadratic time at 4,800. The search stops at the first length that is slow: nothing can interrupt
# the matching of one text.
LENGTHS = (24, 400, 4_800)
SECONDS = 0.1
# The longest text that each of these patterns can receive, with the reason.
BOUNDED = {
    "checks/engine/known_providers.py": 255,  # names of DNS
    "checks/engine/discovery.py": 255,  # names of DNS
    "checks/lab/zone_records.py": 255,  # names of the lab
}
Pattern = re.Pattern[Any]


def modules() -> Iterator[tuple[str, str]]:
    for app in APPS:
        for path in sorted((ROOT / app).rglob("*.py")):
            if "migrations" not in path.parts:
                relative = path.relative_to(ROOT)
                yield str(relative), ".".join(relative.with_suffix("").parts)


def in_module(name: str) -> Iterator[tuple[str, Pattern]]:
    """The patterns among the values of the module, with their names; also inside its mappings."""
    pending = list(vars(importlib.import_module(name)).items())
    for _ in range(3):
        deeper: list[tuple[str, Any]] = []
        for label, value in pending:
            if isinstance(value, re.Pattern):
                yield label, value
            elif isinstance(value, dict):
                deeper.extend((label, each) for each in value.values())
            elif isinstance(value, list | tuple) and len(value) < 200:
                deeper.extend((label, each) for each in value)
        pending = deeper


def in_source(path: str) -> Iterator[tuple[str, Pattern]]:
    """The literal patterns of calls of `re`, with the name of the function."""
    source = (ROOT / path).read_text()
    # Most modules have no such call. Every test run searches them when it collects this module.
    for node in ast.walk(ast.parse(source)) if "re." in source else ():
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if not (isinstance(node.func.value, ast.Name) and node.func.value.id == "re"):
            continue
        if node.func.attr not in CALLS or not node.args:
            continue
        first = node.args[0]
        if isinstance(first, ast.Constant):
            flags = re.IGNORECASE if "IGNORECASE" in ast.unparse(node) else 0
            multi = re.MULTILINE if "MULTILINE" in ast.unparse(node) else 0
            yield node.func.attr, re.compile(first.value, flags | multi)


def uses_of(label: str, source: str) -> set[str]:
    """How the module uses the pattern: every other method searches like `search`.

    A pattern inside a tuple or mapping counts with all methods that the module calls.
    """
    called = set(re.findall(rf"\b{label}\.(\w+)\(", source)) & CALLS
    called = called or set(re.findall(r"(?<!\bre)\.(\w+)\(", source)) & CALLS - {"split"}
    return {use if use in ("match", "fullmatch") else "search" for use in called}


@cache
def patterns() -> dict[tuple[str, Any, int], tuple[Pattern, set[str]]]:
    """The patterns with the methods that the product calls, by module, text and flags."""
    found: dict[tuple[str, Any, int], tuple[Pattern, set[str]]] = {}
    for path, name in modules():
        source = (ROOT / path).read_text()
        for label, each in in_module(name):
            key = (path, each.pattern, each.flags)
            found.setdefault(key, (each, set()))[1].update(uses_of(label, source))
        for call, each in in_source(path):
            if call != "compile":
                use = call if call in ("match", "fullmatch") else "search"
                found.setdefault((path, each.pattern, each.flags), (each, set()))[1].add(use)
    return found


REPEATS = (constants.MAX_REPEAT, constants.MIN_REPEAT, constants.POSSESSIVE_REPEAT)
ASSERTIONS = (constants.ASSERT, constants.ASSERT_NOT)


def nested(op: Any, value: Any) -> list[Any]:
    """The sequences inside a repetition, group, alternative or assertion."""
    if op in REPEATS:
        return [value[2]]
    if op is constants.SUBPATTERN:
        return [value[3]]
    if op is constants.BRANCH:
        return list(value[1])
    return [value[1]] if op in ASSERTIONS else []


def accepted(parsed: Any) -> Iterator[str]:
    """Texts that parts of the pattern accept: one for each branch of each part."""
    for op, value in parsed:
        if op is constants.LITERAL:
            yield chr(value)
        elif op is constants.IN:
            yield from map(_member, value[:4])
        for part in nested(op, value):
            yield from accepted(part)
            yield _one(part)


def _member(item: tuple[Any, Any]) -> str:
    op, value = item
    match op:
        case constants.LITERAL:
            return chr(value)
        case constants.RANGE:
            return chr(value[0])
        case constants.CATEGORY:
            return {
                constants.CATEGORY_DIGIT: "1",
                constants.CATEGORY_SPACE: " ",
                constants.CATEGORY_WORD: "a",
            }.get(value, "-")
    return "~"


def _one(parsed: Any) -> str:
    """One text that the whole sequence accepts, roughly."""
    text = ""
    for op, value in parsed:
        if op is constants.LITERAL:
            text += chr(value)
        elif op is constants.IN:
            text += _member(value[0])
        elif op in (constants.ANY, constants.NOT_LITERAL):
            text += "a"
        elif op not in ASSERTIONS:
            times = max(1, min(value[0], 20)) if op in REPEATS else 1
            text += "".join(_one(part) for part in nested(op, value)[:1]) * times
    return text


def hostile_texts(pattern: Pattern, length: int) -> Iterator[str]:
    """A start that the pattern accepts, a piece again and again, and an end that it rejects."""
    source = (
        pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin")
    )
    parsed = parser.parse(source, pattern.flags & ~re.UNICODE)
    pieces = sorted({piece for piece in accepted(parsed) if piece} | {" ", "a", "1"})[:12]
    start = _one(parsed)
    for piece in pieces:
        for begin in ("", start):
            for end in ("", "\x01", "!"):
                yield begin + piece * (length // len(piece)) + end


def has_possessive_group(parsed: Any) -> bool:
    """Whether a group repeats possessively, or is atomic. A single character may."""
    for op, value in parsed:
        if op is constants.ATOMIC_GROUP:
            return True
        if op is constants.POSSESSIVE_REPEAT and not _is_one_character(value[2]):
            return True
        if any(has_possessive_group(part) for part in nested(op, value)):
            return True
    return False


def _is_one_character(parsed: Any) -> bool:
    ops = [op for op, _ in parsed]
    return len(ops) == 1 and ops[0] in (
        constants.LITERAL,
        constants.NOT_LITERAL,
        constants.IN,
        constants.ANY,
    )


def slowest(pattern: Pattern, uses: set[str], length: int) -> tuple[float, str]:
    worst, of = 0.0, ""
    for text in hostile_texts(pattern, length):
        subject: Any = text.encode() if isinstance(pattern.pattern, bytes) else text
        for use in sorted(uses):
            began = time.process_time()
            if use == "search":
                # All matches, as `sub` and `findall` search for them.
                for _ in pattern.finditer(subject):
                    pass
            else:
                getattr(pattern, use)(subject)
            took = time.process_time() - began
            if took > worst:
                worst, of = took, f"{use} {text[:40]!r}"
            if worst > SECONDS:
                return worst, of
    return worst, of


def test_patterns_are_found() -> None:
    # The number only grows: a change of the search that loses patterns is noticed.
    assert len(patterns()) > 130
    assert {path.partition("/")[0] for path, *_ in patterns()} == set(APPS)


@pytest.mark.parametrize("path", sorted({path for path, *_ in patterns()}))
def test_patterns_of_module_are_linear(path: str) -> None:
    slow = {}
    for (where, source, _), (pattern, uses) in patterns().items():
        for length in LENGTHS if where == path else ():
            seconds, text = slowest(pattern, uses, min(length, BOUNDED.get(path, length)))
            if seconds > SECONDS:
                slow[source] = (length, round(seconds, 2), text)
                break

    assert slow == {}


@pytest.mark.parametrize("source", [r"(?:a*[b])++c", r"(?>a|b)c", r"(?:ab){2,3}+", r"a(?:b?)?+"])
def test_possessive_group_is_found(source: str) -> None:
    assert has_possessive_group(parser.parse(source))


def test_no_pattern_has_a_possessive_group() -> None:
    """Python before 3.11.5 matches such groups incorrectly (CPython issue 106052)."""
    found = [
        (path, source)
        for (path, source, _), (pattern, _) in patterns().items()
        if has_possessive_group(
            parser.parse(
                pattern.pattern
                if isinstance(pattern.pattern, str)
                else pattern.pattern.decode("latin"),
                pattern.flags & ~re.UNICODE,
            )
        )
    ]

    assert found == []
