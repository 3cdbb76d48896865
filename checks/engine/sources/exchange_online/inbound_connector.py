"""The lockdown: a partner connector rejects all mail that does not come from Mimecast."""

from __future__ import annotations

from collections.abc import Sequence

from checks.engine.expected_values import MIMECAST_DOMAINS
from checks.engine.outcomes import Finding, Verdict
from checks.engine.sources.exchange_online.ranges import ExpectedRanges, other_regions
from checks.engine.sources.exchange_online.tables import (
    DOMAINS,
    INBOUND,
    ORGANISATION,
    address_space,
)
from checks.engine.sources.exports.address_sets import AddressSet, missing, outside, unreadable
from checks.engine.sources.exports.commands import listed, quoted
from checks.engine.sources.facts import Row
from checks.engine.sources.rules import Judgement, RuleInput

NEEDS = {
    INBOUND: (
        "Name",
        "Enabled",
        "ConnectorType",
        "SenderDomains",
        "SenderIPAddresses",
        "AssociatedAcceptedDomains",
        "RequireTls",
        "RestrictDomainsToIPAddresses",
        "RestrictDomainsToCertificate",
        "TlsSenderCertificateName",
    ),
    DOMAINS: ("DomainName",),
}
_PARTNER = "partner"
_SHOWN = NEEDS[INBOUND]
_MOST_SHOWN = 20


def judge(question: RuleInput) -> Judgement:
    rows = [row for row in question.facts.rows(INBOUND) if _is_for_all_senders(row)]
    evidence = {"connectors": [{name: row[name] for name in _SHOWN} for row in rows]}
    verdict, findings = _judge(rows, question)
    return Judgement(verdict, findings, evidence)


def _judge(rows: Sequence[Row], question: RuleInput) -> tuple[Verdict, list[Finding]]:
    candidates = [row for row in rows if _names_mimecast(row, question)]
    restricting = [row for row in candidates if _restricts(row)]
    strangers = [row for row in rows if row not in candidates and _restricts(row)]
    if not restricting and strangers:
        # Its addresses may be Mimecast's: no list of them is complete.
        return Verdict.UNKNOWN, [
            Finding("inbound-connector.unknown-addresses", {"name": row["Name"]})
            for row in strangers
        ]
    if not restricting:
        return Verdict.FAIL, _not_restricting(candidates, question)
    if faults := [found for row in restricting for found in _faults(row, question)]:
        return Verdict.FAIL, faults
    if open_domains := _open_domains(restricting, question):
        return Verdict.FAIL, open_domains
    doubts = [found for row in restricting for found in _doubts(row, question)]
    doubts += [
        Finding("inbound-connector.second-connector", {"name": row["Name"]})
        for row in rows
        if _is_open_partner(row)
    ]
    if doubts:
        return Verdict.UNKNOWN, doubts
    cautions = [found for row in restricting for found in _cautions(row, question)]
    # An address of any of several partner connectors for all senders is accepted.
    cautions += [
        Finding("inbound-connector.other-connector", {"name": row["Name"]}) for row in strangers
    ]
    return (Verdict.WARN if cautions else Verdict.PASS), cautions


def _is_for_all_senders(row: Row) -> bool:
    return "*" in map(address_space, row["SenderDomains"])


def _names_mimecast(row: Row, question: RuleInput) -> bool:
    """Whether the connector is meant for Mimecast, by its certificate or one of its addresses."""
    if _has_mimecast_certificate(row):
        return True
    ranges = ExpectedRanges.of(question.expected)
    entries = AddressSet(row["SenderIPAddresses"])
    return any(entries.overlaps(network) for network in ranges.all) or bool(
        other_regions(entries, question.region)
    )


def _has_mimecast_certificate(row: Row) -> bool:
    name = row["TlsSenderCertificateName"].lower()
    return any(name.endswith(f".{parent}") for parent in MIMECAST_DOMAINS)


