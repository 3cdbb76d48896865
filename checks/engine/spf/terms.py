"""Parse SPF records: selection, syntax, terms (RFC 7208 sections 4.5, 4.6, 5, 6). Pure."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from checks.engine.addresses import IPNetwork
from checks.engine.spf.macros import is_domain_spec, is_dynamic, is_macro_string, shorten_name

MAX_LOOKUPS = 10
QUALIFIERS = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}
# Each costs one of the ten lookups (RFC 7208 section 4.6.4).
LOOKUP_TERMS = frozenset({"include", "a", "mx", "ptr", "exists", "redirect"})

_MECHANISMS_WITH_VALUE = frozenset({"include", "a", "mx", "ptr", "ip4", "ip6", "exists"})

# ASCII: in Unicode, a long s (U+017F) is an s in another case.
_VERSION = re.compile(r"v=spf1(?: |\Z)", re.IGNORECASE | re.ASCII)
_TERM = re.compile(
    r"(?P<qualifier>[+\-~?]?)(?P<name>[A-Za-z][A-Za-z0-9_.-]*)(?P<rest>.*)", re.DOTALL
)
_CIDR = re.compile(r"(?:/(0|[1-9][0-9]?))?(?://(0|[1-9][0-9]{0,2}))?")
_TAIL = re.compile(r"(?P<spec>.*?)(?P<cidr>(?:/[0-9]+)?(?://[0-9]+)?)", re.DOTALL)
_IP4 = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?:/(0|[1-9][0-9]?))?")
_IP6 = re.compile(r"[0-9A-Fa-f:.]+(?:/(0|[1-9][0-9]{0,2}))?")


@dataclass(frozen=True)
class Term:
    """A mechanism or modifier. `target` is its domain-spec, empty for the record's own domain."""

    text: str
    name: str
    qualifier: str = "+"
    target: str = ""
    network: IPNetwork | None = None
    prefix4: int = 32
    prefix6: int = 128

    @property
    def result(self) -> str:
        return QUALIFIERS[self.qualifier]

    @functools.cached_property
    def costs_lookup(self) -> bool:
        return self.name in LOOKUP_TERMS

    @functools.cached_property
    def has_macros(self) -> bool:
        return "%" in self.target

    @functools.cached_property
    def plain_target(self) -> str:
        """The target as a name. Meaningless for a target with macros."""
        return shorten_name(self.target)

    @functools.cached_property
    def is_dynamic(self) -> bool:
        """Whether the term depends on more than fixed addresses."""
        return self.name == "ptr" or is_dynamic(self.target)


@dataclass(frozen=True)
class SpfPolicy:
    """A record of valid syntax, its mechanisms in order."""

    text: str
    mechanisms: tuple[Term, ...]
    redirect: Term | None = None
    exp: Term | None = None

    @functools.cached_property
    def evaluated(self) -> tuple[Term, ...]:
        """The terms that are evaluated: up to `all`, which also disables redirect (section 6.1)."""
        for position, term in enumerate(self.mechanisms):
            if term.name == "all":
                return self.mechanisms[: position + 1]
        return self.mechanisms + ((self.redirect,) if self.redirect else ())

    @property
    def unreached(self) -> tuple[Term, ...]:
        """The mechanisms after `all`, which are never tested (section 5.1)."""
        evaluated = set(self.evaluated)
        return tuple(term for term in self.mechanisms if term not in evaluated)


@dataclass(frozen=True)
class BadSyntax:
    """The first invalid term: it makes the whole record a permerror."""

    term: str


def select(texts: Sequence[str]) -> list[str]:
    """Return the TXT values that are SPF records (section 4.5)."""
    return [text for text in texts if _VERSION.match(text)]


