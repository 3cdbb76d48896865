"""Change sheets: for each domain the records published now, to publish, and to remove.

Pure over the checks' newest observations. A sheet removes nothing silently: it names each unknown
record that it removes, and shows the new records only after a person has agreed to each removal.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from checks.engine.dns.consensus import ANSWERED_STATUSES
from checks.engine.known_providers import GATEWAYS, PLATFORMS, match_suffix
from checks.engine.outcomes import CheckKind, Verdict
from checks.models import Check
from onboarding.cutovers.dns_forms import DnsForm, form_of
from onboarding.plans.proof import ProofSubject
from onboarding.plans.records_to_publish import RecordToPublish, records_for
from tenants.regions import Region

_LONGEST_STRING = 255


@dataclass(frozen=True)
class ZoneRecordLine:
    """One record of a zone file. The value of an MX record is `<preference> <exchange>`."""

    owner: str
    ttl: int | None
    rtype: str
    value: str

    def __str__(self) -> str:
        ttl = f" {self.ttl}" if self.ttl is not None else ""
        return f"{self.owner}.{ttl} IN {self.rtype} {self._data}"

    @property
    def _data(self) -> str:
        if self.rtype == "TXT":
            return quoted(self.value)
        return self.value if self.value.endswith(".") else f"{self.value}."


def quoted(text: str) -> str:
    """A TXT value in a zone file: strings of at most 255 bytes, quoted (RFC 1035 section 5.1)."""
    raw = text.encode()
    parts = [raw[i : i + _LONGEST_STRING] for i in range(0, len(raw), _LONGEST_STRING)] or [b""]
    return " ".join(f'"{"".join(map(_escaped, part))}"' for part in parts)


def _escaped(byte: int) -> str:
    if byte in b'"\\':
        return f"\\{chr(byte)}"
    return chr(byte) if 32 <= byte < 127 else f"\\{byte:03d}"


@dataclass(frozen=True)
class ChangeSheet:
    """The change of one domain.

    - `silent`: the servers without an answer in the newest run.
    - `differ`: the other servers disagree, so that `now` is the union of several answers.
    - `is_stale`: the newest run is too old to count.
    - `unknown`: the values to remove that Gangway does not know.
    - `is_agreed`: a person has agreed to the removal of each unknown value.
    """

    domain: str
    check: Check
    now: tuple[ZoneRecordLine, ...]
    publish: tuple[ZoneRecordLine, ...]
    records: tuple[RecordToPublish, ...]
    unknown: tuple[str, ...] = ()
    is_agreed: bool = True
    silent: tuple[str, ...] = ()
    differ: bool = False
    is_known: bool = True
    is_stale: bool = False
    form: DnsForm | None = None
    missing_policy_hosts: tuple[str, ...] = ()

    @property
    def removed(self) -> tuple[ZoneRecordLine, ...]:
        return tuple(line for line in self.now if _key(line) not in map(_key, self.publish))

    @property
    def unchanged(self) -> tuple[ZoneRecordLine, ...]:
        return tuple(line for line in self.publish if _key(line) in map(_key, self.now))

    @property
    def added(self) -> tuple[ZoneRecordLine, ...]:
        return tuple(line for line in self.publish if _key(line) not in map(_key, self.now))

    @property
    def is_done(self) -> bool:
        """Whether no change is left, and the newest run of the check agrees."""
        latest = self.check.latest
        is_passing = latest is not None and Verdict(latest.verdict).is_passing
        is_whole = not (self.silent or self.differ or self.is_stale)
        return is_passing and is_whole and not (self.removed or self.added)

    @property
    def is_undetermined(self) -> bool:
        """Whether the new records are unknown: the region has no values, or no run is recorded."""
        return not self.records and not self.is_done

    @property
    def zone_text(self) -> str:
        return "\n".join(map(str, self.publish))

    @property
    def checked_at(self) -> datetime | None:
        return self.check.checked_at


def _key(line: ZoneRecordLine) -> tuple[str, str]:
    """The client chooses the preferences: an MX host that is published already stays unchanged."""
    if line.rtype == "MX":
        return (line.rtype, line.value.partition(" ")[2].removesuffix("."))
    return (line.rtype, line.value)


def build_change_sheet(
    subject: ProofSubject,
    region: Region,
    *,
    hosts: Collection[str] = (),
    agreed: Collection[str] = (),
    mta_sts: ProofSubject | None = None,
    is_stale: bool = False,
) -> ChangeSheet | None:
    """The change of MX or SPF after which the subject's check passes; None without a check.

    `hosts` are the tenant's own delivery routes. `agreed` are the values that a person agreed to
    remove. `is_stale`: the newest run is too old to count.
    """
    check = subject.check
    if check is None:
        return None
    rows = check.latest.evidence.get("servers", []) if check.latest is not None else []
    answered = [row for row in rows if row.get("status") in ANSWERED_STATUSES]
    rtype = "MX" if subject.kind is CheckKind.MX else "TXT"
    now = _published(subject, rtype, answered)
    records = tuple(records_for(subject, region))
    publish = tuple(
        ZoneRecordLine(subject.name, record.ttl or _ttl(answered), rtype, record.value)
        for record in records
    )
    sheet = ChangeSheet(
        domain=subject.name,
        check=check,
        now=now,
        publish=publish or now,
        records=records,
        silent=tuple(f"{r['name']} ({r['address']})" for r in rows if r not in answered),
        differ=len({frozenset(_values(subject, row)) for row in answered}) > 1,
        is_known=bool(answered),
        is_stale=is_stale,
        form=form_of({row["name"] for row in rows}),
        missing_policy_hosts=_missing_policy_hosts(mta_sts, region)
        if subject.kind is CheckKind.MX
        else (),
    )
    unknown = _unknown(subject, sheet, region, hosts)
    return replace(sheet, unknown=unknown, is_agreed=set(unknown) <= set(agreed))


def _values(subject: ProofSubject, row: Mapping[str, Any]) -> list[str]:
    values = list(row.get("values") or ())
    if subject.kind is CheckKind.MX:
        return values
    return [value for value in values if is_spf(value)]


def is_spf(value: str) -> bool:
    """RFC 7208 section 4.5: the version, then a space or the end."""
    return value.lower() == "v=spf1" or value.lower().startswith("v=spf1 ")


def _ttl(answered: Sequence[Mapping[str, Any]]) -> int | None:
    return max((row["ttl"] for row in answered if row.get("ttl") is not None), default=None)


def _published(
    subject: ProofSubject, rtype: str, answered: Sequence[Mapping[str, Any]]
) -> tuple[ZoneRecordLine, ...]:
    """Every value that any server publishes, with its longest TTL."""
    ttls: dict[str, int] = {}
    for row in answered:
        for value in _values(subject, row):
            ttls[value] = max(ttls.get(value, 0), row.get("ttl") or 0)
    return tuple(ZoneRecordLine(subject.name, ttls[value], rtype, value) for value in sorted(ttls))


def _unknown(
    subject: ProofSubject, sheet: ChangeSheet, region: Region, hosts: Collection[str]
) -> tuple[str, ...]:
    """The values to remove that belong neither to the platform, a known gateway nor the tenant."""
    if subject.kind is CheckKind.MX:
        return tuple(line.value for line in sheet.removed if not _is_known_host(line.value, hosts))
    published = {term.lower() for line in sheet.publish for term in line.value.split()}
    removed = [term for line in sheet.removed for term in line.value.split()]
    return tuple(
        dict.fromkeys(
            term
            for term in removed
            if term.lower() not in published and not _is_mimecast(term, region)
        )
    )


def _is_known_host(value: str, hosts: Collection[str]) -> bool:
    host = value.partition(" ")[2]
    return host in hosts or bool(match_suffix(host, PLATFORMS) or match_suffix(host, GATEWAYS))


def _is_mimecast(term: str, region: Region) -> bool:
    target = term.lower().partition(":")[2]
    return bool(target) and (
        match_suffix(target, GATEWAYS) == "Mimecast" or target == region.spf_include
    )


def _missing_policy_hosts(mta_sts: ProofSubject | None, region: Region) -> tuple[str, ...]:
    """The hosts that an MTA-STS policy must permit before MX may change (RFC 8461 section 3.2).

    Empty without a policy, or if the policy permits them.
    """
    latest = mta_sts.check.latest if mta_sts is not None and mta_sts.check is not None else None
    if latest is None or latest.verdict == "not_applicable":
        return ()
    params = {found["code"]: found.get("params") or {} for found in latest.findings}
    if "mta-sts.permits" in params or "mta-sts.mode-none" in params:
        return ()
    refused = [
        host
        for code in ("mta-sts.not-permitted", "mta-sts.not-permitted-testing")
        for host in params.get(code, {}).get("hosts", ())
    ]
    return tuple(refused or region.mx)
