"""Sentences with a command: a command that can lose mail names its earliest time."""

from __future__ import annotations

import pytest

from checks.engine.codes import CODES
from checks.templatetags.findings import finding

SWITCHED = "After the MX cutover of every domain,"
COMPARED = f"{SWITCHED} compare"
OUTBOUND = "At the outbound cutover,"
# The words in front of the command, by the code of the finding.
CONDITIONS = {
    "inbound-connector.none": SWITCHED,
    "inbound-connector.not-restricting": COMPARED,
    "inbound-connector.restriction-empty": COMPARED,
    "inbound-connector.disabled": COMPARED,
    "inbound-connector.some-domains": SWITCHED,
    "inbound-connector.direct-send-open": "After the inventory of devices that send directly,",
    "outbound-connector.none": "at the outbound cutover",
    "outbound-connector.disabled": OUTBOUND,
    "outbound-connector.test-mode": OUTBOUND,
    "outbound-connector.uses-mx": OUTBOUND,
    "outbound-connector.other-region": OUTBOUND,
    "outbound-connector.one-host": OUTBOUND,
    "outbound-connector.other-hosts": OUTBOUND,
    "outbound-connector.several": OUTBOUND,
    "outbound-connector.via-on-premises": "at the outbound cutover,",
    "cloud-signing.on": "After the outbound cutover, when Mimecast signs these domains,",
    "cloud-journaling.none": "When the connector to the journal hosts",
    "cloud-journaling.rule-disabled": "If it is for Mimecast, and its connector",
    "cloud-journaling.scope": "If it is for Mimecast,",
    "cloud-journaling.no-connector": "If this domain receives only journal mail for Mimecast,",
    "cloud-journaling.other-hosts": "If it sends only journal mail for Mimecast,",
    "enhanced-filtering.last-only": "Compare them with Mimecast",
    "enhanced-filtering.allow-list-too": "After the lockdown,",
}
# Commands that admit more mail, or change neither the route nor the rejection of mail.
HARMLESS = {
    "inbound-connector.other-certificate",
    "inbound-connector.ranges-missing",
    "outbound-connector.tls-unverified",
    "connection-filter.none",
    "connection-filter.ranges-missing",
    "connection-filter.weak-ranges-missing",
    "connection-filter.blocked",
    "enhanced-filtering.pilot",
    "enhanced-filtering.ranges-missing",
    "cloud-journaling.no-ndr-address",
}
WITH_COMMAND = {code for code, params in CODES.items() if "command" in params}
# Findings without the region's values have no command.
OPTIONAL = [
    "inbound-connector.none",
    "inbound-connector.not-restricting",
    "inbound-connector.restriction-empty",
    "inbound-connector.disabled",
    "inbound-connector.other-certificate",
    "enhanced-filtering.last-only",
]


def sentence(code: str, command: str) -> str:
    params = {name: ["one.test"] if name.endswith("s") else "one" for name in CODES[code]}
    html = finding({"code": code, "params": params | {"command": command}})
    return " ".join(html.replace("<code >", "<code>").split())


def test_each_command_is_assessed() -> None:
    assert CONDITIONS.keys() | HARMLESS == WITH_COMMAND
    assert CONDITIONS.keys() & HARMLESS == set()


@pytest.mark.parametrize("code", sorted(CONDITIONS))
def test_condition_is_in_front_of_the_command(code: str) -> None:
    before, _, after = sentence(code, "Set-Something").partition("Set-Something")

    assert after.endswith(".")
    assert CONDITIONS[code] in before


@pytest.mark.parametrize("code", OPTIONAL)
def test_sentence_without_command(code: str) -> None:
    text = sentence(code, "")

    assert "run:" not in text.lower()
    assert "<code" not in text.replace("<code>one</code>", "")
    assert text.endswith(".")
