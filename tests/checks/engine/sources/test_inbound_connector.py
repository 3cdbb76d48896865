"""The lockdown of Exchange Online: a table of connectors and their traps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from checks.engine.outcomes import CheckKind, Verdict
from tests.checks.engine.outcomes import codes
from tests.checks.engine.sources.exports import EXPECTED, LOCKED, RANGES, export_of, judge

KIND = CheckKind.INBOUND_CONNECTOR
BUILT_IN = {**EXPECTED, "ranges": [[network, "medium"] for network in RANGES]}
WEAK = {**EXPECTED, "ranges": [[network, "low"] for network in RANGES]}
UNKNOWN_RANGES = {**EXPECTED, "ranges": []}
BY_ADDRESS = {"RestrictDomainsToCertificate": False, "TlsSenderCertificateName": ""}
BY_CERTIFICATE = {"RestrictDomainsToIPAddresses": False, "SenderIPAddresses": []}


def connector(**changes: Any) -> dict[str, Any]:
    return {**LOCKED, **changes}


@pytest.mark.parametrize(
    ("changes", "verdict", "expected"),
    [
        ({}, Verdict.PASS, []),
        ({"SenderIPAddresses": ["192.0.2.0/25", "192.0.2.128/25", "198.51.100.0-198.51.100.127"]},
         Verdict.PASS, []),
        ({"ConnectorType": "partner", "SenderDomains": ["*"]}, Verdict.PASS, []),
        (BY_ADDRESS, Verdict.WARN, ["inbound-connector.addresses-only"]),
        (BY_CERTIFICATE, Verdict.WARN, ["inbound-connector.certificate-only"]),
        ({"SenderIPAddresses": [*RANGES, "203.0.113.9"]}, Verdict.WARN,
         ["inbound-connector.other-addresses"]),
        ({"SenderIPAddresses": [*RANGES, "2001:db8::/32"]}, Verdict.WARN,
         ["inbound-connector.other-addresses"]),
        ({"Enabled": False}, Verdict.FAIL, ["inbound-connector.disabled"]),
        ({"ConnectorType": "OnPremises"}, Verdict.FAIL, ["inbound-connector.not-partner"]),
        ({"RestrictDomainsToIPAddresses": False, "RestrictDomainsToCertificate": False},
         Verdict.FAIL, ["inbound-connector.not-restricting"]),
        ({"RestrictDomainsToIPAddresses": False, "RequireTls": False}, Verdict.FAIL,
         ["inbound-connector.restriction-empty"]),
        ({**BY_CERTIFICATE, "RequireTls": False}, Verdict.FAIL,
         ["inbound-connector.restriction-empty"]),
        ({**BY_CERTIFICATE, "TlsSenderCertificateName": "*.partner.test"}, Verdict.UNKNOWN,
         ["inbound-connector.unknown-addresses"]),
        ({"TlsSenderCertificateName": "*.mimecast.co.za"}, Verdict.FAIL,
         ["inbound-connector.other-certificate"]),
        ({"TlsSenderCertificateName": "*.notmimecast.com"}, Verdict.FAIL,
         ["inbound-connector.other-certificate"]),
        ({"SenderIPAddresses": RANGES[:1]}, Verdict.FAIL, ["inbound-connector.ranges-missing"]),
        ({"SenderIPAddresses": ["203.0.113.0/24"]}, Verdict.FAIL,
         ["inbound-connector.ranges-missing", "inbound-connector.other-region"]),
        ({"AssociatedAcceptedDomains": ["contoso.test"]}, Verdict.FAIL,
         ["inbound-connector.some-domains"]),
        ({"SenderDomains": ["smtp:partner.test;1"]}, Verdict.FAIL, ["inbound-connector.none"]),
        ({"SenderDomains": []}, Verdict.FAIL, ["inbound-connector.none"]),
    ],
)  # fmt: skip
def test_one_connector(changes: Mapping[str, Any], verdict: Verdict, expected: list[str]) -> None:
    outcome = judge(KIND, export_of(InboundConnector=[connector(**changes)]))

    assert (outcome.verdict, codes(outcome)) == (verdict, expected)


def test_associated_domains_may_cover_all_domains() -> None:
    rows = [connector(AssociatedAcceptedDomains=["contoso.test", "Contoso.onmicrosoft.test"])]

    assert judge(KIND, export_of(InboundConnector=rows)).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("second", "verdict", "expected"),
    [
        ({"SenderIPAddresses": ["203.0.113.9"], "TlsSenderCertificateName": "",
          "RestrictDomainsToCertificate": False, "Name": "Scanner"}, Verdict.WARN,
         ["inbound-connector.other-connector"]),
        ({"SenderIPAddresses": [], "TlsSenderCertificateName": "", "Name": "Open"},
         Verdict.UNKNOWN, ["inbound-connector.second-connector"]),
        ({"SenderDomains": ["smtp:partner.test;1"], "Name": "Partner"}, Verdict.PASS, []),
        ({"ConnectorType": "OnPremises", "Name": "Hybrid"}, Verdict.PASS, []),
        ({"Enabled": False, "Name": "Old"}, Verdict.PASS, []),
    ],
)  # fmt: skip
def test_second_connector(second: dict[str, Any], verdict: Verdict, expected: list[str]) -> None:
    rows = [connector(), connector(**second)]

    outcome = judge(KIND, export_of(InboundConnector=rows))

    assert (outcome.verdict, codes(outcome)) == (verdict, expected)


@pytest.mark.parametrize(
    ("wanted", "changes", "verdict", "expected"),
    [
        (BUILT_IN, {}, Verdict.WARN, ["inbound-connector.list-not-entered"]),
        (WEAK, {}, Verdict.WARN, ["inbound-connector.list-not-entered"]),
        (WEAK, BY_ADDRESS, Verdict.UNKNOWN, ["inbound-connector.no-ranges"]),
        (UNKNOWN_RANGES, {}, Verdict.WARN,
         ["inbound-connector.list-not-entered", "inbound-connector.other-addresses"]),
        (UNKNOWN_RANGES, BY_ADDRESS, Verdict.UNKNOWN, ["inbound-connector.unknown-addresses"]),
    ],
)  # fmt: skip
def test_confidence_of_ranges(
    wanted: Mapping[str, Any], changes: dict[str, Any], verdict: Verdict, expected: list[str]
) -> None:
    outcome = judge(KIND, export_of(InboundConnector=[connector(**changes)]), expected=wanted)

    assert (outcome.verdict, codes(outcome)) == (verdict, expected)


@pytest.mark.parametrize("name", [name for name in LOCKED if not name.startswith("EF")])
def test_missing_property_is_unknown(name: str) -> None:
    row = {key: value for key, value in LOCKED.items() if key != name}

    outcome = judge(KIND, export_of(InboundConnector=[row]))

    assert (outcome.verdict, codes(outcome)) == (Verdict.UNKNOWN, ["export.property-missing"])
    assert outcome.findings[0].params["properties"] == [name]


def test_no_connector_with_direct_send_open() -> None:
    export = export_of(InboundConnector=[], OrganizationConfig=[{"RejectDirectSend": False}])

    assert codes(judge(KIND, export)) == [
        "inbound-connector.none",
        "inbound-connector.direct-send-open",
    ]


def test_missing_ranges_are_in_the_command() -> None:
    rows = [connector(Name="It’s ‘x’; exit", SenderIPAddresses=RANGES[:1])]

    finding = judge(KIND, export_of(InboundConnector=rows)).findings[0]

    assert finding.params["command"] == (
        "Set-InboundConnector -Identity 'It’’s ‘‘x’’; exit'"
        " -SenderIPAddresses @{ Add='198.51.100.0/25' }"
    )


NO_CERTIFICATE = {**EXPECTED, "certificate": ""}
OPEN = {"RestrictDomainsToIPAddresses": False, "RestrictDomainsToCertificate": False}
OTHER_REGION = {"TlsSenderCertificateName": "*.mimecast.co.za"}


def commands(changes: Mapping[str, Any], expected: Mapping[str, Any]) -> list[tuple[str, object]]:
    outcome = judge(KIND, export_of(InboundConnector=[connector(**changes)]), expected=expected)
    return [(each.code.partition(".")[2], each.params.get("command")) for each in outcome.findings]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"SenderDomains": []}, "none"),
        ({**OPEN, "SenderIPAddresses": []}, "not-restricting"),
        ({**BY_CERTIFICATE, "RequireTls": False}, "restriction-empty"),
        ({"Enabled": False}, "disabled"),
        ({"TlsSenderCertificateName": "*.partner.test"}, "other-certificate"),
    ],
)
def test_unknown_certificate_has_no_command(changes: Mapping[str, Any], code: str) -> None:
    """The certificate of another region would reject all mail from Mimecast."""
    assert commands(changes, NO_CERTIFICATE) == [(code, ""), ("no-certificate", None)]
    assert commands(changes, EXPECTED)[0][1]


@pytest.mark.parametrize(
    ("changes", "settings"),
    [
        (OPEN, "-RestrictDomainsToIPAddresses $true"),
        ({**OPEN, "SenderIPAddresses": RANGES[:1]},
         "-RestrictDomainsToIPAddresses $true -SenderIPAddresses @{ Add='198.51.100.0/25' }"),
        ({**OPEN, "SenderIPAddresses": []},
         "-RequireTls $true -RestrictDomainsToCertificate $true"),
        ({**OPEN, **OTHER_REGION, "SenderIPAddresses": []},
         "-RequireTls $true -RestrictDomainsToCertificate $true"
         " -TlsSenderCertificateName '*.mimecast.com'"),
        ({**BY_CERTIFICATE, **OTHER_REGION, "RequireTls": False},
         "-RequireTls $true -RestrictDomainsToCertificate $true"
         " -TlsSenderCertificateName '*.mimecast.com'"),
        ({"Enabled": False}, "-Enabled $true"),
        ({"Enabled": False, **OTHER_REGION, "SenderIPAddresses": RANGES[:1]},
         "-Enabled $true -TlsSenderCertificateName '*.mimecast.com'"
         " -SenderIPAddresses @{ Add='198.51.100.0/25' }"),
    ],
)  # fmt: skip
def test_command_that_closes_admits_mimecast(changes: Mapping[str, Any], settings: str) -> None:
    (_, command), *others = commands(changes, EXPECTED)

    assert command == f"Set-InboundConnector -Identity 'Mimecast to Microsoft 365' {settings}"
    assert others == []