@functools.lru_cache(maxsize=4096)
def parse(text: str) -> SpfPolicy | BadSyntax:
    """Parse a record. One error anywhere makes the whole record invalid (section 4.6)."""
    mechanisms: list[Term] = []
    modifiers: dict[str, Term] = {}
    for term_text in text[len("v=spf1") :].split(" "):
        if not term_text:
            continue
        term = parse_term(term_text)
        # Section 6: redirect and exp may each occur once.
        if term is None or term.name in modifiers:
            return BadSyntax(term_text)
        if term.name in ("redirect", "exp"):
            modifiers[term.name] = term
        elif not _is_unknown_modifier(term):
            mechanisms.append(term)
    return SpfPolicy(text, tuple(mechanisms), modifiers.get("redirect"), modifiers.get("exp"))


def mistyped_mechanism(term_text: str) -> str:
    """Return the mechanism that was meant by an unknown modifier such as `include=a.test`, or "".

    By the grammar it is a modifier, which receivers ignore (RFC 7208 section 6).
    """
    name, equals, value = term_text.partition("=")
    meant = f"{name}:{value}"
    is_meant = bool(equals) and name.lower() in _MECHANISMS_WITH_VALUE
    return meant if is_meant and parse_term(meant) is not None else ""


def _is_unknown_modifier(term: Term) -> bool:
    # `_modifier` marks unknown modifiers with this prefix, which no mechanism can have.
    return term.name.startswith("=")


@functools.lru_cache(maxsize=4096)
def parse_term(term_text: str) -> Term | None:
    """Parse one term; None when its syntax is invalid or its mechanism unknown."""
    match = _TERM.fullmatch(term_text)
    if match is None:
        return None
    qualifier, name, rest = match["qualifier"], match["name"].lower(), match["rest"]
    if rest.startswith("="):
        return None if qualifier else _modifier(term_text, name, rest[1:])
    return _mechanism(term_text, qualifier or "+", name, rest)


def _modifier(term_text: str, name: str, value: str) -> Term | None:
    if name in ("redirect", "exp"):
        return Term(term_text, name, target=value) if is_domain_spec(value) else None
    # Unknown modifiers of valid syntax are ignored (section 6).
    return Term(term_text, "=" + name) if is_macro_string(value) else None


def _mechanism(term_text: str, qualifier: str, name: str, rest: str) -> Term | None:
    match name:
        case "all":
            return None if rest else Term(term_text, name, qualifier)
        case "include" | "exists":
            if not rest.startswith(":") or not is_domain_spec(rest[1:]):
                return None
            return Term(term_text, name, qualifier, rest[1:])
        case "ptr":
            if rest and not (rest.startswith(":") and is_domain_spec(rest[1:])):
                return None
            return Term(term_text, name, qualifier, rest[1:])
        case "a" | "mx":
            return _addresses(term_text, qualifier, name, rest)
        case "ip4" | "ip6":
            network = _network(name, rest)
            return None if network is None else Term(term_text, name, qualifier, network=network)
    return None


def _addresses(term_text: str, qualifier: str, name: str, rest: str) -> Term | None:
    tail = _TAIL.fullmatch(rest)
    assert tail is not None
    spec, cidr = tail["spec"], _CIDR.fullmatch(tail["cidr"])
    if cidr is None or (spec and not (spec.startswith(":") and is_domain_spec(spec[1:]))):
        return None
    prefix4, prefix6 = int(cidr[1] or 32), int(cidr[2] or 128)
    if prefix4 > 32 or prefix6 > 128:
        return None
    return Term(term_text, name, qualifier, spec[1:], prefix4=prefix4, prefix6=prefix6)


def _network(name: str, rest: str) -> IPNetwork | None:
    pattern, kind = (_IP4, IPv4Network) if name == "ip4" else (_IP6, IPv6Network)
    if not rest.startswith(":") or not pattern.fullmatch(rest[1:]):
        return None
    try:
        # Not strict: receivers accept host bits after the prefix, as in ip4:192.0.2.1/24.
        return kind(rest[1:], strict=False)
    except ValueError:
        return None


def network_of(address: str, term: Term) -> IPNetwork:
    """Return the network of one address of an `a` or `mx` term."""
    return _network_around(address, term.prefix6 if ":" in address else term.prefix4)


@functools.lru_cache(maxsize=4096)
def _network_around(address: str, prefix: int) -> IPNetwork:
    return ip_network(f"{address}/{prefix}", strict=False)
