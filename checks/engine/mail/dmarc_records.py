"""Parse a DMARC record (RFC 7489 section 6.3). Pure, and never raises."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from checks.engine.mail.tag_lists import InvalidTagList, parse_tags

POLICIES = ("none", "quarantine", "reject")
_VERSION = re.compile(r"v\s*=\s*DMARC1\s*(;|$)")
# RFC 7489 section 6.2: a comma and an exclamation mark inside an address are percent-encoded.
_SIZE = re.compile(r"![0-9]+[kmgt]?$", re.IGNORECASE)
_DOMAIN = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})+")
_MAX_SHOWN = 80
MAX_DESTINATIONS = 10


@dataclass(frozen=True)
class DmarcPolicy:
    """The policy of a record. `report_hosts` are the hosts of its report addresses."""

    policy: str
    subdomain_policy: str
    percent: int
    strict_dkim: bool
    strict_spf: bool
    rua: tuple[str, ...]
    ruf: tuple[str, ...]
    bad_destinations: tuple[str, ...] = ()

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


def select_malformed(values: Sequence[str]) -> list[str]:
    """Return the texts that were meant as DMARC records but that receivers discard."""
    # Common mistakes: quotes or spaces before v=, a missing v=, `v=DMARC`.
    meant = re.compile(r"\W*v\W*=\W*dmarc|\W*dmarc1|\W*p\s*=\s*(none|quarantine|reject)\b", re.I)
    discarded = [value for value in values if value not in select(values)]
    return [value for value in discarded if meant.match(value[:_MAX_SHOWN])]


@functools.lru_cache(maxsize=1024)
def parse(text: str) -> DmarcPolicy | InvalidDmarcRecord:
    """Parse one record. An invalid p= counts as none if the record requests reports.

    RFC 7489 section 6.6.3 step 6.
    """
    try:
        tags = dict(parse_tags(text))
    except InvalidTagList as error:
        return InvalidDmarcRecord(str(error))
    if tags.get("v") != "DMARC1":
        return InvalidDmarcRecord(f"v={tags.get('v', '')}"[:_MAX_SHOWN])
    rua, bad_rua = _mailboxes(tags.get("rua", ""))
    ruf, bad_ruf = _mailboxes(tags.get("ruf", ""))
    policy = tags.get("p", "").lower()
    # RFC 7489 section 6.3: sp= defaults to p=, and pct= to 100.
    subdomain_policy = tags.get("sp", policy).lower()
    if policy not in POLICIES or subdomain_policy not in POLICIES:
        if not rua:
            return InvalidDmarcRecord(
                f"p={policy}"[:_MAX_SHOWN] if policy not in POLICIES else "sp="
            )
        policy = subdomain_policy = "none"
    return DmarcPolicy(
        policy=policy,
        subdomain_policy=subdomain_policy,
        percent=_percent(tags.get("pct", "")),
        strict_dkim=tags.get("adkim", "").lower() == "s",
        strict_spf=tags.get("aspf", "").lower() == "s",
        rua=rua,
        ruf=ruf,
        bad_destinations=bad_rua + bad_ruf,
    )


def _percent(text: str) -> int:
    """Return pct; the default 100 for an invalid value, which is ignored (RFC 7489 section 6.3)."""
    usable = text.isascii() and text.isdigit() and len(text) <= 3
    return min(int(text), 100) if usable else 100


def _mailboxes(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the addresses of a list of URIs, and the entries that no receiver can use."""
    good: list[str] = []
    bad: list[str] = []
    for entry in filter(None, (part.strip() for part in text.split(","))):
        scheme, _, rest = entry.partition(":")
        # The size limit goes first. A decoded `!` of the address would resemble one.
        address = unquote(_SIZE.sub("", rest)).lower()
        local, at, host = address.rpartition("@")
        if scheme.lower() == "mailto" and local and at and _DOMAIN.fullmatch(host):
            good.append(address.replace("\0", ""))
        else:
            bad.append(entry[:_MAX_SHOWN])
    return tuple(good[:MAX_DESTINATIONS]), tuple(bad[:MAX_DESTINATIONS])