def _has_wrong_certificate(row: Row, question: RuleInput) -> bool:
    """Whether the connector asks for a certificate that this region's servers do not show."""
    expected = str(question.expected.get("certificate") or "").lower().removeprefix("*")
    if not expected:
        return not _has_mimecast_certificate(row)
    return not row["TlsSenderCertificateName"].lower().endswith(expected)


def _restricts(row: Row) -> bool:
    is_partner = row["ConnectorType"].lower() == _PARTNER
    return row["Enabled"] and is_partner and (_by_addresses(row) or _by_certificate(row))


def _is_open_partner(row: Row) -> bool:
    """Whether an enabled partner connector for all senders rejects nothing."""
    is_partner = row["ConnectorType"].lower() == _PARTNER
    return bool(row["Enabled"] and is_partner and not _restricts(row))


def _by_addresses(row: Row) -> bool:
    return bool(row["RestrictDomainsToIPAddresses"] and row["SenderIPAddresses"])


def _by_certificate(row: Row) -> bool:
    return bool(
        row["RestrictDomainsToCertificate"]
        and row["RequireTls"]
        and row["TlsSenderCertificateName"]
    )


def _not_restricting(candidates: Sequence[Row], question: RuleInput) -> list[Finding]:
    """The reason why each connector for Mimecast rejects nothing, or that there is none."""
    findings = [_why_open(row, question) for row in candidates]
    if not findings:
        findings = [Finding("inbound-connector.none", {"command": _new_command(question)})]
    if any(finding.params.get("command") == "" for finding in findings):
        findings.append(_no_certificate(question))
    organisations = question.facts.tables.get(ORGANISATION, ())
    if any(row.get("RejectDirectSend") is False for row in organisations):
        command = "Set-OrganizationConfig -RejectDirectSend $true"
        findings.append(Finding("inbound-connector.direct-send-open", {"command": command}))
    return findings


def _new_command(question: RuleInput) -> str:
    """The command, or "" without the region's certificate: another one loses mail."""
    certificate = question.expected.get("certificate")
    if not certificate:
        return ""
    return (
        "New-InboundConnector -Name 'Mimecast to Microsoft 365' -ConnectorType Partner"
        " -SenderDomains '*' -RequireTls $true -RestrictDomainsToCertificate $true"
        f" -TlsSenderCertificateName {quoted(certificate)} -Enabled $false"
    )


def _no_certificate(question: RuleInput) -> Finding:
    return Finding("inbound-connector.no-certificate", {"region": question.region.name})


def _why_open(row: Row, question: RuleInput) -> Finding:
    if row["ConnectorType"].lower() != _PARTNER:
        return Finding(
            "inbound-connector.not-partner", {"name": row["Name"], "type": row["ConnectorType"]}
        )
    if not row["RestrictDomainsToIPAddresses"] and not row["RestrictDomainsToCertificate"]:
        command = (
            _closing_command(row, question, "-RestrictDomainsToIPAddresses $true")
            if row["SenderIPAddresses"]
            else _certificate_command(row, question)
        )
        return Finding(
            "inbound-connector.not-restricting", {"name": row["Name"], "command": command}
        )
    if not _by_addresses(row) and not _by_certificate(row):
        command = _certificate_command(row, question)
        return Finding(
            "inbound-connector.restriction-empty", {"name": row["Name"], "command": command}
        )
    command = _closing_command(row, question, "-Enabled $true")
    return Finding("inbound-connector.disabled", {"name": row["Name"], "command": command})


def _certificate_command(row: Row, question: RuleInput) -> str:
    settings = "-RequireTls $true -RestrictDomainsToCertificate $true"
    return _closing_command({**row, "RestrictDomainsToCertificate": True}, question, settings)


