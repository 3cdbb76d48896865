"""The cmdlets whose output is stored, and their properties. Everything else is dropped."""

from __future__ import annotations

from types import MappingProxyType

from checks.engine.sources.facts import Listed, PropertyType

INBOUND = "Get-InboundConnector"
OUTBOUND = "Get-OutboundConnector"
FILTER = "Get-HostedConnectionFilterPolicy"
ORGANISATION = "Get-OrganizationConfig"
DOMAINS = "Get-AcceptedDomain"
SIGNING = "Get-DkimSigningConfig"
RULES = "Get-TransportRule"
JOURNAL_RULES = "Get-JournalRule"
TRANSPORT = "Get-TransportConfig"
REMOTE_DOMAINS = "Get-RemoteDomain"

_FLAG, _TEXT, _TEXTS = PropertyType.FLAG, PropertyType.TEXT, PropertyType.TEXTS

LISTED: Listed = MappingProxyType(
    {
        INBOUND: {
            "Name": _TEXT,
            "Enabled": _FLAG,
            "ConnectorType": _TEXT,
            "SenderDomains": _TEXTS,
            "SenderIPAddresses": _TEXTS,
            "AssociatedAcceptedDomains": _TEXTS,
            "RequireTls": _FLAG,
            "RestrictDomainsToIPAddresses": _FLAG,
            "RestrictDomainsToCertificate": _FLAG,
            "TlsSenderCertificateName": _TEXT,
            "EFSkipLastIP": _FLAG,
            "EFSkipIPs": _TEXTS,
            "EFUsers": PropertyType.COUNT,
        },
        OUTBOUND: {
            "Name": _TEXT,
            "Enabled": _FLAG,
            "ConnectorType": _TEXT,
            "UseMXRecord": _FLAG,
            "RecipientDomains": _TEXTS,
            "SmartHosts": _TEXTS,
            "TlsSettings": _TEXT,
            "IsTransportRuleScoped": _FLAG,
            "RouteAllMessagesViaOnPremises": _FLAG,
            "TestMode": _FLAG,
        },
        FILTER: {"Name": _TEXT, "IsDefault": _FLAG, "IPAllowList": _TEXTS, "IPBlockList": _TEXTS},
        ORGANISATION: {"RejectDirectSend": _FLAG},
        DOMAINS: {"DomainName": _TEXT, "DomainType": _TEXT, "InitialDomain": _FLAG},
        SIGNING: {"Domain": _TEXT, "Enabled": _FLAG},
        RULES: {
            "Name": _TEXT,
            "State": _TEXT,
            "SenderIpRanges": _TEXTS,
            "SetSCL": _TEXT,
            "RouteMessageOutboundConnector": _TEXT,
        },
        JOURNAL_RULES: {
            "Name": _TEXT,
            "Enabled": _FLAG,
            "Scope": _TEXT,
            "JournalEmailAddress": PropertyType.MAIL_DOMAIN,
            "Recipient": PropertyType.IS_SET,
        },
        TRANSPORT: {"JournalingReportNdrTo": PropertyType.IS_SET},
        REMOTE_DOMAINS: {"DomainName": _TEXT, "AutoForwardEnabled": _FLAG},
    }
)


def address_space(entry: str) -> str:
    """The domain of an entry such as `smtp:*;1`, in lower case."""
    text = entry.strip().lower().removeprefix("smtp:")
    return text.partition(";")[0].strip()
