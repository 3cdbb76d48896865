"""Recognise texts that were meant as a record of a kind, and the character that spoils them. Pure.

A web form, a word processor or a spreadsheet adds quotation marks, other spaces and invisible
characters. Receivers discard such a text, and it looks correct on a page.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

_MAX_READ = 2000
_MAX_SHOWN = 120

_NAMES: Mapping[str, str] = MappingProxyType(
    {
        '"': "a quotation mark",
        "'": "an apostrophe",
        "\\": "a backslash",
        "\t": "a tab",
        "\r": "a line break",
        "\n": "a line break",
        ",": "a comma",
        "\ufeff": "a byte order mark",
        "\u00a0": "a no-break space",
        "\u200b": "a zero-width space",
        "\u00ad": "a soft hyphen",
    }
)
_QUOTES = frozenset("\"'“”„‟‘’‚‛«»‹›`´′″")
# Before cleaning: what the first tag of each kind looks like after common mistakes.
_MEANT: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        "spf": re.compile(r"v ?= ?spf ?1(?!\d)|spf1 ", re.IGNORECASE),
        "dmarc": re.compile(
            r"v ?[=:] ?dmarc|dmarc1|p ?= ?(none|quarantine|reject)\b", re.IGNORECASE
        ),
        "mta-sts": re.compile(r"v ?[=:] ?stsv1|stsv1", re.IGNORECASE),
    }
)


@dataclass(frozen=True)
class AlmostRecord:
    """A text that receivers discard. `meant` is the record without the spoiling characters.

    `problem` names the first spoiling character, or shows the start of the text.
    """

    text: str
    meant: str
    problem: str

    @property
    def shown(self) -> str:
        """The text with its invisible characters visible."""
        return "".join(map(_visible, self.text[:_MAX_SHOWN]))


def recognise(kind: str, values: Sequence[str]) -> list[AlmostRecord]:
    """Return the values that were meant as a record of the kind: spf, dmarc or mta-sts.

    The caller has selected the valid records before.
    """
    found = (almost(kind, value) for value in values)
    return [each for each in found if each is not None]


def almost(kind: str, text: str) -> AlmostRecord | None:
    cleaned = clean(text)
    if not _MEANT[kind].match(cleaned):
        return None
    problem = stray_character(text)
    if not problem:
        # A space in the wrong place or a misspelt version has no character to name.
        problem = f"“{text[:12].strip()}”" if not text.startswith(" ") else "a space at its start"
    return AlmostRecord(text, _normalised(kind, cleaned), problem)


def stray_character(text: str) -> str:
    """Return the name of the first character that no record contains; empty without one."""
    for char in text[:_MAX_READ]:
        if char in _NAMES or char in _QUOTES or not char.isascii():
            return describe_character(char)
    return ""


def clean(text: str) -> str:
    """Return the text without quotes and invisible characters, and with plain single spaces.

    A comma or semicolon after a term of SPF separates terms, as people write lists.
    """
    kept = []
    for char in text[:_MAX_READ]:
        category = unicodedata.category(char)
        if char in _QUOTES or char == "\\" or (category in ("Cf", "Cc") and char not in "\t\r\n"):
            continue
        kept.append(" " if char.isspace() or category == "Zs" else char)
    return re.sub(r" +", " ", "".join(kept)).strip()


def _normalised(kind: str, cleaned: str) -> str:
    if kind != "spf":
        return cleaned
    terms = re.sub(r"[,;]+(?= |$)|,(?=[a-z+~?-])", " ", cleaned, flags=re.IGNORECASE)
    rest = re.sub(r"^(v ?= ?)?spf ?1[ :;,]*", "", terms, flags=re.IGNORECASE)
    return " ".join(["v=spf1", *rest.split()])


def describe_character(char: str) -> str:
    """Return the name of a character with its sign, or with its code point if it is invisible."""
    name = _NAMES.get(char) or ("a curly quotation mark" if char in _QUOTES else "")
    code = f"U+{ord(char):04X}"
    if not name:
        return f"the character {char} ({code})" if char.isprintable() else f"the character {code}"
    return f"{name} ({char})" if char.isprintable() and char != " " else f"{name} ({code})"


def _visible(char: str) -> str:
    if char == " " or (char.isprintable() and unicodedata.category(char) != "Cf"):
        return char
    return f"[U+{ord(char):04X}]"
