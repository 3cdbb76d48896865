"""The glossary: terms of e-mail and DNS in plain words, from data/glossary.yaml."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

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