def _closing_command(row: Row, question: RuleInput, settings: str) -> str:
    """The command with which the connector rejects mail, and still admits all of Mimecast's.

    It corrects a certificate name and a list of addresses that would reject mail from Mimecast.
    The result is "" if the connector asks for a certificate and that of the region is unknown.
    """
    parts = [f"Set-InboundConnector -Identity {quoted(row['Name'])}", settings]
    if row["RestrictDomainsToCertificate"]:
        certificate = question.expected.get("certificate")
        if not certificate:
            return ""
        if _has_wrong_certificate(row, question):
            parts.append(f"-TlsSenderCertificateName {quoted(certificate)}")
    firm = ExpectedRanges.of(question.expected).firm
    entries = AddressSet(row["SenderIPAddresses"])
    if row["SenderIPAddresses"] and (left := missing(entries, firm)):
        parts.append(f"-SenderIPAddresses @{{ Add={listed(left)} }}")
    return " ".join(parts)


def _faults(row: Row, question: RuleInput) -> list[Finding]:
    """Faults of a connector that rejects mail: with them, mail from Mimecast is lost."""
    findings = []
    if row["RestrictDomainsToCertificate"] and _has_wrong_certificate(row, question):
        certificate = question.expected.get("certificate")
        command = (
            f"Set-InboundConnector -Identity {quoted(row['Name'])}"
            f" -TlsSenderCertificateName {quoted(certificate)}"
            if certificate
            else ""
        )
        found = row["TlsSenderCertificateName"]
        findings.append(
            Finding(
                "inbound-connector.other-certificate",
                {"name": row["Name"], "found": found, "command": command},
            )
        )
        if not certificate:
            findings.append(_no_certificate(question))
    if not _by_addresses(row):
        return findings
    entries = AddressSet(row["SenderIPAddresses"])
    left = missing(entries, ExpectedRanges.of(question.expected).firm)
    if left:
        command = (
            f"Set-InboundConnector -Identity {quoted(row['Name'])}"
            f" -SenderIPAddresses @{{ Add={listed(left)} }}"
        )
        findings.append(
            Finding(
                "inbound-connector.ranges-missing",
                {"name": row["Name"], "ranges": left, "command": command},
            )
        )
        if regions := other_regions(entries, question.region):
            findings.append(Finding("inbound-connector.other-region", {"regions": regions}))
    return findings


def _doubts(row: Row, question: RuleInput) -> list[Finding]:
    """Without a known range, addresses alone do not show that the connector admits Mimecast."""
    if _by_certificate(row) or ExpectedRanges.of(question.expected).firm:
        return []
    return [Finding("inbound-connector.no-ranges", {"name": row["Name"]})]


def _open_domains(restricting: Sequence[Row], question: RuleInput) -> list[Finding]:
    """A connector with associated domains closes these recipient domains only."""
    if any(not row["AssociatedAcceptedDomains"] for row in restricting):
        return []
    closed = {name.lower() for row in restricting for name in row["AssociatedAcceptedDomains"]}
    accepted = {row["DomainName"].lower() for row in question.facts.rows(DOMAINS)}
    left = sorted(accepted - closed)
    if not left:
        return []
    identity = quoted(restricting[0]["Name"])
    command = f"Set-InboundConnector -Identity {identity} -AssociatedAcceptedDomains $null"
    return [
        Finding(
            "inbound-connector.some-domains",
            {"name": restricting[0]["Name"], "domains": left[:_MOST_SHOWN], "command": command},
        )
    ]


def _cautions(row: Row, question: RuleInput) -> list[Finding]:
    if not _by_addresses(row):
        return [Finding("inbound-connector.certificate-only", {"name": row["Name"]})]
    ranges = ExpectedRanges.of(question.expected)
    entries = row["SenderIPAddresses"]
    findings = (
        []
        if ranges.is_complete
        else [Finding("inbound-connector.list-not-entered", {"name": row["Name"]})]
    )
    if others := [*outside(entries, AddressSet(ranges.all)), *unreadable(entries)]:
        findings.append(
            Finding(
                "inbound-connector.other-addresses",
                {"name": row["Name"], "ranges": others[:_MOST_SHOWN]},
            )
        )
    if not _by_certificate(row):
        findings.append(Finding("inbound-connector.addresses-only", {"name": row["Name"]}))
    return findings
