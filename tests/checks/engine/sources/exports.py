"""Exports of Exchange Online for tests: the shapes of real output, with invented values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from checks.engine.expected_values import RegionFacts
from checks.engine.outcomes import CheckKind, Outcome
from checks.engine.sources.exchange_online.source import SOURCE
from checks.engine.sources.exports.reader import Export, read_export
from checks.engine.sources.facts import SourceFacts
from checks.engine.sources.rules import judge_facts

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
OBTAINED = datetime(2026, 11, 28, 9, tzinfo=UTC)
DOMAIN = "contoso.test"
RANGES = ["192.0.2.0/24", "198.51.100.0/25"]
REGION = RegionFacts(
    id="eu",
    name="Europe",
    other_networks=(("203.0.113.0/24", "us"),),
    other_smart_hosts=(("us-out-1.mimecast.com", "us"),),
)
EXPECTED: Mapping[str, Any] = {
    "organisation": DOMAIN,
    "ranges": [[network, "entered"] for network in RANGES],
    "certificate": "*.mimecast.com",
    "smart_hosts": [
        ["eu-out-1.mimecast.com", "eu-out-2.mimecast.com"],
        ["eu-o365-1.mimecast.com", "eu-o365-2.mimecast.com"],
    ],
    "journal_hosts": ["eu-journal-1.mimecast.com", "eu-journal-2.mimecast.com"],
    "domains": [DOMAIN],
    "all_domains": [DOMAIN, "contoso.onmicrosoft.test"],
}

LOCKED: Mapping[str, Any] = {
    "Name": "Mimecast to Microsoft 365",
    "Enabled": True,
    "ConnectorType": "Partner",
    "SenderDomains": ["smtp:*;1"],
    "SenderIPAddresses": RANGES,
    "AssociatedAcceptedDomains": [],
    "RequireTls": True,
    "RestrictDomainsToIPAddresses": True,
    "RestrictDomainsToCertificate": True,
    "TlsSenderCertificateName": "*.mimecast.com",
    "EFSkipLastIP": False,
    "EFSkipIPs": [],
    "EFUsers": [],
}
SENDING: Mapping[str, Any] = {
    "Name": "Microsoft 365 to Mimecast",
    "Enabled": True,
    "ConnectorType": "Partner",
    "UseMXRecord": False,
    "RecipientDomains": ["*"],
    "SmartHosts": ["eu-out-1.mimecast.com", "eu-out-2.mimecast.com"],
    "TlsSettings": "CertificateValidation",
    "IsTransportRuleScoped": False,
    "RouteAllMessagesViaOnPremises": False,
    "TestMode": False,
}
JOURNAL_CONNECTOR: Mapping[str, Any] = {
    **SENDING,
    "Name": "Mimecast journal",
    "RecipientDomains": ["journal.contoso.test"],
    "SmartHosts": ["eu-journal-1.mimecast.com", "eu-journal-2.mimecast.com"],
}
JOURNAL_RULE: Mapping[str, Any] = {
    "Name": "Mimecast journal",
    "Enabled": True,
    "Scope": "Internal",
    "JournalEmailAddress": "journaling@journal.contoso.test",
    "Recipient": None,
}
FILTER: Mapping[str, Any] = {
    "Name": "Default",
    "IsDefault": True,
    "IPAllowList": RANGES,
    "IPBlockList": [],
}


def export_of(**tables: Any) -> dict[str, Any]:
    """A complete export in which everything is right, with other tables by their last word."""
    complete = {
        "Get-InboundConnector": [dict(LOCKED)],
        "Get-OutboundConnector": [dict(SENDING), dict(JOURNAL_CONNECTOR)],
        "Get-HostedConnectionFilterPolicy": [dict(FILTER)],
        "Get-OrganizationConfig": [{"RejectDirectSend": True}],
        "Get-AcceptedDomain": [
            {"DomainName": DOMAIN, "DomainType": "Authoritative", "InitialDomain": False},
            {
                "DomainName": "contoso.onmicrosoft.test",
                "DomainType": "Authoritative",
                "InitialDomain": True,
            },
        ],
        "Get-DkimSigningConfig": [{"Domain": DOMAIN, "Enabled": False}],
        "Get-TransportRule": [],
        "Get-JournalRule": [dict(JOURNAL_RULE)],
        "Get-TransportConfig": [{"JournalingReportNdrTo": "reports@elsewhere.test"}],
        "Get-RemoteDomain": [{"DomainName": "*", "AutoForwardEnabled": False}],
        "GeneratedAt": OBTAINED.isoformat(),
    }
    return complete | {f"Get-{name}": value for name, value in tables.items()}


def read(export: Mapping[str, Any]) -> Export:
    found = read_export(json.dumps(export).encode(), SOURCE.listed)
    assert isinstance(found, Export), found
    return found


def judge(
    kind: CheckKind,
    export: Mapping[str, Any],
    *,
    expected: Mapping[str, Any] = EXPECTED,
    now: datetime = NOW,
) -> Outcome:
    facts = SourceFacts(SOURCE.key, read(export).tables, OBTAINED, id="exp")
    return judge_facts(SOURCE, kind, DOMAIN, facts, expected, REGION, now=now)
