"""Split zone text into logical lines and their words (RFC 1035 section 5.1). Pure."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from checks.engine.dns.dnspython_adapter import decode_txt


class ZoneTextError(Exception):
    """A line cannot be read; the message names it by its number."""


@dataclass(frozen=True)
class ZoneToken:
    """One word. `text` has no invisible characters; `typed` is the text as a server publishes it.

    `gap` is the white space in front of the word, with the invisible characters in it.
    """

    text: str
    typed: str = ""
    gap: str = ""
    is_quoted: bool = False


@dataclass(frozen=True)
class ZoneLine:
    """A logical line. `number` is that of its first line in the pasted text.

    `comment` is the text behind a semicolon at the end, None without one. `tail` is the white space
    behind the last word. `was_indented`: an indentation of all lines was removed.
    """

    number: int
    tokens: Sequence[ZoneToken]
    continues_owner: bool
    was_indented: bool
    comment: str | None
    has_inner_comment: bool
    tail: str


@dataclass(frozen=True)
class _PhysicalLine:
    number: int
    tokens: Sequence[ZoneToken]
    comment: str | None
    tail: str


_OPEN, _CLOSE = ZoneToken("("), ZoneToken(")")
_SIGNS = {"(": _OPEN, ")": _CLOSE}
_LEXEME = re.compile(
    r'"((?:\\.|[^"\\])*)"|([()])|((?:\\.|[^\s";()\\])+)|;(.*)|(["\\].*)|\s+', re.DOTALL
)
# White space between words, and the ends of lines, which `logical_lines` removes.
_DELIMITERS = " \t\r\n"
# Inside quotation marks, such a character is part of the record and spoils it.
_OUTSIDE_QUOTES = re.compile(r'("(?:\\.|[^"\\])*")|[^"]+')


def logical_lines(text: str) -> Iterator[ZoneLine]:
    """Yield the logical lines: parentheses join lines, and a semicolon begins a comment.

    Raises ZoneTextError for quotation marks or parentheses without a partner.
    """
    physical = re.split(r"\r\n|\r|\n", text)
    copied = [_OUTSIDE_QUOTES.sub(_visible_part, line) for line in physical]
    dedented = _without_indentation(copied)
    depth = 0
    joined: list[_PhysicalLine] = []
    for number, content in enumerate(physical, start=1):
        line = _physical_line(content, number)
        depth += line.tokens.count(_OPEN) - line.tokens.count(_CLOSE)
        if depth < 0:
            raise ZoneTextError(f"line {number}: a closing parenthesis without an opening one")
        if joined or any(token not in (_OPEN, _CLOSE) for token in line.tokens):
            joined.append(line)
        if depth == 0 and joined:
            first = joined[0].number
            shown = dedented[first - 1]
            yield _joined(
                joined,
                continues_owner=shown[:1] in (" ", "\t"),
                was_indented=shown != copied[first - 1],
            )
            joined = []
    if depth:
        start = joined[0].number if joined else len(physical)
        raise ZoneTextError(f"line {start}: an opening parenthesis without a closing one")


def _joined(
    lines: Sequence[_PhysicalLine], *, continues_owner: bool, was_indented: bool
) -> ZoneLine:
    return ZoneLine(
        number=lines[0].number,
        tokens=[token for line in lines for token in line.tokens if token not in (_OPEN, _CLOSE)],
        continues_owner=continues_owner,
        was_indented=was_indented,
        comment=lines[-1].comment,
        has_inner_comment=any(line.comment is not None for line in lines[:-1]),
        tail=lines[-1].tail,
    )


def _without_indentation(lines: Sequence[str]) -> Sequence[str]:
    """Remove an indentation of all lines, as in an e-mail or a list."""
    return textwrap.dedent("\n".join(lines)).split("\n")


def _visible_part(match: re.Match[str]) -> str:
    return match[0] if match[1] is not None else visible(match[0])


def is_invisible(char: str) -> bool:
    """Return whether the character is invisible: a format character, or a space of another kind.

    Only tab and space delimit the words of a line (RFC 1035 section 5.1). A separator of lines or
    paragraphs (U+2028, U+2029, U+0085) or a control character such as U+000B is part of a text.
    """
    if char in _DELIMITERS:
        return False
    return char.isspace() or (not char.isascii() and unicodedata.category(char) == "Cf")


def visible(text: str) -> str:
    """Remove the format characters of Unicode, and turn its other spaces into plain ones."""
    if text.isascii() and text.isprintable():
        return text
    spaced = (" " if char.isspace() and is_invisible(char) else char for char in text)
    return "".join(char for char in spaced if not is_invisible(char))


def _physical_line(content: str, number: int) -> _PhysicalLine:
    tokens: list[ZoneToken] = []
    comment: str | None = None
    gap = ""
    for match in _LEXEME.finditer(content):
        quoted, sign, word, behind, rest = match.groups()
        if rest is not None:
            raise ZoneTextError(f"line {number}: a quotation mark without its end")
        if behind is not None:
            comment = behind
        elif quoted is not None:
            tokens.append(ZoneToken(unescape(quoted), unescape(quoted), gap, is_quoted=True))
        elif sign is not None:
            tokens.append(_SIGNS[sign])
        elif word is None or not visible(word):
            gap += match[0]
            continue
        else:
            tokens.append(ZoneToken(unescape(visible(word)), unescape(word), gap))
        gap = gap if comment is not None else ""
    return _PhysicalLine(number, tokens, comment, gap)


def unescape(text: str) -> str:
    r"""Return the text without escapes: \DDD is a byte, and \X is X (RFC 1035 section 5.1)."""
    if "\\" not in text:
        return text

    def octets(match: re.Match[bytes]) -> bytes:
        digits = match[1]
        return bytes([int(digits)]) if len(digits) == 3 and int(digits) < 256 else digits

    typed = text.encode("utf-8", "surrogatepass")
    return decode_txt(re.sub(rb"\\([0-9]{3}|.)", octets, typed, flags=re.DOTALL))
