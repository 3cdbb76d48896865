"""Exactly one enabled connector sends all mail to both of the region's smart hosts."""

from __future__ import annotations

from collections.abc import Sequence

from checks.engine.outcomes import Finding, Verdict
from checks.engine.sources.exchange_online.tables import OUTBOUND, RULES, address_space
from checks.engine.sources.exports.commands import listed, quoted
from checks.engine.sources.facts import Row
from checks.engine.sources.rules import Judgement, RuleInput

NEEDS = {
    OUTBOUND: (
        "Name",
        "Enabled",
        "UseMXRecord",
        "RecipientDomains",
        "SmartHosts",
        "TlsSettings",
        "IsTransportRuleScoped",
        "RouteAllMessagesViaOnPremises",
        "TestMode",
    ),
    RULES: ("Name", "State", "RouteMessageOutboundConnector"),
}
_VERIFIED_TLS = frozenset({"certificatevalidation", "domainvalidation"})


def judge(question: RuleInput) -> Judgement:
    rows = question.facts.rows(OUTBOUND)
    evidence = {"connectors": [{name: row[name] for name in NEEDS[OUTBOUND]} for row in rows]}
    families = [set(hosts) for hosts in question.expected.get("smart_hosts", ()) if hosts]
    if not families:
        finding = Finding("outbound-connector.no-hosts", {"region": question.region.name})
        return Judgement(Verdict.UNKNOWN, [finding], evidence)
    catch_all = [row for row in rows if row["Enabled"] and _is_catch_all(row)]
    if not catch_all:
        return Judgement(Verdict.FAIL, [_none(rows, families)], evidence)
    faults = [found for row in catch_all for found in _faults(row, families, question)]
    if len(catch_all) > 1:
        faults.append(_several(catch_all, families))
    if faults:
        return Judgement(Verdict.FAIL, faults, evidence)
    cautions = [*_cautions(catch_all[0]), *_rule_routes(question)]
    return Judgement(Verdict.WARN if cautions else Verdict.PASS, cautions, evidence)


def _is_catch_all(row: Row) -> bool:
    is_all = "*" in map(address_space, row["RecipientDomains"])
    return is_all and not row["IsTransportRuleScoped"]


def _hosts(row: Row) -> set[str]:
    return {host.strip("[]. ").lower() for host in row["SmartHosts"]}


def _none(rows: Sequence[Row], families: list[set[str]]) -> Finding:
    """No enabled connector for all recipients; the disabled one for Mimecast is named."""
    disabled = [
        row for row in rows if not row["Enabled"] and _is_catch_all(row) and _hosts(row) in families
    ]
    if disabled:
        command = f"Set-OutboundConnector -Identity {quoted(disabled[0]['Name'])} -Enabled $true"
        return Finding(
            "outbound-connector.disabled", {"name": disabled[0]["Name"], "command": command}
        )
    command = (
        "New-OutboundConnector -Name 'Microsoft 365 to Mimecast' -ConnectorType Partner"
        f" -RecipientDomains '*' -UseMXRecord $false -SmartHosts {listed(sorted(families[0]))}"
        " -TlsSettings CertificateValidation -Enabled $false"
    )
    return Finding("outbound-connector.none", {"command": command})


def _faults(row: Row, families: list[set[str]], question: RuleInput) -> list[Finding]:
    set_connector = f"Set-OutboundConnector -Identity {quoted(row['Name'])}"
    findings = []
    if row["TestMode"]:
        command = f"{set_connector} -TestMode $false"
        findings.append(
            Finding("outbound-connector.test-mode", {"name": row["Name"], "command": command})
        )
    if row["UseMXRecord"]:
        command = f"{set_connector} -UseMXRecord $false -SmartHosts {listed(sorted(families[0]))}"
        findings.append(
            Finding("outbound-connector.uses-mx", {"name": row["Name"], "command": command})
        )
    elif found := _wrong_hosts(row, families, question):
        findings.append(found)
    return findings


def _wrong_hosts(row: Row, families: list[set[str]], question: RuleInput) -> Finding | None:
    hosts = _hosts(row)
    if hosts in families:
        return None
    own = next((family for family in families if hosts & family), families[0])
    command = (
        f"Set-OutboundConnector -Identity {quoted(row['Name'])} -SmartHosts {listed(sorted(own))}"
    )
    regions = sorted({id_ for host, id_ in question.region.other_smart_hosts if host in hosts})
    if regions:
        return Finding(
            "outbound-connector.other-region",
            {"name": row["Name"], "regions": regions, "command": command},
        )
    if hosts and hosts < own:
        return Finding(
            "outbound-connector.one-host",
            {"name": row["Name"], "hosts": sorted(own - hosts), "command": command},
        )
    others = sorted(hosts - own)
    return Finding(
        "outbound-connector.other-hosts", {"name": row["Name"], "hosts": others, "command": command}
    )


def _several(rows: Sequence[Row], families: list[set[str]]) -> Finding:
    """Exchange Online chooses one of them, so that mail takes both ways."""
    kept = max(rows, key=lambda row: _rank(row, families))
    others = [row for row in rows if row is not kept]
    command = "; ".join(
        f"Set-OutboundConnector -Identity {quoted(row['Name'])} -Enabled $false" for row in others
    )
    names = [row["Name"] for row in rows]
    return Finding("outbound-connector.several", {"names": names, "command": command})


def _rank(row: Row, families: list[set[str]]) -> tuple[bool, bool]:
    """The highest rank has the connector that sends to Mimecast already: it stays enabled."""
    is_mimecast = _hosts(row) in families and not row["UseMXRecord"]
    return is_mimecast, not row["TestMode"]


def _cautions(row: Row) -> list[Finding]:
    set_connector = f"Set-OutboundConnector -Identity {quoted(row['Name'])}"
    findings = []
    if row["TlsSettings"].lower() not in _VERIFIED_TLS:
        command = f"{set_connector} -TlsSettings CertificateValidation"
        findings.append(
            Finding("outbound-connector.tls-unverified", {"name": row["Name"], "command": command})
        )
    if row["RouteAllMessagesViaOnPremises"]:
        command = f"{set_connector} -RouteAllMessagesViaOnPremises $false"
        findings.append(
            Finding("outbound-connector.via-on-premises", {"name": row["Name"], "command": command})
        )
    return findings


def _rule_routes(question: RuleInput) -> list[Finding]:
    """Mail flow rules that send a part of the mail through another connector."""
    names = [
        row["Name"]
        for row in question.facts.rows(RULES)
        if row["State"].lower() == "enabled" and row["RouteMessageOutboundConnector"]
    ]
    return [Finding("outbound-connector.rule-routes", {"names": names})] if names else []
