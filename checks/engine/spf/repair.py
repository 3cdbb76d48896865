"""Correct the invalid terms of an SPF record, of which one voids the record. Pure.

A proposal must be valid (RFC 7208 section 4.6), and must not drop a sender of the client silently.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_network
from types import MappingProxyType

from checks.engine.addresses import network_text
from checks.engine.almost_records import TERM, almost, with_spaces
from checks.engine.spf.terms import SpfPolicy, mistyped_mechanism, parse, parse_term

_MAX_READ = 4000
_DASHES = dict.fromkeys(map(ord, "‐‑‒–—−"), "-")
_ALIASES = MappingProxyType(
    {
        "al": "all",
        "alll": "all",
        "ip": "ip4",
        "ipv4": "ip4",
        "ipv6": "ip6",
        "ip-4": "ip4",
        "ip-6": "ip6",
    }
)
# Long enough that a similar word has no other meaning.
_LONG_NAMES = ("include", "exists", "redirect")
_LIKENESS = 0.8
_MAX_WORD = 12
# Words that need a value, which people write behind a space: `include: x.test`, `- all`.
_OPEN_WORD = re.compile(
    r"[+~?-]?(?:(?:include|ip4|ip6|ipv4|ipv6|exists)[:=]?|(?:a|mx|ptr):)|[+~?-]", re.I
)
# Two terms in one word, of which the first is valid in form: `include:a.test,include:b.test`.
_JOINED = re.compile(rf"[;,](?={TERM})", re.IGNORECASE)
_PARTS = re.compile(
    r"(?P<qualifier>[+~?-]?)(?P<name>[A-Za-z][A-Za-z0-9-]*)(?P<sign>[:=]?)(?P<value>.*)"
)
# The terms that permit everyone.
_EVERYONE = frozenset({"all", "+all"})
_ADDRESS = re.compile(r"[+~?-]?(?P<network>[0-9A-Fa-f.:]{3,39}(?:/[0-9.]{1,15})?)")


@dataclass(frozen=True)
class RepairedRecord:
    """A valid record. `corrected` are pairs of the former and the new term.

    `dropped` are the terms without a certain correction; the client must replace them.
    """

    text: str
    corrected: tuple[tuple[str, str], ...] = ()
    dropped: tuple[str, ...] = ()


@functools.lru_cache(maxsize=1024)
def repair(record_text: str) -> RepairedRecord:
    """Return a valid record unchanged; otherwise retain its valid terms and correct the others.

    A correction never adds `all` or `+all`. They remain only if the record has them as words of
    their own.
    """
    is_valid = (
        isinstance(parse(record_text), SpfPolicy)
        and not _JOINED.search(record_text)
        and not any(map(mistyped_mechanism, record_text.split(" ")))
    )
    if not record_text or is_valid:
        return RepairedRecord(record_text)
    read = record_text[:_MAX_READ]
    text = with_spaces(read).translate(_DASHES)
    found = almost("spf", text)
    everyone = _EVERYONE - set(read.lower().split())
    kept: list[str] = []
    corrected: list[tuple[str, str]] = []
    dropped: list[str] = []
    for word in _joined((found.meant if found is not None else text).split()[1:]):
        terms = _corrected(word, kept)
        if not everyone.isdisjoint(term.lower() for term in terms):
            terms = []
        kept += terms
        if not terms:
            dropped.append(word)
        elif terms != [word]:
            corrected.append((word, " ".join(terms)))
    return RepairedRecord(" ".join(["v=spf1", *kept]), tuple(corrected), tuple(dropped))


def _joined(words: list[str]) -> Iterator[str]:
    """Yield the words, joined where a space separates a mechanism from its value."""
    opened = ""
    for word in words:
        if opened:
            sign = "" if opened[-1] in ":=+~?-" else ":"
            joined = f"{opened}{sign}{word}"
            # A word that is a term of its own is no value.
            if _corrections(joined) and (parse_term(word) is None or len(opened) == 1):
                yield joined
                opened = ""
                continue
            yield opened
        opened = word if _OPEN_WORD.fullmatch(word) else ""
        if not opened:
            yield word
    if opened:
        yield opened


def _corrected(word: str, kept: list[str]) -> list[str]:
    """Return the valid terms that the word was meant as; empty without a certain correction."""
    terms: list[str] = []
    word = mistyped_mechanism(word) or word
    is_one = parse_term(word) is not None and not _JOINED.search(word)
    for part in [word] if is_one else re.split(r"[;,]+", word):
        valid = _corrections(part)
        if part and not valid:
            return []
        terms += valid
    return [term for each in terms if (term := _without_second_modifier(each, kept))]


def _without_second_modifier(term: str, kept: list[str]) -> str:
    """Return the term, or the replacement of a second modifier (RFC 7208 section 6).

    The senders of a second redirect= are included. A second exp= is dropped.
    """
    name, _, value = term.lower().partition("=")
    if name not in ("redirect", "exp") or not any(k.lower().startswith(f"{name}=") for k in kept):
        return term
    return f"include:{value}" if name == "redirect" else ""


def _corrections(word: str) -> list[str]:
    """Return the first valid reading of one word, as a list of one term."""
    if not word:
        return []
    return next(([each] for each in _readings(word) if _is_valid(each)), [])


def _is_valid(reading: str) -> bool:
    return reading.isascii() and parse_term(reading) is not None


def _readings(word: str) -> Iterator[str]:
    yield word
    bare = word.strip("\"'<>()[]").rstrip(".:;,=")
    yield bare
    if re.fullmatch(r"all[+~?-]", bare, re.I):
        yield bare[-1] + bare[:-1]
    network = _ADDRESS.fullmatch(bare)
    if network is not None:
        yield _network_term(bare, network["network"])
    match = _PARTS.fullmatch(bare)
    if match is None:
        return
    qualifier, value = match["qualifier"], match["value"]
    name = _name_meant_by(match["name"].lower())
    if name in ("ip4", "ip6"):
        yield _network_term(qualifier, value)
    elif name in ("redirect", "exp"):
        yield f"{name}={value}"
    else:
        yield f"{qualifier}{name}:{value}" if value else f"{qualifier}{name}"


def _name_meant_by(name: str) -> str:
    """Return the name of the term, also of a long word with one or two wrong letters."""
    close = difflib.get_close_matches(name[:_MAX_WORD], _LONG_NAMES, n=1, cutoff=_LIKENESS)
    return _ALIASES.get(name) or next(iter(close), name)


def _network_term(qualified: str, text: str) -> str:
    """Return the term of a network, whose name follows from its address; empty without one."""
    try:
        # A mask such as /255.255.255.0 becomes a prefix.
        network = ip_network(text, strict=False)
    except ValueError:
        return ""
    qualifier = qualified[:1] if qualified[:1] in ("+", "-", "~", "?") else ""
    shown = text if re.fullmatch(r"[^/]+(/[0-9]+)?", text) else network_text(network)
    return f"{qualifier}ip{network.version}:{shown}"
