"""The glossary: terms of e-mail and DNS in plain words, from data/glossary.yaml."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

# A part of a text that is no prose: text in backticks, or a word that is an address or a path.
_LITERAL = re.compile(r"`[^`]*`|\S+")
_FILE = Path(__file__).parent / "data" / "glossary.yaml"


@dataclass(frozen=True)
class GlossaryTerm:
    """A term with its meaning. `key` is its place on the page of the glossary."""

    key: str
    title: str
    text: str
    source: str
    aliases: tuple[str, ...] = ()


@functools.cache
def terms() -> Mapping[str, GlossaryTerm]:
    """All terms by key, in the order of their titles."""
    stored: Mapping[str, Any] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))["terms"]
    found = [
        GlossaryTerm(
            key, each["title"], each["text"], each["source"], tuple(each.get("aliases", ()))
        )
        for key, each in stored.items()
    ]
    return {term.key: term for term in sorted(found, key=lambda term: term.title.casefold())}


@functools.cache
def _by_spelling() -> Mapping[str, GlossaryTerm]:
    return {
        spelling.casefold(): term
        for term in terms().values()
        for spelling in (term.title, *term.aliases)
    }


def find(text: str) -> GlossaryTerm | None:
    """The term that a page writes in this way, or None."""
    return _by_spelling().get(text.casefold())


@functools.cache
def _spellings() -> re.Pattern[str]:
    """Every spelling as a whole word, the longest first, also in the plural.

    An abbreviation has to have its capital letters: “txt” and “mx” occur in host names.
    """
    found = sorted(_by_spelling(), key=len, reverse=True)
    titles = [s for term in terms().values() for s in (term.title, *term.aliases)]
    exact = {s.casefold(): s for s in titles if s.isupper()}
    parts = [re.escape(exact[s]) if s in exact else f"(?i:{re.escape(s)})" for s in found]
    return re.compile(rf"(?<![\w-])(?:{'|'.join(parts)})(?=s?(?![\w-]))")


def occurrences(text: str) -> Iterator[tuple[int, int, GlossaryTerm]]:
    """The start and the end of each term in a plain text, in time linear in its length.

    Addresses, host names, paths, values and text in backticks contain no terms.
    """
    for start, end in _prose(text):
        for match in _spellings().finditer(text, start, end):
            found = find(match.group())
            if found is not None:
                yield match.start(), match.end(), found


def _prose(text: str) -> Iterator[tuple[int, int]]:
    """The parts of a text between its literals."""
    start = 0
    for match in _LITERAL.finditer(text):
        if _is_literal(match.group()):
            yield start, match.start()
            start = match.end()
    yield start, len(text)


def _is_literal(word: str) -> bool:
    inner = word.strip("“”‘’\"'(),;:.!?")
    return word.startswith("`") or any(mark in inner for mark in "/@=._<>\\")
