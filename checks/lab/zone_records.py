"""The lab's zones as values, and the validation of a record."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype

APEX = "@"
TYPES = ("A", "AAAA", "CNAME", "MX", "TXT")
MAX_TTL = 604_800
NAME = re.compile(r"^(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_-]{1,63}$")


class LabError(Exception):
    """The lab cannot execute a request; the message is for the person who made it."""


class HostedLockdown(StrEnum):
    """The senders that the stand-in for a hosted mail platform rejects."""

    OPEN = "open"
    DIRECT_SEND = "direct-send"
    LOCKED = "locked"


class Mode(StrEnum):
    """The behaviour of a name server."""

    ANSWER = "answer"
    SILENT = "silent"
    REFUSE = "refuse"
    SERVFAIL = "servfail"


@dataclass(frozen=True, order=True)
class ZoneRecord:
    """One record of a zone: its label below the zone (`@` at the apex), type, TTL and value."""

    label: str
    rtype: str
    ttl: int
    value: str

    def __str__(self) -> str:
        return f"{self.label} {self.ttl} {self.rtype} {self.value}"


@dataclass(frozen=True)
class Zone:
    serial: int
    records: tuple[ZoneRecord, ...]


Zones = Mapping[str, Zone]


@dataclass(frozen=True)
class NameServer:
    """The behaviour of one server; while `frozen_zones` is set, it serves those zones."""

    mode: Mode = Mode.ANSWER
    frozen_zones: Zones | None = None


@dataclass(frozen=True)
class LabState:
    zones: Zones
    servers: Mapping[int, NameServer] = field(default_factory=dict)
    closed: frozenset[str] = frozenset()
    # The domains whose outbound mail leaves through the lab's Mimecast server.
    outbound: frozenset[str] = frozenset()
    hosted: HostedLockdown = HostedLockdown.OPEN

    def zones_at(self, server: int) -> Zones:
        frozen_zones = self.servers.get(server, NameServer()).frozen_zones
        return self.zones if frozen_zones is None else frozen_zones

    def mode_of(self, server: int) -> Mode:
        return self.servers.get(server, NameServer()).mode


def enclosing_zone(zones: Mapping[str, object], name: str) -> str | None:
    """The longest zone that contains `name`."""
    while name:
        if name in zones:
            return name
        _, _, name = name.partition(".")
    return None


def checked_name(name: str, what: str = "domain") -> str:
    name = name.strip().rstrip(".").lower()
    if not NAME.match(name):
        raise LabError(f"'{name}' is not a {what} name.")
    return name


def checked_record(label: str, rtype: str, ttl: int, value: str) -> ZoneRecord:
    """Return a valid record, or raise LabError with a sentence."""
    rtype = rtype.upper()
    if rtype not in TYPES:
        raise LabError(f"The lab serves {', '.join(TYPES)} records, not '{rtype}'.")
    if not 0 <= ttl <= MAX_TTL:
        raise LabError(f"A TTL is a number of seconds from 0 to {MAX_TTL}, not {ttl}.")
    if label != APEX:
        label = checked_name(label, "record")
    record = ZoneRecord(label, rtype, ttl, tidy(rtype, value))
    as_rdata(record)
    return record


def tidy(rtype: str, value: str) -> str:
    value = value.strip()
    if rtype == "TXT":
        return value.removeprefix('"').removesuffix('"')
    value = value.lower().rstrip(".")
    return f"10 {value}" if rtype == "MX" and len(value.split()) == 1 else value


def as_rdata(record: ZoneRecord) -> dns.rdata.Rdata:
    """Return the record in dnspython's form; LabError if the value does not fit the type."""
    kind = dns.rdatatype.from_text(record.rtype)
    try:
        return dns.rdata.from_text(
            dns.rdataclass.IN, kind, _text(record), origin=dns.name.root, relativize=False
        )
    except (dns.exception.DNSException, ValueError) as error:
        raise LabError(
            f"'{record.value}' is not the value of a record of type {record.rtype}."
        ) from error


def _text(record: ZoneRecord) -> str:
    if record.rtype != "TXT":
        return record.value
    # A TXT record consists of strings of at most 255 bytes (RFC 1035 section 3.3).
    raw = record.value.encode()
    parts = [raw[start : start + 255] for start in range(0, len(raw), 255)] or [b""]
    return " ".join('"' + "".join(f"\\{byte:03d}" for byte in part) + '"' for part in parts)
