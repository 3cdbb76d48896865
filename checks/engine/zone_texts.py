"""The value of a TXT record in zone text (RFC 1035 section 5.1), as a server publishes it. Pure.

Outside quotation marks, a semicolon begins a comment. Many DNS hosts ignore this rule and export
`v=DMARC1; p=none` without quotation marks, so that a list of tags is read as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from checks.engine.almost_records import describe_character
from checks.engine.zone_lines import ZoneLine, ZoneTextError, ZoneToken, is_invisible

# A TXT record consists of strings of at most 255 bytes (RFC 1035 section 3.3).
_MAX_STRING = 255
_CURLY = ("\u201c", "\u201d", "\u201e", "\u2018", "\u2019")
# The start of DMARC, DKIM, MTA-STS and similar records. A key may have no version.
_TAG_LIST = re.compile(r"\s*(?:v\s*=(?!\s*spf)|[ghknpst]\s*=)", re.IGNORECASE)
_TAG = re.compile(r"\s*([a-z][a-z0-9_-]*)\s*=", re.IGNORECASE)
_MAX_SHOWN = 60

# The code of a note, and the detail that it names.
Noted = tuple[str, str]


@dataclass(frozen=True)
class TxtValue:
    """The joined strings of a record, and the notes about its line."""

    text: str
    notes: tuple[Noted, ...]


def txt_value(line: ZoneLine, tokens: Sequence[ZoneToken], owner: str) -> TxtValue:
    """Return the value of `tokens`, which follow the type. Raises ZoneTextError."""
    _refuse_spoiled(line.number, tokens)
    is_quoted = any(token.is_quoted for token in tokens)
    notes: list[Noted] = []
    if any(len(token.typed.encode()) > _MAX_STRING for token in tokens):
        notes.append(("split", owner))
    text = _quoted(line, tokens) if is_quoted else _unquoted(line, tokens)
    if all(token.is_quoted for token in tokens):
        notes += _cut_tags(line, text)
    else:
        text, commented = _with_tags(line, text)
        notes += commented
        if len(tokens) > 1 and not is_quoted and "semicolon" not in [code for code, _ in commented]:
            notes.append(("unquoted", owner))
    notes += [("invisible", describe_character(char)) for char in filter(is_invisible, text)]
    return TxtValue(text, tuple(dict.fromkeys(notes)))


def _refuse_spoiled(number: int, tokens: Sequence[ZoneToken]) -> None:
    if any(token.text.startswith(_CURLY) and not token.is_quoted for token in tokens):
        raise ZoneTextError(f'line {number}: curly quotation marks; use "')
    if any("\0" in token.text or not _is_text(token.text) for token in tokens):
        raise ZoneTextError(f"line {number}: a character that no text record contains")


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _quoted(line: ZoneLine, tokens: Sequence[ZoneToken]) -> str:
    """Join the strings. Other spaces between them separate, and other characters do not."""
    parts = [_format_characters(token.gap) + token.typed for token in tokens]
    return "".join(parts) + _format_characters(line.tail)


def _unquoted(line: ZoneLine, tokens: Sequence[ZoneToken]) -> str:
    """Join the words with spaces. An invisible character between them is part of the text.

    Without quotation marks each word is a string, and receivers join them without spaces; the DNS
    hosts that export such a text mean the spaces.
    """
    first = tokens[0]
    # Between the type and the text, another space separates, as in a table of a web page.
    has_blank = bool(re.search(r"[ \t]", first.gap))
    start = _invisible(first.gap) if has_blank else _format_characters(first.gap)
    gaps = (re.sub(r"[ \t]+", " ", token.gap) or " " for token in tokens[1:])
    words = "".join(gap + token.typed for gap, token in zip(gaps, tokens[1:], strict=True))
    tail = re.sub(r"[ \t]+", " ", line.tail).rstrip(" ")
    return f"{start}{first.typed}{words}{tail}"


def _invisible(text: str) -> str:
    return "".join(filter(is_invisible, text))


def _format_characters(text: str) -> str:
    return "".join(char for char in text if is_invisible(char) and not char.isspace())


def _with_tags(line: ZoneLine, text: str) -> tuple[str, list[Noted]]:
    """Return the text with the tags behind a semicolon, and the notes about its comments."""
    is_list = _TAG_LIST.match(text) is not None
    if line.has_inner_comment and is_list:
        raise ZoneTextError(
            f"line {line.number}: a semicolon begins a comment; put the text in quotation marks"
        )
    if line.comment is None:
        return text, [("comment", "")] if line.has_inner_comment else []
    parts = line.comment.split(";")
    last = _count_of_tags(text, parts) if is_list else 0
    behind = ";".join(parts[last:])
    comments = [("comment", _shown_comment(behind))]
    if not last:
        return text, comments
    tags = re.sub(r"[ \t]+", " ", ";".join(parts[:last])).rstrip(" ")
    cut = comments if _names_of_tags(behind) else []
    return f"{text};{tags}", [("semicolon", text[:_MAX_SHOWN]), *cut]


def _cut_tags(line: ZoneLine, text: str) -> list[Noted]:
    """Return the note about tags behind the quotation marks, which a zone file makes a comment."""
    if line.comment is None or _TAG_LIST.match(text) is None:
        return []
    is_cut = _count_of_tags(text, line.comment.split(";")) > 0
    return [("comment", _shown_comment(line.comment))] if is_cut else []


def _shown_comment(text: str) -> str:
    return " ".join(text.split())[:_MAX_SHOWN]


def _count_of_tags(text: str, parts: Sequence[str]) -> int:
    """Return how many parts behind the first semicolon belong to the list: up to its last tag.

    A list has each tag once, so that it ends before a repeated one, such as that of an old value.
    """
    known = set(_names_of_tags(text))
    last = 0
    for number, part in enumerate(parts, start=1):
        names = _names_of_tags(part)
        if not known.isdisjoint(names):
            break
        known.update(names)
        last = number if names else last
    return last


def _names_of_tags(text: str) -> list[str]:
    """Return the names of the tags at the starts of the parts of a text, in lower case."""
    found = (_TAG.match(part) for part in text.split(";"))
    return [match[1].lower() for match in found if match is not None]
