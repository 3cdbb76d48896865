"""A journal rule for internal mail reaches the region's journal hosts."""

from __future__ import annotations

from collections.abc import Sequence

from checks.engine.outcomes import Finding, Verdict
from checks.engine.sources.exchange_online.tables import (
    JOURNAL_RULES,
    OUTBOUND,
    TRANSPORT,
    address_space,
)
from checks.engine.sources.exports.commands import listed, quoted
from checks.engine.sources.facts import Row
from checks.engine.sources.rules import Judgement, RuleInput

NEEDS = {
    JOURNAL_RULES: ("Name", "Enabled", "Scope", "JournalEmailAddress", "Recipient"),
    OUTBOUND: ("Name", "Enabled", "UseMXRecord", "RecipientDomains", "SmartHosts"),
    TRANSPORT: ("JournalingReportNdrTo",),
}
# Mail with the outside runs through Mimecast anyway, so that internal mail is enough.
_INTERNAL_SCOPES = frozenset({"internal", "global"})


def judge(question: RuleInput) -> Judgement:
    rules = question.facts.rows(JOURNAL_RULES)
    evidence = {
        "rules": [
            {name: row[name] for name in ("Name", "Enabled", "Scope")}
            | {"journal_domain": row["JournalEmailAddress"]}
            for row in rules
        ]
    }
    hosts = {host.lower() for host in question.expected.get("journal_hosts", ())}
    if not hosts:
        finding = Finding("cloud-journaling.no-hosts", {"region": question.region.name})
        return Judgement(Verdict.UNKNOWN, [finding], evidence)
    candidates = [(row, _connectors_to(row["JournalEmailAddress"], question)) for row in rules]
    found = [_faults(row, connectors, hosts) for row, connectors in candidates]
    faults = min(found, key=len, default=[_no_rule()])
    faults = [*faults, *_ndr_unset(question)]
    if faults:
        return Judgement(Verdict.FAIL, faults, evidence)
    limited = [row for row, findings in zip(rules, found, strict=True) if not findings]
    if all(row["Recipient"] for row in limited):
        return Judgement(
            Verdict.WARN,
            [Finding("cloud-journaling.one-recipient", {"name": limited[0]["Name"]})],
            evidence,
        )
    return Judgement(Verdict.PASS, (), evidence)


def _connectors_to(domain: str, question: RuleInput) -> list[Row]:
    """The enabled connectors for the domain of the journal address."""
    return [
        row
        for row in question.facts.rows(OUTBOUND)
        if row["Enabled"] and domain in map(address_space, row["RecipientDomains"])
    ]


def _faults(rule: Row, connectors: Sequence[Row], hosts: set[str]) -> list[Finding]:
    findings = []
    identity = quoted(rule["Name"])
    if not rule["Enabled"]:
        command = f"Enable-JournalRule -Identity {identity}"
        findings.append(
            Finding("cloud-journaling.rule-disabled", {"name": rule["Name"], "command": command})
        )
    if rule["Scope"].lower() not in _INTERNAL_SCOPES:
        command = f"Set-JournalRule -Identity {identity} -Scope Internal"
        findings.append(
            Finding(
                "cloud-journaling.scope",
                {"name": rule["Name"], "scope": rule["Scope"], "command": command},
            )
        )
    domain = rule["JournalEmailAddress"]
    if not connectors:
        command = (
            f"New-OutboundConnector -Name 'Mimecast journal' -ConnectorType Partner"
            f" -RecipientDomains {quoted(domain)} -UseMXRecord $false"
            f" -SmartHosts {listed(sorted(hosts))} -TlsSettings CertificateValidation"
        )
        findings.append(
            Finding(
                "cloud-journaling.no-connector",
                {"name": rule["Name"], "domain": domain, "command": command},
            )
        )
    elif not any(_reaches(row, hosts) for row in connectors):
        command = (
            f"Set-OutboundConnector -Identity {quoted(connectors[0]['Name'])} -UseMXRecord $false"
            f" -SmartHosts {listed(sorted(hosts))}"
        )
        findings.append(
            Finding(
                "cloud-journaling.other-hosts",
                {"name": connectors[0]["Name"], "hosts": sorted(hosts), "command": command},
            )
        )
    return findings


def _reaches(row: Row, hosts: set[str]) -> bool:
    found = {host.strip("[]. ").lower() for host in row["SmartHosts"]}
    return not row["UseMXRecord"] and found == hosts


def _no_rule() -> Finding:
    command = (
        "New-JournalRule -Name 'Mimecast journal' -Scope Internal -Enabled $true"
        " -JournalEmailAddress (Read-Host -Prompt Journal-address)"
    )
    return Finding("cloud-journaling.none", {"command": command})


def _ndr_unset(question: RuleInput) -> list[Finding]:
    """Without this address Exchange Online loses reports that cannot be delivered."""
    rows = question.facts.rows(TRANSPORT)
    if rows and all(row["JournalingReportNdrTo"] for row in rows):
        return []
    command = (
        "Set-TransportConfig -JournalingReportNdrTo"
        " (Read-Host -Prompt Address-outside-Exchange-Online)"
    )
    return [Finding("cloud-journaling.no-ndr-address", {"command": command})]
