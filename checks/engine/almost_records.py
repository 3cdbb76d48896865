"""Recognise texts that were meant as a record of a kind, and the character that spoils them. Pure.

A web form, a word processor or a spreadsheet adds quotation marks, other spaces and invisible
characters. Receivers discard such a text, although it appears correct on a page.
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
        ";": "a semicolon",
        "\ufeff": "a byte order mark",
        "\u00a0": "a no-break space",
        "\u200b": "a zero-width space",
        "\u00ad": "a soft hyphen",
    }
)
_QUOTES = frozenset("\"'“”„‟‘’‚‛«»‹›`´′″")
# A line of a zone file in the place of its value, such as `@ IN TXT v=spf1 …`.
_PREFIX = r"(?:(?:[\w.@*-]+ )?(?:\d+ )?(?:in )?txt |[\w.-]+: ?)?"
_SIGN = r" ?[=:-]{1,2} ?"
# The version of each kind after common mistakes, at the start of a cleaned text.
_VERSION: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        "spf": re.compile(
            # Other text in front of a correct version, such as `SPF v=spf1` or `<v=spf1`.
            r"(?:(?:.{0,40}?[^a-z0-9])?v ?= ?spf1(?!\.?\d)"
            rf"|{_PREFIX}(?:v{_SIGN}s ?(?:p ?f|f ?p) ?1(?!\.?\d)|v{_SIGN}spf(?= )"
            r"|vspf1(?!\.?\d)|=?spf ?1 ))"
            r"[ :;,.]*",
            re.IGNORECASE,
        ),
        "dmarc": re.compile(
            rf"{_PREFIX}(?:_dmarc )?"
            rf"(?:v{_SIGN}d ?m ?a ?r ?c(?: ?\d+|[^\s;,=]{{1,8}}(?=[ ;,]))?|=?dmarc ?1)[ ;,]*",
            re.IGNORECASE,
        ),
        "mta-sts": re.compile(
            rf"{_PREFIX}(?:_mta-sts )?"
            rf"(?:v{_SIGN}(?:mta-?)?s ?t ?s ?(?:v ?)?1\d*|=?stsv ?1)[ ;,]*",
            re.IGNORECASE,
        ),
    }
)
_DASHES = "-‐‑‒–—−"
# The start of a term of SPF behind its qualifier, except `all`.
_MECHANISM = r"(?:include:|ip[46]:|exists:|redirect=|(?:a|mx|ptr)(?=[:/ ]|$))"
TERM = rf"(?:[+~?-]?(?:{_MECHANISM}|all(?=[ ;,]|$)))"
# An escape of a zone file with the decimal number of a byte (RFC 1035 section 5.1). A web form
# publishes the copied line of a zone file literally.
_ESCAPE = re.compile(r"\\(?:[01][0-9]{2}|2[0-4][0-9]|25[0-5])")
# Several escapes are the bytes of one character: `\194\160` is a no-break space.
_ESCAPES = re.compile(rf"(?:{_ESCAPE.pattern})+")
# What web pages, forms and spreadsheets write in the place of a space.
_SPACES = re.compile(rf"%20|&nbsp;|&#160;|\||\\[nrt](?=[ +~?-]|{TERM}|$)", re.IGNORECASE)
# Another sign between two terms, and a dash that is no qualifier: `v=spf1—include:x.test`.
_SIGN_BETWEEN = re.compile(rf"(?<=[^ ])[_=+/](?={TERM})", re.IGNORECASE)
_DASH_BETWEEN = re.compile(rf"(?<=[^ ])[{_DASHES}](?={_MECHANISM})", re.IGNORECASE)
_DASH_BEFORE = re.compile(rf"(?<= )[{_DASHES[1:]}](?={_MECHANISM})", re.IGNORECASE)
_CORRECT: Mapping[str, str] = MappingProxyType(
    {"spf": "v=spf1 ", "dmarc": "v=DMARC1; ", "mta-sts": "v=STSv1; "}
)
# Texts of a kind without its version, or with the version in another place.
_LATE = r"(?:.*[; ])?v ?= ?"
_WITHOUT_VERSION: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        "spf": re.compile(
            r"(?:[+~?-]?(?:(?:include|exists|a|mx|ip4|ip6):\S+|a|mx) )+[+~?-]all", re.IGNORECASE
        ),
        "dmarc": re.compile(
            rf"(?:p|dmarc) ?[=:] ?(?:none|quarantine|reject)\b|{_LATE}dmarc1\b", re.IGNORECASE
        ),
        "mta-sts": re.compile(rf"id ?= ?[a-z0-9]+;?$|{_LATE}stsv1\b", re.IGNORECASE),
    }
)
# Any other version, such as `v=spf2`, `v=spfI` or one with letters of another script.
_OTHER_VERSION = re.compile(r"v ?= ?([^\s;=]{1,20})(?: ?;|,)? ", re.IGNORECASE)
_OTHER_KINDS: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        kind: re.compile(rf"(?:{names})[0-9]*", re.IGNORECASE)
        for kind, names in (
            ("spf", "dmarc|dkim|stsv|tlsrptv|bimi"),
            ("dmarc", "spf|dkim|stsv|tlsrptv|bimi"),
            ("mta-sts", "spf|dmarc|dkim|tlsrptv|bimi"),
        )
    }
)
_TERM_WORD = re.compile(rf"(?:{TERM}|exp=)\S*", re.IGNORECASE)
_LAST_TERM = re.compile(r"[+~?-]?all|redirect=\S+", re.IGNORECASE)
_POLICY_TAG = re.compile(r"p ?= ?(?:none|quarantine|reject)", re.IGNORECASE)
_ID_TAG = re.compile(r"id ?= ?[a-z0-9]{1,32}", re.IGNORECASE)


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
        return shown(self.text)


def recognise(kind: str, values: Sequence[str]) -> list[AlmostRecord]:
    """Return the values that were meant as a record of the kind: spf, dmarc or mta-sts.

    The caller has selected the valid records before.
    """
    found = (almost(kind, value) for value in values)
    return [each for each in found if each is not None]


def almost(kind: str, text: str) -> AlmostRecord | None:
    """Return the text as an almost valid record of the kind, or None if it was not meant as one."""
    cleaned = clean(with_spaces(text) if kind == "spf" else text)
    version = _VERSION[kind].match(cleaned) or _other_version(kind, cleaned)
    if version is None and not _is_without_version(kind, cleaned):
        return None
    problem = stray_character(text, also=";" if kind == "spf" else "")
    if not problem:
        # A space in the wrong place or a misspelt version has no character to name.
        problem = f"“{text[:12].strip()}”" if not text.startswith(" ") else "a space at its start"
    rest = cleaned[version.end() :] if version is not None else cleaned
    if kind == "spf" and version is not None:
        rest = rest.strip("<>()[] ")
    return AlmostRecord(text, _normalised(kind, rest), problem)


def with_spaces(text: str) -> str:
    """Return a text of SPF with a space in place of every other separator of its terms.

    A dash in front of a mechanism is one of them unless it is a hyphen behind a space. Read as a
    qualifier, it would reject the mail of a sender.
    """
    spaced = _SPACES.sub(" ", without_escapes(text[:_MAX_READ]))
    spaced = _DASH_BEFORE.sub("", _DASH_BETWEEN.sub(" ", spaced))
    return _SIGN_BETWEEN.sub(" ", spaced)


def without_escapes(text: str) -> str:
    r"""Return the text with the characters of literal escapes, such as a space for `\032`."""
    return _ESCAPES.sub(_decoded, text)


def _decoded(match: re.Match[str]) -> str:
    escaped = bytes(int(digits) for digits in match[0].split("\\")[1:])
    return escaped.decode("utf-8", "replace")


def _other_version(kind: str, cleaned: str) -> re.Match[str] | None:
    """Return the match of a version that no kind has, if the rest is certainly one of this kind.

    SPF requires terms alone: a sender and `all` or redirect=, or a version that resembles its own.
    Without senders a proposal has nothing to lose.
    """
    version = _OTHER_VERSION.match(cleaned)
    if version is None or _OTHER_KINDS[kind].fullmatch(version[1]):
        return None
    rest = cleaned[version.end() :]
    if kind == "spf":
        words = [word.rstrip(",;") for word in rest.split()]
        is_certain = any(map(_LAST_TERM.fullmatch, words)) or version[1].lower().startswith("spf")
        has_senders = not all(word.lower().endswith("all") for word in words)
        is_spf = has_senders and is_certain and all(map(_TERM_WORD.fullmatch, words))
        return version if is_spf else None
    pattern = _POLICY_TAG if kind == "dmarc" else _ID_TAG
    tags = [tag.strip() for tag in rest.split(";")]
    return version if any(map(pattern.fullmatch, tags)) else None


def _is_without_version(kind: str, cleaned: str) -> bool:
    # SPF alone has no tag that names the kind, so that the whole text must be terms.
    pattern = _WITHOUT_VERSION[kind]
    return bool(pattern.fullmatch(cleaned) if kind == "spf" else pattern.match(cleaned))


def shown(text: str) -> str:
    """Return the start of the text with its invisible characters visible."""
    return "".join(map(_visible, text[:_MAX_SHOWN]))


def stray_character(text: str, *, also: str = "") -> str:
    """Return the name of the first character that no record contains; empty without one.

    `also` are characters that a record of this kind does not contain either.
    """
    for place, char in enumerate(text[:_MAX_READ]):
        escape = _ESCAPE.match(text, place)
        if escape is not None:
            name = "an escaped space" if escape[0] == "\\032" else "an escaped character"
            return f"{name} of a zone file ({escape[0]})"
        if (
            (char in _NAMES and char != ";")
            or char in _QUOTES
            or char in also
            or not char.isascii()
        ):
            return describe_character(char)
    return ""


def clean(text: str) -> str:
    """Return the text without quotes and invisible characters, and with plain single spaces.

    A comma or semicolon after a term of SPF separates terms, as people write lists.
    """
    kept = []
    # A full-width letter or a Greek question mark becomes the ASCII character that it resembles.
    unquoted = (typed for typed in without_escapes(text[:_MAX_READ]) if typed not in _QUOTES)
    for char in (each for typed in unquoted for each in unicodedata.normalize("NFKC", typed)):
        category = unicodedata.category(char)
        if char in _QUOTES or char == "\\" or (category in ("Cf", "Cc") and char not in "\t\r\n"):
            continue
        kept.append(" " if char.isspace() or category == "Zs" else char)
    return re.sub(r" +", " ", "".join(kept)).strip()


def _normalised(kind: str, rest: str) -> str:
    """Return the record with its correct version; `rest` is the text behind the version."""
    if kind != "spf":
        # A comma separates the addresses of a DMARC tag, so that it remains.
        tags = (tag.strip() for tag in rest.split(";"))
        kept = [tag for tag in tags if tag and not _VERSION[kind].fullmatch(tag)]
        return (_CORRECT[kind] + "; ".join(kept)).rstrip("; ")
    terms = re.sub(r"(?<![,;])[,;]++(?= |$)|,(?=[a-z+~?-])", " ", rest, flags=re.IGNORECASE)
    return " ".join(["v=spf1", *terms.split()])


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
