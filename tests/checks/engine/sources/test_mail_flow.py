"""Outbound connectors, journaling, domains and signing of Exchange Online."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from checks.engine.outcomes import CheckKind, Verdict
from checks.engine.sources.exchange_online.source import SOURCE
from checks.engine.sources.rules import MAX_AGE_DAYS, judge_facts
from tests.checks.engine.outcomes import codes
from tests.checks.engine.sources.exports import (
    DOMAIN,
    EXPECTED,
    JOURNAL_CONNECTOR,
    JOURNAL_RULE,
    NOW,
    OBTAINED,
    REGION,
    SENDING,
    export_of,
    judge,
)

ONE_HOST = ["eu-out-1.mimecast.com"]
RULE = {"Name": "To partner", "State": "Enabled", "RouteMessageOutboundConnector": "Partner"}


def outbound(*rows: dict[str, Any], **tables: Any) -> tuple[Verdict, list[str]]:
    export = export_of(OutboundConnector=[{**SENDING, **row} for row in rows], **tables)
    outcome = judge(CheckKind.OUTBOUND_CONNECTOR, export)
    return outcome.verdict, codes(outcome)


@pytest.mark.parametrize(
    ("changes", "verdict", "expected"),
    [
        ({}, Verdict.PASS, []),
        ({"SmartHosts": ["[EU-o365-2.mimecast.com]", "eu-o365-1.mimecast.com."]},
         Verdict.PASS, []),
        ({"TlsSettings": "DomainValidation"}, Verdict.PASS, []),
        ({"TlsSettings": "EncryptionOnly"}, Verdict.WARN, ["outbound-connector.tls-unverified"]),
        ({"TlsSettings": None}, Verdict.WARN, ["outbound-connector.tls-unverified"]),
        ({"RouteAllMessagesViaOnPremises": True}, Verdict.WARN,
         ["outbound-connector.via-on-premises"]),
        ({"Enabled": False}, Verdict.FAIL, ["outbound-connector.disabled"]),
        ({"Enabled": False, "SmartHosts": ["old.test"]}, Verdict.FAIL,
         ["outbound-connector.none"]),
        ({"RecipientDomains": ["partner.test"]}, Verdict.FAIL, ["outbound-connector.none"]),
        ({"IsTransportRuleScoped": True}, Verdict.FAIL, ["outbound-connector.none"]),
        ({"TestMode": True}, Verdict.FAIL, ["outbound-connector.test-mode"]),
        ({"UseMXRecord": True}, Verdict.FAIL, ["outbound-connector.uses-mx"]),
        ({"SmartHosts": ONE_HOST}, Verdict.FAIL, ["outbound-connector.one-host"]),
        ({"SmartHosts": []}, Verdict.FAIL, ["outbound-connector.other-hosts"]),
        ({"SmartHosts": [*ONE_HOST, "old.test"]}, Verdict.FAIL,
         ["outbound-connector.other-hosts"]),
        ({"SmartHosts": ["eu-out-1.mimecast.com", "eu-o365-2.mimecast.com"]}, Verdict.FAIL,
         ["outbound-connector.other-hosts"]),
        ({"SmartHosts": ["us-out-1.mimecast.com"]}, Verdict.FAIL,
         ["outbound-connector.other-region"]),
    ],
)  # fmt: skip
def test_one_connector(changes: dict[str, Any], verdict: Verdict, expected: list[str]) -> None:
    assert outbound(changes) == (verdict, expected)


def test_second_catch_all_is_named() -> None:
    old = {"Name": "Old", "SmartHosts": ["old.test"]}

    assert outbound({}, old) == (
        Verdict.FAIL,
        ["outbound-connector.other-hosts", "outbound-connector.several"],
    )


OLD = {"Name": "Old", "SmartHosts": ["old.test"]}
OLDER = {"Name": "Older", "SmartHosts": ["older.test"]}
BY_MX = {"Name": "By MX", "UseMXRecord": True}
TESTED = {"Name": "Tested", "TestMode": True}


@pytest.mark.parametrize(
    ("rows", "disabled"),
    [
        ([{}, OLD], ["Old"]),
        ([OLD, {}], ["Old"]),
        ([OLD, OLDER], ["Older"]),
        ([BY_MX, {}, OLD], ["By MX", "Old"]),
        ([TESTED, {}], ["Tested"]),
        ([OLD, TESTED], ["Old"]),
    ],
)
def test_one_of_several_connectors_stays_enabled(
    rows: list[dict[str, Any]], disabled: list[str]
) -> None:
    """Without any connector, Exchange Online would send around Mimecast."""
    export = export_of(OutboundConnector=[{**SENDING, **row} for row in rows])

    finding = judge(CheckKind.OUTBOUND_CONNECTOR, export).findings[-1]

    assert finding.code == "outbound-connector.several"
    assert finding.params["command"] == "; ".join(
        f"Set-OutboundConnector -Identity '{name}' -Enabled $false" for name in disabled
    )


def test_second_catch_all_in_test_mode() -> None:
    assert outbound({}, {"Name": "Test", "TestMode": True})[0] is Verdict.FAIL


@pytest.mark.parametrize(
    "other", [{"RecipientDomains": ["partner.test"]}, {"Enabled": False, "SmartHosts": ["o.test"]}]
)
def test_narrow_or_disabled_connector_is_no_fault(other: dict[str, Any]) -> None:
    assert outbound({}, {"Name": "Other", **other}) == (Verdict.PASS, [])


def test_rule_with_a_connector_is_a_caution() -> None:
    assert outbound({}, TransportRule=[RULE]) == (Verdict.WARN, ["outbound-connector.rule-routes"])


@pytest.mark.parametrize("change", [{"State": "Disabled"}, {"RouteMessageOutboundConnector": None}])
def test_other_rules_are_no_caution(change: dict[str, Any]) -> None:
    assert outbound({}, TransportRule=[{**RULE, **change}]) == (Verdict.PASS, [])


def test_unknown_smart_hosts() -> None:
    kind = CheckKind.OUTBOUND_CONNECTOR
    outcome = judge(kind, export_of(), expected={**EXPECTED, "smart_hosts": []})

    assert (outcome.verdict, codes(outcome)) == (Verdict.UNKNOWN, ["outbound-connector.no-hosts"])


def journaling(
    rule: dict[str, Any], connector: dict[str, Any], **tables: Any
) -> tuple[Verdict, list[str]]:
    export = export_of(
        JournalRule=[{**JOURNAL_RULE, **rule}],
        OutboundConnector=[SENDING, {**JOURNAL_CONNECTOR, **connector}],
        **tables,
    )
    outcome = judge(CheckKind.CLOUD_JOURNALING, export)
    return outcome.verdict, codes(outcome)


@pytest.mark.parametrize(
    ("rule", "connector", "verdict", "expected"),
    [
        ({}, {}, Verdict.PASS, []),
        ({"Scope": "Global"}, {}, Verdict.PASS, []),
        ({"Scope": "External"}, {}, Verdict.FAIL, ["cloud-journaling.scope"]),
        ({"Enabled": False}, {}, Verdict.FAIL, ["cloud-journaling.rule-disabled"]),
        ({"Recipient": "ann@contoso.test"}, {}, Verdict.WARN, ["cloud-journaling.one-recipient"]),
        ({}, {"Enabled": False}, Verdict.FAIL, ["cloud-journaling.no-connector"]),
        ({}, {"RecipientDomains": ["contoso.test"]}, Verdict.FAIL,
         ["cloud-journaling.no-connector"]),
        ({}, {"SmartHosts": ["eu-journal-1.mimecast.com"]}, Verdict.FAIL,
         ["cloud-journaling.other-hosts"]),
        ({}, {"UseMXRecord": True}, Verdict.FAIL, ["cloud-journaling.other-hosts"]),
    ],
)  # fmt: skip
def test_journaling(
    rule: dict[str, Any], connector: dict[str, Any], verdict: Verdict, expected: list[str]
) -> None:
    assert journaling(rule, connector) == (verdict, expected)


@pytest.mark.parametrize("unset", ["<>", "", None])
def test_unset_report_address(unset: str | None) -> None:
    found = journaling({}, {}, TransportConfig=[{"JournalingReportNdrTo": unset}])

    assert found == (Verdict.FAIL, ["cloud-journaling.no-ndr-address"])


def test_no_journal_rule() -> None:
    outcome = judge(CheckKind.CLOUD_JOURNALING, export_of(JournalRule=[]))

    assert codes(outcome) == ["cloud-journaling.none"]


def test_unknown_journal_hosts() -> None:
    kind = CheckKind.CLOUD_JOURNALING
    outcome = judge(kind, export_of(), expected={**EXPECTED, "journal_hosts": []})

    assert (outcome.verdict, codes(outcome)) == (Verdict.UNKNOWN, ["cloud-journaling.no-hosts"])


def accepted(*names: str, kind: str = "Authoritative") -> list[dict[str, Any]]:
    return [{"DomainName": n, "DomainType": kind, "InitialDomain": False} for n in names]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (accepted(DOMAIN, "contoso.onmicrosoft.test"), []),
        (accepted(DOMAIN, "contoso.mail.onmicrosoft.com"), []),
        (accepted(DOMAIN, "forgotten.test"), ["accepted-domains.unknown"]),
        (accepted(DOMAIN, kind="InternalRelay"), ["accepted-domains.relayed"]),
    ],
)
def test_accepted_domains(rows: list[dict[str, Any]], expected: list[str]) -> None:
    assert codes(judge(CheckKind.ACCEPTED_DOMAINS, export_of(AcceptedDomain=rows))) == expected


def test_absent_domain() -> None:
    wanted = {**EXPECTED, "domains": [DOMAIN, "second.test"]}

    outcome = judge(CheckKind.ACCEPTED_DOMAINS, export_of(), expected=wanted)

    assert codes(outcome) == ["accepted-domains.absent"]


@pytest.mark.parametrize(
    ("rows", "verdict", "expected"),
    [
        ([{"Domain": DOMAIN, "Enabled": False}], Verdict.PASS, []),
        ([{"Domain": "Contoso.test", "Enabled": True}], Verdict.FAIL, ["cloud-signing.on"]),
        ([], Verdict.UNKNOWN, ["cloud-signing.unlisted"]),
    ],
)
def test_signing(rows: list[dict[str, Any]], verdict: Verdict, expected: list[str]) -> None:
    outcome = judge(CheckKind.CLOUD_SIGNING, export_of(DkimSigningConfig=rows))

    assert (outcome.verdict, codes(outcome)) == (verdict, expected)


# --- Every rule


@pytest.mark.parametrize("kind", SOURCE.kinds)
def test_complete_export_is_judged(kind: CheckKind) -> None:
    outcome = judge(kind, export_of())

    assert outcome.verdict in (Verdict.PASS, Verdict.WARN, Verdict.NOT_APPLICABLE)
    assert outcome.evidence["export"] == {
        "source": "exchange_online",
        "id": "exp",
        "obtained_at": OBTAINED.isoformat(),
        "provenance": "stated",
        "strength": SOURCE.rule_for(kind).strength.value,
    }


@pytest.mark.parametrize("kind", SOURCE.kinds)
def test_missing_table_is_unknown(kind: CheckKind) -> None:
    for table in SOURCE.rule_for(kind).needs:
        export = {name: rows for name, rows in export_of().items() if name != table}

        outcome = judge(kind, export)

        assert (outcome.verdict, codes(outcome)) == (Verdict.UNKNOWN, ["export.table-missing"])


@pytest.mark.parametrize("kind", SOURCE.kinds)
def test_export_of_another_company_is_unknown(kind: CheckKind) -> None:
    outcome = judge(kind, export_of(AcceptedDomain=accepted("other.test")))

    assert (outcome.verdict, codes(outcome)) == (Verdict.UNKNOWN, ["export.other-organisation"])


@pytest.mark.parametrize("kind", SOURCE.kinds)
def test_old_export_is_unknown(kind: CheckKind) -> None:
    latest = OBTAINED + timedelta(days=MAX_AGE_DAYS)

    late = judge(kind, export_of(), now=latest + timedelta(seconds=1))

    assert judge(kind, export_of(), now=latest).verdict is not Verdict.UNKNOWN
    assert (late.verdict, codes(late)) == (Verdict.UNKNOWN, ["export.outdated"])


def test_without_facts_is_unknown() -> None:
    kind = CheckKind.CONNECTION_FILTER
    outcome = judge_facts(SOURCE, kind, DOMAIN, None, EXPECTED, REGION, now=NOW)

    assert (outcome.verdict, codes(outcome), outcome.unanimous) == (
        Verdict.UNKNOWN,
        ["export.none"],
        False,
    )
