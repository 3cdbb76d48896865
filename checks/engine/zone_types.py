"""Words of a line of zone text in front of its values: type, TTL in words, output of tools. Pure.

Tables of DNS hosts and the output of `host` and `nslookup` resemble lines of a zone file. Read as
one, a word of them becomes a record type that no check uses, and the record is lost silently.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from checks.engine.dns.public_suffix import is_public_suffix, organisational_domain
from checks.engine.zone_lines import ZoneToken

# The types that the checks read.
READ_TYPES = frozenset({"MX", "TXT", "CNAME"})
# Types of DNS hosts that answer with the records of another name.
FLATTENED_TYPES = frozenset({"ALIAS", "ANAME", "FLATTEN"})
# Types whose lines occur in exports of zones. Their names may be any text.
OTHER_TYPES = frozenset(
    {"A", "AAAA", "CAA", "DHCID", "DNSKEY", "DS", "HINFO", "LOC", "NAPTR", "NS", "NSEC", "PTR"}
    | {"RRSIG", "SOA", "SRV", "SSHFP", "WINS", "WINSR"}
)
# Further types of the IANA registry “Resource Record (RR) TYPEs”.
_RARE_TYPES = frozenset(
    {"AFSDB", "AMTRELAY", "APL", "ATMA", "AVC", "CDNSKEY", "CDS", "CERT", "CSYNC", "DLV", "DNAME"}
    | {"DSYNC", "EID", "EUI48", "EUI64", "GID", "GPOS", "HHIT", "HIP", "HTTPS", "IPN", "IPSECKEY"}
    | {"ISDN", "KEY", "KX", "L32", "L64", "LP", "MB", "MD", "MF", "MG", "MINFO", "MR", "NID"}
    | {"NIMLOC", "NINFO", "NSAP", "NSAP-PTR", "NSEC3", "NSEC3PARAM", "NULL", "NXT", "OPENPGPKEY"}
    | {"PX", "RESINFO", "RKEY", "RP", "RT", "SIG", "SINK", "SMIMEA", "SPF", "SVCB", "TA", "TALINK"}
    | {"TKEY", "TLSA", "TSIG", "UID", "UINFO", "UNSPEC", "URI", "WALLET", "WKS", "X25", "ZONEMD"}
)
# RFC 3597 section 5: a type without a name. Those of CNAME, MX and TXT records have such lines too.
_NUMBERED = re.compile(r"TYPE(?!0*(?:5|15|16)\Z)[0-9]{1,5}")
_NUMBERED_READ = re.compile(r"TYPE0*(?:5|15|16)")
# A name with an alias has none of these. DNSSEC adds its own types to every name (RFC 2181 10.1).
ALONE_BY_ALIAS = (OTHER_TYPES | _RARE_TYPES) - {"RRSIG", "NSEC", "SIG", "KEY", "NXT"}

# Possessive: with `+`, sixty digits would take years.
_TTL = re.compile(r"(?=[0-9])(?:[0-9]+[smhdw])*[0-9]*", re.IGNORECASE)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
# Pages of DNS hosts show a TTL as “Auto” or “1 Hour”.
_AUTOMATIC = frozenset({"AUTO", "AUTOMATIC", "DEFAULT", "(AUTO)", "(DEFAULT)"})
_UNIT = re.compile(
    r"(s|m|h|d|w)|(?:(s)ec(?:ond)?|(m)in(?:ute)?|(h)(?:ou)?r|(d)ay|(w)(?:ee)?k)s?\.?",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[0-9]{1,10}")
_HALF = re.compile(r"1/2|½|0[.,]5")
_MAX_TTL = 0x7FFFFFFF  # RFC 2181 section 8

# What `host` and `nslookup` print behind a complete name, and its type.
_PHRASES: tuple[tuple[tuple[str, ...], str], ...] = (
    (("mail", "is", "handled", "by"), "MX"),
    (("mail", "exchanger", "="), "MX"),
    (("mx", "preference", "="), "MX"),
    (("is", "an", "alias", "for"), "CNAME"),
    (("canonical", "name", "="), "CNAME"),
    (("descriptive", "text"), "TXT"),
    (("text", "="), "TXT"),
    (("has", "address"), "A"),
    (("has", "ipv6", "address"), "AAAA"),
    (("name", "server"), "NS"),
    (("nameserver", "="), "NS"),
)
_EXCHANGER = ("mail", "exchanger", "=")

# The start of a record that a check reads.
_RECORD_START = re.compile(r"\s*v ?= ?(?:spf|dmarc|dkim|stsv)", re.IGNORECASE)
_PREFERENCE = re.compile(r"[0-9]{1,5}")
# The status of a redirection, as in `URL 301 www.example.com`.
_REDIRECTIONS = frozenset({"301", "302", "303", "307", "308"})
_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)+\.?", re.IGNORECASE)
_MAX_LOOKED_AT = 6  # words behind the type

# Top-level domains of companies. Others are also words, such as `news`, or names of countries.
_COMMON = frozenset({"com", "net", "org", "edu", "gov", "mil", "biz", "info"})
_HOST_LABELS = frozenset(
    {"www", "mail", "smtp", "mx", "mx1", "mx2", "imap", "pop", "webmail", "autodiscover", "ftp"}
    | {"vpn", "owa", "remote", "mta-sts", "sip", "lyncdiscover", "email", "m", "api", "dev", "test"}
)


def is_ttl(text: str) -> bool:
    """Return whether the word is a TTL of a zone file, such as `300` or `1h30m`."""
    return _TTL.fullmatch(text) is not None


def ttl_seconds(text: str) -> int:
    """Return the seconds of a TTL of a zone file, at most 2**31 - 1 (RFC 2181 section 8)."""
    parts = re.findall(r"([0-9]+)([smhdw]?)", text.lower())
    return min(sum(int(n[:10]) * _SECONDS[unit or "s"] for n, unit in parts), _MAX_TTL)


def ttl_in_words(tokens: Sequence[ZoneToken], ttl: int) -> tuple[int, int] | None:
    """Return the seconds of a TTL in words at the start of the tokens, and its words, or None.

    “Auto” is `ttl`, as the DNS host chooses the value. A type follows the words: without one,
    `Auto` is no TTL.
    """
    words = [token.text for token in tokens[:3] if not token.is_quoted]
    if len(words) > 1 and words[0].upper() in _AUTOMATIC:
        return ttl, 1
    if len(words) < 3:
        return None
    unit = _UNIT.fullmatch(words[1])
    is_half = _HALF.fullmatch(words[0]) is not None
    if unit is None or not (is_half or _NUMBER.fullmatch(words[0])):
        return None
    seconds = _SECONDS[next(filter(None, unit.groups())).lower()]
    return (seconds // 2 if is_half else min(int(words[0]) * seconds, _MAX_TTL)), 2


def without_phrase(tokens: Sequence[ZoneToken]) -> list[ZoneToken] | None:
    """Return the tokens with a type in place of the words of `host` or `nslookup`, or None.

    `tokens` follow the name, which is complete in the output of these programs.
    """
    words = [token.text.lower() for token in tokens[:4]]
    for phrase, rtype in _PHRASES:
        if tuple(words[: len(phrase)]) != phrase or len(tokens) == len(phrase):
            continue
        rest = list(tokens[len(phrase) :])
        if phrase[0] == "mx":
            # nslookup of Windows: MX preference = 10, mail exchanger = mail.example.com
            rest[0] = replace(rest[0], text=rest[0].text.rstrip(","))
            if tuple(token.text.lower() for token in rest[1:4]) != _EXCHANGER:
                return None
            del rest[1:4]
        return [ZoneToken(rtype, rtype, " "), *rest]
    return None


def is_misread(rtype: str, owner: str, values: Sequence[ZoneToken]) -> bool:
    """Return whether an unknown type is probably a line of an MX, TXT or CNAME record.

    Its name or a value is such a type or a class, it is one character away from one, or its values
    are those of such a record.
    """
    if rtype in OTHER_TYPES | _RARE_TYPES or _NUMBERED.fullmatch(rtype):
        return False
    if _NUMBERED_READ.fullmatch(rtype):
        return True
    texts = [token.text for token in values[:_MAX_LOOKED_AT]]
    if any(text.upper() in READ_TYPES | {"IN"} for text in (owner, *texts)):
        return True
    if any(_is_near(rtype, known) for known in READ_TYPES):
        return True
    return _is_exchange(texts) or any(map(_RECORD_START.match, texts))


def _is_exchange(texts: Sequence[str]) -> bool:
    """Return whether the values are a preference and a host, as those of an MX record."""
    if len(texts) != 2 or texts[0] in _REDIRECTIONS:
        return False
    return bool(_PREFERENCE.fullmatch(texts[0]) and _HOST.fullmatch(texts[1]))


def _is_near(word: str, known: str) -> bool:
    """Return whether one added, missing or other character, or one swap, separates the words."""
    if abs(len(word) - len(known)) > 1:
        return False
    pairs = zip(f"{word} ", f"{known} ", strict=False)
    start = next((place for place, (one, other) in enumerate(pairs) if one != other), len(word))
    one, other = word[start:], known[start:]
    is_swapped = one[:2] == other[:2][::-1] and one[2:] == other[2:]
    return is_swapped or one[1:] == other[1:] or one == other[1:] or one[1:] == other


def resembles_complete(text: str, domain: str, rtype: str) -> bool:
    """Return whether a name without final dot was probably meant as complete, such as `b.co.uk`.

    Labels with an underscore, and the selector in front of `_domainkey`, belong to a record of the
    name behind them. A country or a word may also be a sub-domain, such as `www.de` or `a.news`.
    """
    name = _without_service(text.lower())
    organisation, own = organisational_domain(name), organisational_domain(domain)
    label, _, suffix = organisation.partition(".")
    own_label, _, own_suffix = own.partition(".")
    if not suffix or not (is_public_suffix(suffix) or suffix == own_suffix):
        return False
    if "." in suffix or label == own_label:
        return True
    is_country = len(suffix) == 2
    if is_country and label in _HOST_LABELS:
        return False
    if suffix in _COMMON or suffix == own_suffix:
        return True
    return is_country and rtype != "CNAME" and name == organisation


def _without_service(name: str) -> str:
    labels = name.split(".")
    last = max((n for n, label in enumerate(labels) if label.startswith("_")), default=-1)
    return ".".join(label for label in labels[last + 1 :] if label != "*")
