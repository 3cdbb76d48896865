"""Parse a DMARC record by RFC 7489 and RFC 9989. Pure, and never raises.

A record is more than a tag list of DKIM: errors behind the version never void it. They are
discarded (RFC 7489 section 6.3, RFC 9989 section 4.8), and each is named.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import unquote

from checks.engine.mail.tag_lists import WHITE

POLICIES = ("none", "quarantine", "reject")
# RFC 7489 section 6.4: the name of a tag has any case, the value DMARC1 only this one.
_VERSION = re.compile(r"[vV][ \t]*=[ \t]*DMARC1[ \t]*(;|$)")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
# RFC 7489 section 6.2: a comma and an exclamation mark inside an address are percent-encoded.
_SIZE = re.compile(r"![0-9]+[kmgt]?$", re.IGNORECASE)
# RFC 6068 section 2: the local part of an address is a dot-atom or a quoted string.
_LOCAL = re.compile(
    r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r'|"(?:[ !#-\[\]-~]|\\[ -~])*"'
)
# RFC 3986 section 2: the characters of a URI, without the brackets, and white space is none.
_URI_TEXT = re.compile(r"[A-Za-z0-9._~:/?#@!$&'()*+;=%`{|}^-]+")
_ENCODED_COMMA = re.compile(r"%2c", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]{1,10}")
_DOMAIN = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})+")
_MAX_SHOWN = 80
_MAX_IGNORED = 10
MAX_DESTINATIONS = 10


def _one_of(*allowed: str) -> Callable[[str], bool]:
    return lambda value: value in allowed


def _is_number(value: str, highest: int) -> bool:
    return _NUMBER.fullmatch(value) is not None and int(value) <= highest


# The tags with a closed set of values. Those of RFC 7489 alone (pct, rf, ri) still have a meaning
# for its receivers. An unknown tag is no error: by both RFCs receivers ignore it.
_IS_VALID: Mapping[str, Callable[[str], bool]] = MappingProxyType(
    {
        "p": _one_of(*POLICIES),
        "sp": _one_of(*POLICIES),
        "np": _one_of(*POLICIES),
        "adkim": _one_of("r", "s"),
        "aspf": _one_of("r", "s"),
        "t": _one_of("y", "n"),
        "psd": _one_of("y", "n", "u"),
        "fo": lambda value: all(
            part.strip(WHITE) in ("0", "1", "d", "s") for part in value.split(":")
        ),
        "pct": lambda value: _is_number(value, 100),
        "ri": lambda value: _is_number(value, 2**32 - 1),
    }
)


@dataclass(frozen=True)
class DmarcPolicy:
    """The policy of a record. `report_hosts` are the hosts of its report addresses.

    `ignored` are the parts that receivers discard. `has_policy` is False for a record without a
    valid p=, which counts as none.
    """

    policy: str
    subdomain_policy: str
    percent: int
    strict_dkim: bool
    strict_spf: bool
    rua: tuple[str, ...]
    ruf: tuple[str, ...]
    bad_destinations: tuple[str, ...] = ()
    nonexistent_policy: str = ""
    is_testing: bool = False
    psd: str = "u"
    ignored: tuple[str, ...] = ()
    has_policy: bool = True

    @property
    def report_hosts(self) -> tuple[str, ...]:
        addresses = dict.fromkeys([*self.rua, *self.ruf])
        return tuple(dict.fromkeys(address.rpartition("@")[2] for address in addresses))

    @property
    def strict(self) -> tuple[str, ...]:
        named = {"adkim=s": self.strict_dkim, "aspf=s": self.strict_spf}
        return tuple(name for name, is_strict in named.items() if is_strict)


@dataclass(frozen=True)
class InvalidDmarcRecord:
    """A DMARC record that receivers ignore; `problem` is the invalid part."""

    problem: str


def select(values: Sequence[str]) -> list[str]:
    """Return the texts that are DMARC records (RFC 7489 section 6.6.3 step 2)."""
    return [value for value in values if _VERSION.match(value)]


def strictest(policies: Sequence[str]) -> str:
    """Return the strictest of the policies, in the order none, quarantine, reject."""
    return max(policies, key=POLICIES.index)


@functools.lru_cache(maxsize=1024)
def parse(text: str) -> DmarcPolicy | InvalidDmarcRecord:
    """Parse one record. An absent p= counts as none (RFC 9989 section 4.7).

    An invalid one does so if the record requests reports (RFC 7489 section 6.6.3 step 6); without
    reports, receivers ignore the record. Of two values of one policy tag, receivers apply either,
    so that the stricter counts.
    """
    if not _VERSION.match(text):
        return InvalidDmarcRecord(text[:_MAX_SHOWN] or "v=")
    tags, ignored = _read_tags(text)
    lenient = _lenient_policies(ignored)
    rua, bad_rua = _mailboxes(tags.get("rua", [""])[0])
    ruf, bad_ruf = _mailboxes(tags.get("ruf", [""])[0])
    policies = tags.get("p", []) + lenient.get("p", [])
    invalid = [part for part in ignored if part.lower().startswith("p=")]
    if not policies and invalid and not rua:
        return InvalidDmarcRecord(invalid[0])
    policy = strictest(policies or ["none"])
    # RFC 7489 section 6.3: sp= defaults to p=. RFC 9989 section 4.7: np= defaults to sp=.
    subdomain_policy = strictest(tags.get("sp", [policy]) + lenient.get("sp", []))
    return DmarcPolicy(
        policy=policy,
        subdomain_policy=subdomain_policy,
        percent=int(tags.get("pct", ["100"])[0]),
        strict_dkim="s" in tags.get("adkim", []),
        strict_spf="s" in tags.get("aspf", []),
        rua=rua,
        ruf=ruf,
        bad_destinations=bad_rua + bad_ruf,
        nonexistent_policy=strictest(tags.get("np", [subdomain_policy]) + lenient.get("np", [])),
        is_testing=tags.get("t", ["n"])[0] == "y",
        psd=tags.get("psd", ["u"])[0],
        ignored=tuple(ignored[:_MAX_IGNORED]),
        has_policy=bool(policies),
    )


def _read_tags(text: str) -> tuple[dict[str, list[str]], list[str]]:
    """Return the valid values of each tag by its name in lower case, and the discarded parts."""
    tags: dict[str, list[str]] = {}
    ignored: list[str] = []
    # The first part is the version, and a final `;` is valid.
    for part in filter(None, (part.strip(WHITE) for part in text.split(";")[1:])):
        typed, equals, value = part.partition("=")
        name, value = typed.strip(WHITE).lower(), value.strip(WHITE)
        is_closed = name in _IS_VALID
        value = value.lower() if is_closed else value
        if not equals or not _NAME.fullmatch(name) or (is_closed and not _IS_VALID[name](value)):
            ignored.append(part[:_MAX_SHOWN])
            continue
        if name in tags or name == "v":
            ignored.append(f"{part}"[:_MAX_SHOWN])
        tags.setdefault(name, []).append(value)
    return tags, ignored


def _lenient_policies(ignored: Sequence[str]) -> dict[str, list[str]]:
    """Return the policies that only receivers with Unicode rules read, such as `p=reject` with a
    no-break space. The others discard the tag, so that the stricter reading counts."""
    found: dict[str, list[str]] = {}
    for part in ignored:
        name, _, value = map(_bare, part.partition("="))
        if name in ("p", "sp", "np") and value in POLICIES:
            found.setdefault(name, []).append(value)
    return found


def _bare(text: str) -> str:
    """Return the text in lower case, without white space and invisible characters of Unicode."""
    return "".join(c for c in text if not c.isspace() and unicodedata.category(c) != "Cf").lower()


def _mailboxes(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the addresses of a list of URIs, and the entries that no receiver can use."""
    good: list[str] = []
    bad: list[str] = []
    for entry in filter(None, (part.strip(WHITE) for part in text.split(","))):
        addresses = _addresses(entry)
        if addresses:
            good += addresses
        else:
            bad.append(entry[:_MAX_SHOWN])
    return tuple(good[:MAX_DESTINATIONS]), tuple(bad[:MAX_DESTINATIONS])


def _addresses(entry: str) -> list[str]:
    """Return the addresses of a mailto URI with an optional size limit; empty for another text.

    RFC 6068 section 2: a URI may have several addresses, and header fields behind them.
    """
    scheme, _, rest = entry.partition(":")
    # The size limit goes first. A decoded `!` of the address would resemble one.
    typed = _SIZE.sub("", rest)
    if scheme.lower() != "mailto" or not _URI_TEXT.fullmatch(typed):
        return []
    path = typed.partition("?")[0]
    if path.startswith("/"):
        return []
    for parts in ([path], _ENCODED_COMMA.split(path)):
        addresses = [unquote(part).lower() for part in parts]
        if all(map(_is_address, addresses)):
            return addresses
    return []


def _is_address(text: str) -> bool:
    local, _, host = text.rpartition("@")
    return bool(_LOCAL.fullmatch(local) and _DOMAIN.fullmatch(host))
