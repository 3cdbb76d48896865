"""Gangway-Evidence.ps1 for Exchange Online: read-only cmdlets, one JSON object."""

from __future__ import annotations

from checks.engine.sources.exchange_online.tables import (
    DOMAINS,
    FILTER,
    INBOUND,
    JOURNAL_RULES,
    LISTED,
    ORGANISATION,
    OUTBOUND,
    REMOTE_DOMAINS,
    RULES,
    SIGNING,
    TRANSPORT,
)
from checks.engine.sources.exports.scripts import write_script

NAME = "Gangway-Evidence.ps1"
# Test connectors and those of mail flow rules are not in the plain list.
_COMMANDS = {
    INBOUND: ("Get-InboundConnector",),
    OUTBOUND: (
        "Get-OutboundConnector",
        "Get-OutboundConnector -IncludeTestModeConnectors $true",
        "Get-OutboundConnector -IsTransportRuleScoped $true",
    ),
    FILTER: ("Get-HostedConnectionFilterPolicy",),
    ORGANISATION: ("Get-OrganizationConfig",),
    DOMAINS: ("Get-AcceptedDomain",),
    SIGNING: ("Get-DkimSigningConfig",),
    RULES: ("Get-TransportRule -ResultSize Unlimited",),
    JOURNAL_RULES: ("Get-JournalRule",),
    TRANSPORT: ("Get-TransportConfig",),
    REMOTE_DOMAINS: ("Get-RemoteDomain",),
}
_HEAD = """\
# {name} for {organisation}. It reads the mail flow settings of Exchange Online and changes nothing.
# Least role: View-Only Organization Management in Exchange, or Global Reader in Entra.
# It needs the module ExchangeOnlineManagement, in Windows PowerShell 5.1 or PowerShell 7.
if (-not (Get-Command Get-InboundConnector -ErrorAction SilentlyContinue)) {{
    Import-Module ExchangeOnlineManagement -ErrorAction Stop
    Connect-ExchangeOnline -ShowBanner:$false
}}
"""


def script(organisation: str) -> str:
    """The script for the organisation with this primary domain."""
    head = _HEAD.format(name=NAME, organisation=organisation)
    return write_script(head, _COMMANDS, LISTED, organisation=organisation)
